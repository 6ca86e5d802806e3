/** Worked numbers of post-training.md 11.6, of the logistic function, and central differences. */
import { expect, test } from "vitest";
import { defaultRewardLoss, type RewardItem, type RewardLossOptions, rewardLoss } from "./rewardLoss.js";

const answer = { ids: Int32Array.of(1, 2), isTarget: Uint8Array.of(0, 1), promptLength: 1 };
const pair = (margin: number | null = null): RewardItem => ({ chosen: answer, rejected: answer, margin });
const judged = (isDesirable: boolean): RewardItem => ({ ...answer, isDesirable });

test("pairs have the worked loss, summed, and a row's own margin goes before the option", () => {
  const scores = [1.5, 0.5, 0.2, 0.9];
  const { loss, gradients } = rewardLoss([pair(), pair()], scores, defaultRewardLoss);
  expect(loss).toBeCloseTo(0.313262 + 1.103186, 5);
  expect(Array.from(gradients, (each) => Number(each.toFixed(6)))).toEqual([-0.268941, 0.268941, -0.668188, 0.668188]);
  const centred = rewardLoss([pair(), pair()], scores, { centring: 0.01, margin: 0 });
  expect((centred.loss - loss) / 2).toBeCloseTo(0.02605, 6);
  for (const [item, margin] of [
    [pair(), 0.5],
    [pair(0.5), 7],
  ] as const) {
    expect(rewardLoss([item], [1.5, 0.5], { centring: 0, margin }).loss).toBeCloseTo(0.474077, 6);
  }
});

test("a judged answer costs -log sigma(score) if it is good, else -log sigma(-score)", () => {
  const { loss, gradients } = rewardLoss([judged(true), judged(false)], [2, 2], defaultRewardLoss);
  expect(loss).toBeCloseTo(0.126928 + 2.126928, 6); // log(1 + e^-2), and 2 more
  expect(gradients[0]).toBeCloseTo(-0.119203, 6);
  expect(gradients[1]).toBeCloseTo(0.880797, 6);
  expect(rewardLoss([judged(false)], [0], defaultRewardLoss).loss).toBeCloseTo(Math.LN2, 12);
});

test.each<RewardLossOptions>([defaultRewardLoss, { centring: 0.1, margin: 0.3 }])(
  "the gradient is that of the loss by central differences, of pairs and judged answers together: %o",
  (options) => {
    const items = [judged(true), pair(), judged(false), pair(1.2)];
    const scores = [0.7, -0.4, 0.3, 1.1, 2, -0.5];
    const { gradients } = rewardLoss(items, scores, options);
    for (const i of scores.keys()) {
      const moved = (step: number): number =>
        rewardLoss(
          items,
          scores.map((score, k) => (k === i ? score + step : score)),
          options,
        ).loss;
      expect(gradients[i]).toBeCloseTo((moved(1e-6) - moved(-1e-6)) / 2e-6, 6);
    }
  },
);

test("scores that are not finite are refused", () => {
  expect(() => rewardLoss([judged(true)], [Number.NaN], defaultRewardLoss)).toThrow("its score NaN is not finite");
  expect(() => rewardLoss([pair()], [1, Number.POSITIVE_INFINITY], defaultRewardLoss)).toThrow("not finite");
  expect(() => rewardLoss([pair()], [1, 2, 3], defaultRewardLoss)).toThrow("internal: 3 scores for 2 answers");
});
