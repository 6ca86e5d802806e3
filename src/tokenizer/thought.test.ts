import fc from "fast-check";
import { expect, test } from "vitest";
import { ThoughtSplitter } from "./thought.js";

/** Reasoning and answer of a text that comes in these pieces. */
function split(pieces: readonly string[], isThinking = false): [reasoning: string, content: string] {
  const splitter = new ThoughtSplitter(isThinking);
  const parts = [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()];
  const join = (kind: string): string => parts.map((part) => (part.kind === kind ? part.text : "")).join("");
  return [join("reasoning"), join("content")];
}

test("text between the tags is reasoning, line breaks around them are nobody's", () => {
  expect(split(["<think>\nIt is 4.\n</think>\n\nFour."])).toEqual(["It is 4.", "Four."]);
  expect(split(["It is 4.\n</think>\n\nFour.\n"], true)).toEqual(["It is 4.", "Four.\n"]);
  expect(split(["Four."])).toEqual(["", "Four."]);
  expect(split(["\n a </think> b"])).toEqual(["", "\n a </think> b"]);
  expect(split(["<think>cut off </thi"])).toEqual(["cut off </thi", ""]);
  expect(split(["<thi"])).toEqual(["", "<thi"]);
});

test("how the text is cut makes no difference", () => {
  const texts = ["<think>\na < b\n\nc</think>\n\nd <think> e", "  <thing> a", "\n\n<think></think>x", "a\n\n"];
  fc.assert(
    fc.property(fc.constantFrom(...texts), fc.boolean(), fc.array(fc.nat(40)), (text, isThinking, cuts) => {
      const places = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((to, i) => text.slice(places[i], to));
      expect(split(pieces, isThinking)).toEqual(split([text], isThinking));
    }),
  );
});
