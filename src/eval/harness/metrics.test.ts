import { expect, test } from "vitest";
import type { Metric } from "../taskFile.js";
import { compileMetric, scoreTexts, tokenF1 } from "./metrics.js";

const text = (metric: Metric, responses: readonly string[], golds: readonly string[]): unknown =>
  scoreTexts(compileMetric(metric, "generate_until", false), responses, golds);

test("exact_match ignores what it is told to, 13.8", () => {
  const plain: Metric = { metric: "exact_match", ignoreCase: true, ignorePunctuation: true };
  expect(text(plain, ["The Beatles!"], ["Beatles"])).toBe(0);
  expect(
    text({ ...plain, regexesToIgnore: ["\\b(?:The |the |An |A |The |a |an )"] }, ["The Beatles!"], ["Beatles"]),
  ).toBe(1);
  const gsm8k: Metric = { metric: "exact_match", regexesToIgnore: [",", "\\$", "(?s).*#### ", "\\.$"] };
  expect(text(gsm8k, ["$1,234."], ["1234"])).toBe(1);
  expect(text(gsm8k, ["17."], ["So\nit is\n#### 17"])).toBe(1);
});

test("any of several right answers will do", () => {
  expect(text({ metric: "exact_match" }, ["b"], ["a", "b"])).toBe(1);
});

test("pass@k counts the right ones of all answers, 13.3", () => {
  const answers = ["x", "x", "x", ...Array.from({ length: 7 }, () => "y")];
  expect(text({ metric: "pass@1" }, answers, ["x"])).toBeCloseTo(0.3, 12);
  expect(text({ metric: "pass@5" }, answers, ["x"])).toBeCloseTo(0.916667, 6);
});

test("f1 of texts is that of their words", () => {
  // Three of four words and three of five: 2 x 3 / 9.
  expect(tokenF1("the red old house", "the old house stood there red".replace(" red", ""))).toBeCloseTo(6 / 9, 12);
  expect(tokenF1("a a b", "a b b")).toBeCloseTo(4 / 6, 12);
  expect(tokenF1("", "")).toBe(1);
  expect(tokenF1("", "a")).toBe(0);
});

test("a metric that does not exist or does not fit is refused by name", () => {
  expect(() => compileMetric({ metric: "accuracy" }, "multiple_choice", false)).toThrow(
    'metric "accuracy" does not exist',
  );
  expect(() => compileMetric({ metric: "acc_norm" }, "generate_until", false)).toThrow(
    'metric "acc_norm" does not go with output_type generate_until',
  );
  expect(() => compileMetric({ metric: "pass@2" }, "multiple_choice", false)).toThrow("does not go with");
  expect(() => compileMetric({ metric: "judged" }, "generate_until", false)).toThrow("needs judge_prompt");
  expect(compileMetric({ metric: "anything" }, "generate_until", true).aggregation).toBe("mean");
});
