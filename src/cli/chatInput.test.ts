import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { ChatInput, type Input, LineJoiner } from "./chatInput.js";

const text = (of: string): Input => ({ kind: "text", text: of });

/** What each line completes. */
function joined(lines: readonly string[]): (Input | null)[] {
  const joiner = new LineJoiner();
  return lines.map((line) => joiner.push(line));
}

test("a line is a text or a command; nothing is nothing", () => {
  expect(joined(["Hello ", "", "  ", "/set top-k 4 ", "//etc/hosts", " /x"])).toEqual([
    text("Hello "),
    null,
    null,
    { kind: "command", text: "/set top-k 4" },
    text("/etc/hosts"),
    text(" /x"),
  ]);
});

test("a backslash at the end joins lines, whatever they begin with", () => {
  expect(joined(["a\\", "/b\\", "", "c"])).toEqual([null, null, text("a\n/b\n"), text("c")]);
});

test("three quotes hold lines together, on lines of their own or not", () => {
  const marks = '"""';
  expect(joined([marks, "a\\", "", "  /b", marks, "c"]).filter((each) => each)).toEqual([
    text("a\\\n\n  /b"),
    text("c"),
  ]);
  expect(joined([`${marks}a`, `b${marks}`])).toEqual([null, text("a\nb")]);
  expect(joined([`${marks}a b${marks}`])).toEqual([text("a b")]);
  expect(joined([marks, marks, "c"])).toEqual([null, null, text("c")]);
});

test("pasted lines stay one text until the line that is typed", () => {
  const joiner = new LineJoiner();
  expect([joiner.push("/usr", true), joiner.push("", true), joiner.push('"""', true), joiner.isOpen]).toEqual([
    null,
    null,
    null,
    true,
  ]);
  expect(joiner.push("end")).toEqual(text('/usr\n\n"""\nend'));
  expect(joiner.isOpen).toBe(false);
});

test("a pipe gives line after line, and what is open at its end", async () => {
  const input = new PassThrough();
  const chat = new ChatInput({ input, output: new PassThrough(), isTerminal: false, onInterrupt: () => false });
  input.write("one\n/tw");
  expect(await chat.next()).toEqual(text("one"));
  input.end('o\n"""three\nfour');
  expect([await chat.next(), await chat.next(), await chat.next()]).toEqual([
    { kind: "command", text: "/two" },
    text("three\nfour"),
    null,
  ]);
});

/** A terminal of which the test is the keyboard. */
function terminal(onInterrupt: () => boolean): { input: PassThrough; chat: ChatInput; shown: () => string } {
  const input = new PassThrough();
  const output = new PassThrough();
  let shown = "";
  output.setEncoding("utf8").on("data", (part: string) => {
    shown += part;
  });
  const chat = new ChatInput({ input, output, isTerminal: true, onInterrupt });
  return { input, chat, shown: () => shown };
}

test("a terminal's marks around pasted text keep it from being sent by its own line breaks", async () => {
  const { input, chat, shown } = terminal(() => false);
  const next = chat.next();
  input.write("\x1b[200~first\rsecond\r\tthird\x1b[201~");
  input.write(" and typed\r");
  expect(await next).toEqual(text("first\nsecond\n\tthird and typed"));
  expect(shown()).toContain("\x1b[?2004h");
  expect(shown()).toContain("> ");
  input.write("\x04"); // Ctrl-D
  expect(await chat.next()).toBeNull();
  chat.close();
  expect(shown()).toContain("\x1b[?2004l");
});

test("Ctrl-C stops what runs, else throws away what is being typed", async () => {
  let isRunning = true;
  let numInterrupts = 0;
  const { input, chat, shown } = terminal(() => {
    numInterrupts++;
    return isRunning;
  });
  const next = chat.next();
  input.write("a question\\\rto for");
  input.write("\x03");
  expect(numInterrupts).toBe(1);
  isRunning = false;
  input.write("\x03");
  expect(shown()).not.toContain("Ctrl-D or /exit ends");
  input.write("\x03");
  expect(shown()).toContain("Ctrl-D or /exit ends");
  input.write("another\r");
  expect(await next).toEqual(text("another"));
  chat.close();
});

test("an unfinished text on a terminal is not sent at the end", async () => {
  const { input, chat, shown } = terminal(() => false);
  const next = chat.next();
  input.write("one\\\r\x04");
  expect(await next).toBeNull();
  expect(shown().endsWith("\n")).toBe(true);
});
