import { expect, test } from "vitest";
import { completionRepetition, repetitionShare } from "./repetition.js";

test("the share of n-grams that were said before, by hand", () => {
  // 5 5 5 5 5: four pairs, one of them new.
  expect(repetitionShare("5 5 5 5 5", 2)).toBeCloseTo(0.75, 12);
  // 1 2 3 1 2 3 1 2 3: seven triples, 123 231 312 new.
  expect(repetitionShare("1 2 3 1 2 3 1 2 3", 3)).toBeCloseTo(4 / 7, 12);
  expect(repetitionShare("1 2 3 4 5 6", 3)).toBe(0);
  // a b a b: ab ba ab.
  expect(repetitionShare("A b\na  B", 2)).toBeCloseTo(1 / 3, 12);
});

test("a text with fewer words than a run repeats nothing", () => {
  expect(repetitionShare("a a a", 4)).toBe(0);
  expect(repetitionShare("", 2)).toBe(0);
});

test("an answer may say again what its thought has said; either by itself may not loop", () => {
  const line = "one two three";
  // Thought and answer have one triple each.
  expect(completionRepetition(`<think>\n${line}\n</think>\n${line}`, 3)).toBe(0);
  // Of the thought's four triples two are new... one two three one two three: 123 231 312 123.
  expect(completionRepetition(`<think>\n${line} ${line}\n</think>\n${line}`, 3)).toBeCloseTo(1 / 4, 12);
  expect(completionRepetition(`<think>\n${line}\n</think>\n${line} ${line}`, 3)).toBeCloseTo(1 / 4, 12);
});
