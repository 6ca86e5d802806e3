import { expect, test } from "vitest";
import { AddedTokenFinder } from "./addedTokens.js";
import type { AddedToken } from "./tokenizerJson.js";

const plain = { special: false, normalized: false, lstrip: false, rstrip: false, singleWord: false };
const tokens: readonly AddedToken[] = [
  { ...plain, id: 1, content: "<L>", lstrip: true },
  { ...plain, id: 2, content: "<R>", rstrip: true },
  { ...plain, id: 3, content: "wörd", singleWord: true },
  { ...plain, id: 4, content: "<é>", normalized: true },
  { ...plain, id: 5, content: "<ab>" },
  { ...plain, id: 6, content: "<ab><c>" },
  { ...plain, id: 7, content: "a.b" },
];
const finder = new AddedTokenFinder(tokens, (text) => text.normalize("NFC"));

// Agreed with Python `tokenizers` 0.23 for these tokens and texts.
test.each([
  ["<ab><c><ab>c", [6, 5, "c"]],
  ["a  <L> b", ["a", 1, " b"]],
  ["a <R>  \n b", ["a ", 2, "b"]],
  ["a <L><L>  <R> <L> c", ["a", 1, 1, "  ", 2, 1, " c"]],
  ["wörd swörd wörd1 (wörd) _wörd", [3, " swörd wörd1 (", 3, ") _wörd"]],
  ["日wörd wörd日 ½wörd", ["日wörd wörd日 ½", 3]],
  ["wörd<L> wörd", [3, 1, " ", 3]],
  ["x<é>y<e\u0301>z", ["x", 4, "y", 4, "z"]],
  ["a.b axb", [7, " axb"]],
  ["", []],
])("%j is cut at its added tokens", (text, parts) => {
  expect(finder.split(text)).toEqual(parts);
});

test("looking for tokens takes linear time", () => {
  const time = (length: number): number => {
    const text = "<L> wörd ".repeat(length / 9);
    const start = process.cpuUsage(); // not the clock: other processes may be running
    finder.split(text);
    return process.cpuUsage(start).user / 1000;
  };
  time(90_000);
  const one = time(900_000);
  expect(time(1_800_000)).toBeLessThan(3 * one + 100);
});
