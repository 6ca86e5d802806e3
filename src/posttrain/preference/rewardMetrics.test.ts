import { describe, expect, test } from "vitest";
import { calibrationOf } from "./calibration.js";
import type { RewardItem } from "./rewardLoss.js";
import { correlation, lengthCorrelation, rewardCalibration, rewardMetrics } from "./rewardMetrics.js";

/** An answer of so many tokens to a prompt of one. */
const answer = (length: number) => ({
  ids: new Int32Array(1 + length),
  isTarget: new Uint8Array(1 + length).fill(1, 1),
  promptLength: 1,
});
const pair = (chosen: number, rejected: number): RewardItem => ({
  chosen: answer(chosen),
  rejected: answer(rejected),
  margin: null,
});
const items: readonly RewardItem[] = [pair(2, 1), pair(4, 3), { ...answer(5), isDesirable: false }, pair(1, 1)];
const scores = [3, 1, 0, 0, 2, -1, -2];

describe("rewardMetrics", () => {
  test("counts order, sign and ties, and averages scores, by hand", () => {
    expect(rewardMetrics(items, scores)).toEqual({
      count: 4,
      rewards: {
        chosen: (3 + 0 - 1) / 3,
        rejected: (1 + 0 + 2 - 2) / 4,
        margin: (2 + 0 + 1) / 3,
        accuracy: 2 / 4, // a tie is wrong, and so is a bad answer above 0
      },
      scores: { mean: 3 / 7, min: -2, max: 3 },
    });
  });

  test("says null where there is nothing to average", () => {
    const { rewards } = rewardMetrics([{ ...answer(1), isDesirable: true }], [1]);
    expect(rewards).toEqual({ chosen: 1, rejected: null, margin: null, accuracy: 1 });
  });
});

describe("calibration", () => {
  test("is the mean distance of confidence and accuracy within bins, by hand", () => {
    const { error, bins } = calibrationOf([
      { confidence: 0.52, right: 1 },
      { confidence: 0.54, right: 0 },
      { confidence: 0.93, right: 1 },
      { confidence: 1, right: 1 },
      { confidence: 0.5, right: 0.5 },
    ]);
    // [0.5, 0.55): 1.56 said, 1.5 true; [0.9, 0.95): 0.93 and 1; [0.95, 1]: 1 and 1.
    expect(error).toBeCloseTo((0.06 + 0.07 + 0) / 5, 12);
    expect(bins).toHaveLength(10);
    expect(bins[0]).toMatchObject({ from: 0.5, to: 0.55, count: 3, right: 0.5 });
    expect(bins[0]?.confidence).toBeCloseTo(0.52, 12);
    expect(bins[1]).toEqual({ from: 0.55, to: 0.6, count: 0, confidence: null, right: null });
    expect(bins[9]).toEqual({ from: 0.95, to: 1, count: 1, confidence: 1, right: 1 });
  });

  test("takes the confidence of pairs from their distance, and that of a judged answer from its score", () => {
    const { bins, error } = rewardCalibration(items, scores);
    // Distances 2 (right), 0 (a tie), 2 (a bad answer, wrong), 1 (right).
    expect(bins.filter(({ count }) => count > 0).map(({ from, count, right }) => [from, count, right])).toEqual([
      [0.5, 1, 0.5],
      [0.7, 1, 1],
      [0.85, 2, 0.5],
    ]);
    expect(error).toBeCloseTo((0 + (1 - 0.731059) + (2 * 0.880797 - 1)) / 4, 6);
  });
});

describe("length bias", () => {
  test("is the correlation of scores with the tokens of answers, by hand", () => {
    expect(correlation([1, 2, 3], [2, 4, 6])).toBeCloseTo(1, 12);
    expect(correlation([1, 2, 3, 4], [4, 3, 2, 1])).toBeCloseTo(-1, 12);
    expect(correlation([1, 2, 3], [1, 3, 2])).toBeCloseTo(0.5, 12);
    expect(correlation([1, 1], [3, 4])).toBeNull();
    // Lengths 2, 1 and 4, 3 with scores 2, 1 and 4, 3.
    expect(lengthCorrelation([pair(2, 1), pair(4, 3)], [2, 1, 4, 3])).toBeCloseTo(1, 12);
  });
});
