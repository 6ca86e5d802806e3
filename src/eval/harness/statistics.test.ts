import { expect, test } from "vitest";
import {
  bootstrapError,
  chanceBeyond,
  groupMean,
  mean,
  meanError,
  pairedDifference,
  pooledError,
  sampleDeviation,
  unweightedError,
} from "./statistics.js";

/** `right` ones of `total`, the rest zeros. */
const shares = (right: number, total: number): number[] => Array.from({ length: total }, (_, i) => Number(i < right));

/** Ones, two values that add up to the rest and whose squares do, and zeros: mean and spread are those of the share. */
function withShare(share: number, total: number): number[] {
  const rest = (share * total) % 1;
  const half = Math.sqrt(rest / 2 - rest ** 2 / 4);
  const values = [...shares(Math.floor(share * total), total - 2), rest / 2 + half, rest / 2 - half];
  expect(mean(values)).toBeCloseTo(share, 12);
  return values;
}

test("standard errors of shares are those worked out in the specification, 13.5", () => {
  expect(meanError(shares(7, 10))).toBeCloseTo(0.152753, 6);
  // 89.3 % of 1,319 problems and 39.2 % of 30 are no whole numbers of them: two values make up for the rest.
  expect(meanError(withShare(0.893, 1319))).toBeCloseTo(0.008515, 6);
  expect(meanError(withShare(0.392, 30))).toBeCloseTo(0.090656, 6);
  // Of what can be: 12 of 30, sqrt(0.4 x 0.6 / 29).
  expect(meanError(shares(12, 30))).toBeCloseTo(0.090972, 6);
  expect(meanError([1])).toBeNull();
});

test("the error of a group is pooled, its value weighed by size, 13.5", () => {
  const parts = [
    { value: 0.8, error: 0.02, size: 100 },
    { value: 0.6, error: 0.03, size: 50 },
  ];
  expect(pooledError(parts)).toBeCloseTo(0.016664, 6);
  expect(groupMean(parts, true)).toBeCloseTo(0.733333, 6);
  expect(groupMean(parts, false)).toBeCloseTo(0.7, 12);
  // sqrt(0.02^2 + 0.03^2) / 2.
  expect(unweightedError(parts)).toBeCloseTo(0.018027756, 9);
  expect(pooledError([...parts, { value: 1, error: null, size: 3 }])).toBeNull();
});

test("a pooled error of one task is its own", () => {
  expect(pooledError([{ value: 0.5, error: 0.04, size: 30 }])).toBeCloseTo(0.04, 12);
});

test("drawing documents again finds the error of a mean", () => {
  const values = Array.from({ length: 200 }, (_, i) => (i * 7919) % 101);
  // In the limit: the deviation divided by n, not n - 1, over the root of n.
  const expected = (sampleDeviation(values) * Math.sqrt(199 / 200)) / Math.sqrt(200);
  const found = bootstrapError(values, mean, 4000) ?? Number.NaN;
  // 4,000 draws know a deviation to about 1 / sqrt(2 x 4000) = 1.1 %.
  expect(Math.abs(found / expected - 1)).toBeLessThan(0.04);
  expect(bootstrapError(values, mean, 4000)).toBe(found);
  expect(bootstrapError(values, mean, 0)).toBeNull();
});

test("two models are compared document by document", () => {
  const first = [1, 0, 0, 1, 0, 1, 0, 0];
  const second = [1, 1, 0, 1, 1, 1, 1, 0];
  // Differences 0 1 0 0 1 0 1 0: mean 3/8, sample variance 15/56, error sqrt(15/448), z = 2.0494, p = 0.0404.
  const { difference, error, pValue, documents } = pairedDifference(first, second);
  expect(difference).toBe(0.375);
  expect(error).toBeCloseTo(Math.sqrt(15 / 448), 12);
  expect(pValue).toBeCloseTo(0.04042, 4);
  expect(documents).toBe(8);
  expect(pairedDifference([1, 0], [1, 0])).toEqual({ difference: 0, error: 0, pValue: 1, documents: 2 });
  expect(() => pairedDifference([1], [1, 0])).toThrow("1 and 2 values");
});

test("the two-sided chance of 1.96, 3 and 5 deviations is that of the normal table", () => {
  expect(chanceBeyond(1.959963985)).toBeCloseTo(0.05, 9);
  expect(chanceBeyond(-3)).toBeCloseTo(0.002699796063, 11);
  expect(chanceBeyond(5) / 5.733031437e-7).toBeCloseTo(1, 8);
});
