import { expect, test } from "vitest";
import { aggregate, standardError } from "./aggregate.js";

test("bits per byte and perplexities divide sums of the corpus, 13.4", () => {
  const byBytes = [
    [-12.5, 15],
    [-2.4, 3],
  ] as const;
  expect(aggregate("bits_per_byte", [byBytes[0]])).toBeCloseTo(1.202246, 6);
  expect(aggregate("bits_per_byte", [byBytes[1]])).toBeCloseTo(1.154156, 6);
  // The mean of the two documents would be 1.178201.
  expect(aggregate("bits_per_byte", byBytes)).toBeCloseTo(1.194231, 6);
  expect(aggregate("weighted_perplexity", byBytes)).toBeCloseTo(2.288228, 6);
  expect(
    aggregate("weighted_perplexity", [
      [-12.5, 3],
      [-2.4, 1],
    ]),
  ).toBeCloseTo(41.471233, 6);
  expect(standardError("bits_per_byte", byBytes, 1000)).toBeNull();
});

test("0.548 bits per byte are 0.379845 nats, 13.4", () => {
  const nats = [[-379.845, 1000]] as const;
  expect(aggregate("bits_per_byte", nats)).toBeCloseTo(0.548, 6);
  expect(Math.log(aggregate("weighted_perplexity", nats))).toBeCloseTo(0.379845, 9);
});

test("a mean over lists takes all their entries alike", () => {
  expect(aggregate("mean", [[1, 1, 0], [1]])).toBe(0.75);
  expect(aggregate("mean", [1, 0, 0, 0])).toBe(0.25);
});

test("the median of an even number of values is between the middle two", () => {
  expect(aggregate("median", [9, 1, 4])).toBe(4);
  expect(aggregate("median", [9, 1, 4, 2])).toBe(3);
});

test("f1 and Matthews' correlation are those of the confusion matrix", () => {
  // Class 1: two hits, one false alarm, one miss; class 0: one hit.
  const pairs = [
    [1, 1],
    [1, 1],
    [0, 1],
    [1, 0],
    [0, 0],
  ];
  expect(aggregate("f1", pairs)).toBeCloseTo(4 / 6, 12);
  // (2 * 1 - 1 * 1) / sqrt(3 * 3 * 2 * 2).
  expect(aggregate("mcc", pairs)).toBeCloseTo(1 / 6, 12);
  expect(aggregate("f1", [[1, 0]])).toBe(0);
});

test("perplexity is the exponential of the mean loss", () => {
  expect(aggregate("perplexity", [-1, -3])).toBeCloseTo(Math.exp(2), 12);
});

test("a mean has the error of a mean, a function of the task's own one by drawing again", () => {
  expect(standardError("mean", [1, 1, 1, 1, 1, 1, 1, 0, 0, 0], 0)).toBeCloseTo(0.152753, 6);
  const share = (values: readonly (number | readonly number[])[]): number =>
    values.filter((value) => value === 1).length / values.length;
  const drawn = standardError(share, [1, 1, 1, 1, 1, 1, 1, 0, 0, 0], 100_000) ?? Number.NaN;
  // 1,000 draws at most; sqrt(0.21 / 10) in the limit.
  expect(Math.abs(drawn - Math.sqrt(0.021))).toBeLessThan(0.012);
  expect(() => aggregate("mean", [])).toThrow("no documents were scored");
});
