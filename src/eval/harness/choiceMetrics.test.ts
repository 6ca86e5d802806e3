import { expect, test } from "vitest";
import { bestChoice, choiceMetric, choiceValues, codePoints, wordPieces } from "./choiceMetrics.js";

/** The choices of the specification, 13.2. */
const scores = {
  logprobs: [-6, -20, -7],
  isGreedy: [false, false, true],
  unconditional: [-4, -21, -9],
  texts: ["a cat", "a very large orange cat", "东京塔很高"],
  gold: [1],
};

test("acc, acc_norm, acc_bytes and acc_mutual_info prefer the choices worked out in the specification, 13.2", () => {
  expect(bestChoice("acc", scores)).toBe(0);
  expect(bestChoice("acc_norm", scores)).toBe(1);
  expect(bestChoice("acc_bytes", scores)).toBe(2);
  expect(bestChoice("acc_mutual_info", scores)).toBe(2);
  expect(choiceMetric("acc_norm", scores)).toBe(1);
  expect(choiceMetric("acc", scores)).toBe(0);
});

test("choices are preferred by the values worked out in the specification, 13.2", () => {
  const rounded = (metric: Parameters<typeof choiceValues>[0]): number[] =>
    choiceValues(metric, scores).map((value) => Number(value.toFixed(6)));
  expect(rounded("acc")).toEqual([-6, -20, -7]);
  expect(rounded("acc_norm")).toEqual([-1.2, -0.869565, -1.4]);
  expect(rounded("acc_bytes")).toEqual([-1.2, -0.869565, -0.466667]);
  expect(rounded("acc_mutual_info")).toEqual([-2, 1, 2]);
  expect(scores.texts.map(codePoints)).toEqual([5, 23, 5]);
});

test("exact_match of a choice means that each of its tokens is the likeliest", () => {
  expect(choiceMetric("exact_match", scores)).toBe(0);
  expect(choiceMetric("exact_match", { ...scores, gold: [1, 2] })).toBe(1);
});

test("of equal choices the first counts", () => {
  expect(bestChoice("acc", { ...scores, logprobs: [-7, -6, -6] })).toBe(1);
});

test("characters are code points, 13.2", () => {
  // -4 / 2 against -5 / 3; by UTF-16 units it would be -4 / 4.
  const emoji = { logprobs: [-4, -5], isGreedy: [], unconditional: null, texts: ["😀😀", "abc"], gold: [] };
  expect(bestChoice("acc_norm", emoji)).toBe(1);
  expect([codePoints("a😀b"), "a😀b".length, Buffer.byteLength("a😀b")]).toEqual([3, 4, 6]);
});

test("words are pieces between white space, an empty one at the end included, 13.4", () => {
  expect(wordPieces("Hello, 世界!\n")).toBe(3);
  expect(wordPieces("abc")).toBe(1);
});
