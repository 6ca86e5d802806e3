import { expect, test } from "vitest";
import { byteTokenizer } from "../../test/serve/scriptedModel.js";
import { TextOutput } from "./textOutput.js";

const tokenizer = byteTokenizer();

/** The text of each token, one byte each, and what is left at the end. */
function read(text: string, stops: readonly string[], firstThatMayStop = 0): (string | null)[] {
  const output = new TextOutput(tokenizer.decoder({ skipSpecialTokens: true }), stops);
  const told: (string | null)[] = [];
  for (const [i, id] of Array.from(tokenizer.encode(text, { allowSpecial: true })).entries()) {
    const { text: piece, stop } = output.push(id, i >= firstThatMayStop);
    told.push(piece);
    if (stop !== null) return [...told, null, stop];
  }
  return [...told, output.flush()];
}

test("without stop strings text comes as it is written", () => {
  expect(read("abc", [])).toEqual(["a", "b", "c", ""]);
});

test("a character waits for its last byte; one that never ends is U+FFFD", () => {
  expect(read("a\u20acb", [])).toEqual(["a", "", "", "\u20ac", "b", ""]);
  const output = new TextOutput(tokenizer.decoder(), []);
  for (const id of Array.from(tokenizer.encode("\u{1f600}")).slice(0, 3)) expect(output.push(id, true).text).toBe("");
  expect(output.flush()).toBe("\ufffd");
  expect(output.flush()).toBe("");
});

test("a control token between the bytes of a character shows nothing and breaks nothing", () => {
  const [first = 0, ...rest] = tokenizer.encode("\u20ac");
  const output = new TextOutput(tokenizer.decoder({ skipSpecialTokens: true }), ["x"]);
  const eos = tokenizer.eosTokenId ?? 0;
  expect([first, eos, ...rest].map((id) => output.push(id, true).text).join("")).toBe("\u20ac");
});

test("what may begin a stop string is held back until it is one or is none", () => {
  expect(read("a##b", ["###"])).toEqual(["a", "", "", "##b", ""]);
  expect(read("a##", ["###"])).toEqual(["a", "", "", "##"]);
  expect(read("a###", ["###"])).toEqual(["a", "", "", "", null, "###"]);
  // "aab" begins anew inside of "aaab".
  expect(read("aaab", ["aab"])).toEqual(["", "", "a", "", null, "aab"]);
});

test("the stop string that begins first ends the text, and its beginning may be half a character away", () => {
  expect(read("xyz!", ["z", "yz!"])).toEqual(["x", "", "y", null, "z"]);
  expect(read("ab", ["b", "ab"])).toEqual(["", "", null, "ab"]);
  expect(read("\u20ac.", ["\u20ac."])).toEqual(["", "", "", "", null, "\u20ac."]);
});

test("text that is too early for a stop string is never part of one", () => {
  expect(read("ababab", ["ab"], 3)).toEqual(["a", "b", "a", "b", "", "", null, "ab"]);
  expect(read("abab", ["bab"], 2)).toEqual(["a", "b", "a", "", "b"]);
});

test("a token of several characters is cut where the stop begins", () => {
  const output = new TextOutput(tokenizer.decoder(), ["end"]);
  const eos = tokenizer.eosTokenId ?? 0; // Its spelling has "end" in it.
  expect(tokenizer.decode([eos])).toBe("<\uff5cend\u2581of\u2581sentence\uff5c>");
  expect(output.push(eos, true)).toEqual({ text: "<\uff5c", stop: "end" });
  expect(output.flush()).toBe("");
});

test("without a decoder all text is empty", () => {
  const output = new TextOutput(null, []);
  expect([output.push(3, true), output.flush()]).toEqual([{ text: "", stop: null }, ""]);
});
