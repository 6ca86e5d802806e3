import { expect, test } from "vitest";
import { keywordShare } from "./needle.js";

test("a needle answer scores the share of key words in it, case ignored", () => {
  expect(keywordShare("Eat a Sandwich in the park", ["sandwich", "park", "sunny day"])).toBeCloseTo(2 / 3, 12);
  expect(keywordShare("", ["x"])).toBe(0);
});

test("no key words and empty ones are refused", () => {
  expect(() => keywordShare("x", [])).toThrow("no key words");
  expect(() => keywordShare("x", ["a", ""])).toThrow("an empty key word");
});
