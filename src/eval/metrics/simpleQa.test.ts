import { expect, test } from "vitest";
import { simpleQaScore, simpleQaVerdict } from "./simpleQa.js";

test("SimpleQA shares and F are as worked out in the specification, 13.6", () => {
  const score = simpleQaScore([
    ...Array.from({ length: 4 }, () => "correct" as const),
    ...Array.from({ length: 3 }, () => "incorrect" as const),
    ...Array.from({ length: 3 }, () => "not_attempted" as const),
  ]);
  expect(score.correct).toBeCloseTo(0.4, 12);
  expect(score.incorrect).toBeCloseTo(0.3, 12);
  expect(score.notAttempted).toBeCloseTo(0.3, 12);
  expect(score.correctGivenAttempted).toBeCloseTo(0.571429, 6);
  expect(score.f).toBeCloseTo(0.470588, 6);
});

test("a model that attempts nothing scores nothing, and no verdicts are refused", () => {
  expect(simpleQaScore(["not_attempted"])).toEqual({
    correct: 0,
    incorrect: 0,
    notAttempted: 1,
    correctGivenAttempted: 0,
    f: 0,
  });
  expect(() => simpleQaScore([])).toThrow("no verdicts");
});

test("a judge's letter is its verdict, and what has none is not attempted", () => {
  expect(["A", "B", "A: CORRECT", " C.", "CORRECT", "?"].map(simpleQaVerdict)).toEqual([
    "correct",
    "incorrect",
    "correct",
    "not_attempted",
    "not_attempted",
    "not_attempted",
  ]);
});
