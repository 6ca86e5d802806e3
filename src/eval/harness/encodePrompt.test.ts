import { describe, expect, test } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "../../tokenizer/newTokenizer.js";
import { Tokenizer } from "../../tokenizer/tokenizer.js";
import { encodePair, encodePrompt, rollingWindows } from "./encodePrompt.js";
import type { Prompt } from "./prompt.js";

const bytes = (text: string): Uint8Array => Buffer.from(text);
/** Bytes, and the tokens " a", "ab" and "xy". */
const merging = Tokenizer.fromJson(
  buildTokenizerJson([
    { left: bytes(" "), right: bytes("a") },
    { left: bytes("a"), right: bytes("b") },
    { left: bytes("x"), right: bytes("y") },
  ]),
  buildTokenizerConfig(),
);
const text = (content: string): Prompt => ({ kind: "text", text: content, suffix: null });
const bos = merging.bosToken ?? "";

/** Text of the context, and of what is scored, with a bar between tokens. */
function pair(prompt: Prompt, continuation: string, most = 100): { context: string; scored: string } {
  const { ids, from } = encodePair(merging, prompt, continuation, most);
  const shown = (part: Int32Array): string => [...part].map((id) => merging.decode([id])).join("|");
  return { context: shown(ids.subarray(0, from)), scored: shown(ids.subarray(from)) };
}

describe("context and continuation", () => {
  test("white space at the end of the context goes to what follows", () => {
    expect(pair(text("Q:"), " ab")).toEqual({ context: `${bos}|Q|:`, scored: " a|b" });
    expect(pair(text("Q: "), "ab")).toEqual(pair(text("Q:"), " ab"));
    expect(pair(text("Q:\n\n"), "c")).toEqual({ context: `${bos}|Q|:`, scored: "\n|\n|c" });
  });

  test("both are tokenised as one text and cut at the length of the context's own ids", () => {
    // Alone the context is Q, x; together Q, xy, c: the token that joins them counts to the context.
    expect(pair(text("Qx"), "yc")).toEqual({ context: `${bos}|Q|xy`, scored: "c" });
  });

  test("one token at least is scored, also when it holds a part of the context", () => {
    expect(pair(text("Qx"), "y")).toEqual({ context: `${bos}|Q`, scored: "xy" });
  });

  test("an empty context is the token that begins a document", () => {
    expect(pair(text(""), "ab")).toEqual({ context: bos, scored: "ab" });
    expect(pair(text("  "), "b")).toEqual({ context: bos, scored: " | |b" });
  });

  test("what is too long keeps its right end, of the continuation always all", () => {
    expect(pair(text("uvw"), "b", 4)).toEqual({ context: "u|v|w", scored: "b" });
    expect(encodePair(merging, text("uvw"), "b", 4).cut).toBe(1);
    expect(pair(text("uvw"), "zz", 3)).toEqual({ context: "w", scored: "z|z" });
    expect(() => encodePair(merging, text("uvw"), "zz", 2)).toThrow(
      "a continuation of 2 tokens does not fit into the model's 1 positions with a token before it",
    );
    expect(() => encodePair(merging, text("a"), "", 9)).toThrow("a continuation is empty");
  });

  test("a spelling of a control token stays text", () => {
    const { ids } = encodePair(merging, text(`${bos}x`), "b", 100);
    expect([...ids].filter((id) => id === merging.bosTokenId).length).toBe(1);
  });
});

describe("chats", () => {
  const chat: Prompt = { kind: "chat", messages: [{ role: "user", content: "Q" }], answerStart: "" };

  test("the continuation is how the answer begins", () => {
    const { context, scored } = pair(chat, "ab");
    expect(context.startsWith(`${bos}|`)).toBe(true);
    expect(context.split(bos).length).toBe(2);
    expect(scored).toBe("ab");
    expect(pair({ ...chat, answerStart: "So" }, " ab")).toEqual({ context: `${context}|S|o`, scored: " a|b" });
  });

  test("a template that begins with two begin tokens is refused", () => {
    const template = "{{ bos_token }}{{ bos_token }}{{ messages[0].content }}";
    const twice = Tokenizer.fromJson(buildTokenizerJson([]), { ...buildTokenizerConfig(), chat_template: template });
    expect(() => encodePrompt(twice, chat, 100)).toThrow("the prompt begins with two begin tokens");
  });
});

test("what is too long loses its beginning, its middle, or nothing", () => {
  const cutTo = (most: number, part?: "start" | "middle" | "none"): [string, number] => {
    const { ids, cut } = encodePrompt(merging, text("klmnop"), most, part);
    return [[...ids].map((id) => merging.decode([id])).join("|"), cut];
  };
  expect(cutTo(4)).toEqual(["m|n|o|p", 3]);
  expect(cutTo(4, "middle")).toEqual([`${bos}|k|o|p`, 3]);
  // Of an odd room the one token more is at the beginning.
  expect(cutTo(5, "middle")).toEqual([`${bos}|k|l|o|p`, 2]);
  expect(cutTo(7, "middle")).toEqual([`${bos}|k|l|m|n|o|p`, 0]);
  expect(cutTo(7, "none")[1]).toBe(0);
  expect(() => cutTo(6, "none")).toThrow("the prompt has 7 tokens, of which none may be cut; there is room for 6");
});

test("a gap is asked for with the text on both sides", () => {
  const { ids } = encodePrompt(merging, { kind: "text", text: "u", suffix: "v" }, 100);
  const { begin = -1, hole = -1, end = -1 } = merging.fim ?? {};
  const letter = (char: string): number => merging.encode(char)[0] ?? -1;
  expect([...ids]).toEqual([merging.bosTokenId, begin, letter("u"), hole, letter("v"), end]);
  expect(() => encodePrompt(merging, { kind: "text", text: "u", suffix: "v" }, 5)).toThrow("there is room for 5");
});

describe("rolling windows", () => {
  /** Contexts and targets as positions of the text, from 1; P is the token before it. */
  function windows(length: number, most: number): string[] {
    const content = Array.from({ length }, (_, i) => String.fromCharCode(99 + i)).join(""); // no merges from "c" on
    return rollingWindows(merging, content, most).map(({ ids, from }) => {
      const names = [...ids].map((id) => (id === merging.bosTokenId ? "P" : content.indexOf(merging.decode([id])) + 1));
      return `${names.slice(0, from).join()}>${names.slice(from).join()}`;
    });
  }

  test("ten tokens with room for four: the case of the specification, 8.4", () => {
    expect(windows(10, 5)).toEqual(["P>1,2,3,4", "4>5,6,7,8", "6,7,8>9,10"]);
  });

  test("each token is scored once, behind as many as there is room for", () => {
    expect(windows(4, 5)).toEqual(["P>1,2,3,4"]);
    expect(windows(5, 5)).toEqual(["P>1,2,3,4", "1,2,3,4>5"]);
    expect(windows(3, 100)).toEqual(["P>1,2,3"]);
    expect(windows(3, 2)).toEqual(["P>1", "1>2", "2>3"]);
    expect(windows(0, 5)).toEqual([]);
  });
});
