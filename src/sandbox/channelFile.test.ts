import { expect, test } from "vitest";
import { ChannelFile, EndOfGuest, frame, type Script } from "./channelFile.js";

/** Asks the numbers 1, 2, 3 and keeps what is answered. */
function counting(): { readonly script: Script; readonly answers: (string | null)[] } {
  const answers: (string | null)[] = [];
  const next = (reply: string | null): string | null => {
    answers.push(reply);
    return answers.length <= 3 ? JSON.stringify(answers.length) : null;
  };
  return { script: { next }, answers };
}

/** Reads a whole request as a guest does; returns its nonce and its text. */
function read(file: ChannelFile): [nonce: string, text: string] {
  const bytes: number[] = [];
  for (let part = file.read(7); part.length > 0; part = file.read(7)) bytes.push(...part);
  const text = Buffer.from(bytes).toString("latin1");
  expect(Number.parseInt(text.slice(16, 24), 16)).toBe(text.length - 24);
  return [text.slice(0, 16), text.slice(24)];
}

function reasonOf(act: () => void): string {
  try {
    act();
  } catch (error) {
    if (error instanceof EndOfGuest) return `${error.reason}: ${error.message}`;
    throw error;
  }
  return "nothing";
}

test("requests and replies take turns, each under a nonce of its own, and the last reply ends the guest", () => {
  const { script, answers } = counting();
  const file = new ChannelFile(script);
  const nonces: string[] = [];
  for (const expected of ["1", "2"]) {
    const [nonce, text] = read(file);
    expect(text).toBe(expected);
    nonces.push(nonce);
    const reply = frame(nonce, '"é"');
    file.write(reply.subarray(0, 5));
    file.write(reply.subarray(5));
  }
  const [nonce] = read(file);
  expect(reasonOf(() => file.write(frame(nonce, "0")))).toBe("done: ");
  expect(answers).toEqual([null, '"\\u00e9"', '"\\u00e9"', "0"]);
  expect(new Set([...nonces, nonce]).size).toBe(3);
});

test("a reply without the request's nonce, before the request was read, twice, or too long, ends the guest", () => {
  const open = (): [ChannelFile, string] => {
    const file = new ChannelFile(counting().script);
    return [file, read(file)[0]];
  };
  const [a] = open();
  expect(reasonOf(() => a.write(frame("0".repeat(16), "1")))).toBe("protocol: the program forged an answer");
  const b = new ChannelFile(counting().script);
  expect(reasonOf(() => b.write(new Uint8Array(1)))).toBe(
    "protocol: the program wrote to the sandbox's channel unasked",
  );
  const [c, nonce] = open();
  expect(reasonOf(() => c.write(Buffer.concat([frame(nonce, "1"), frame(nonce, "1")])))).toBe(
    "protocol: the program answered more than once",
  );
  const [d, other] = open();
  expect(reasonOf(() => d.write(Buffer.from(`${other}ffffffff`)))).toBe(
    "protocol: the program returned 4294967295 bytes, 16777216 at most",
  );
});

test("while a reply is due there is nothing to read", () => {
  const file = new ChannelFile(counting().script);
  read(file);
  expect(file.read(100)).toHaveLength(0);
});
