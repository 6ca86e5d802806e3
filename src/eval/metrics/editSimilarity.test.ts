import { expect, test } from "vitest";
import { editSimilarity, levenshtein } from "./editSimilarity.js";

test("the distance counts insertions, deletions and replacements", () => {
  expect(levenshtein([..."kitten"], [..."sitting"])).toBe(3);
  expect(levenshtein([..."flaw"], [..."lawn"])).toBe(2);
  expect(levenshtein([], [..."ab"])).toBe(2);
});

test("similarity is one minus the distance over the longer text, in code points", () => {
  expect(editSimilarity("kitten", "sitting")).toBeCloseTo(4 / 7, 12);
  expect(editSimilarity("a😀", "a😃")).toBe(0.5);
  expect(editSimilarity("", "")).toBe(1);
  expect(editSimilarity("abc", "")).toBe(0);
});
