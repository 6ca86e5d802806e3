import { expect, test } from "vitest";
import { batchSizeAt, deepseekV3Schedule, learningRateAt, scaledSchedule, valueAt } from "./schedule.js";

const { learningRate, gamma, lambda, batch } = deepseekV3Schedule;
const late = 1e9;

test("the published learning rate has the worked values of the specification", () => {
  const expected: readonly (readonly [number, number])[] = [
    [5e12, 2.2e-4],
    [11.075e12, 1.910035714e-4],
    [12.15e12, 1.21e-4],
    [13.225e12, 5.099642866e-5],
    [14.3e12, 2.2e-5],
    [14.5e12, 2.2e-5],
    [14.633e12, 7.3e-6],
    [14.8e12, 7.3e-6],
  ];
  for (const [tokens, rate] of expected) {
    expect(Math.abs(learningRateAt(learningRate, late, tokens) / rate - 1)).toBeLessThan(1e-9);
  }
});

test("warm-up counts steps from 1 and is linear", () => {
  for (const [step, rate] of [
    [1, 1.1e-7],
    [500, 5.5e-5],
    [1000, 1.1e-4],
    [2000, 2.2e-4],
  ] as const) {
    expect(learningRateAt(learningRate, step, 0)).toBeCloseTo(rate, 12);
  }
});

test("bias speed and MTP weight fall where the report says", () => {
  expect([valueAt(gamma, 14.2e12), valueAt(gamma, 14.3e12)]).toEqual([0.001, 0]);
  expect([valueAt(lambda, 9.99e12), valueAt(lambda, 10e12)]).toEqual([0.3, 0.1]);
});

test("the batch ramp is linear in tokens, ends at the full batch and keeps its multiple", () => {
  expect([0, 234.5e9, 469e9, 1e12].map((tokens) => batchSizeAt(batch, tokens))).toEqual([3072, 9216, 15360, 15360]);
  expect(batchSizeAt({ ...batch, multipleOf: 512 }, 100e9) % 512).toBe(0);
});

test("a scaled plan keeps the published proportions", () => {
  const plan = scaledSchedule({
    totalTokens: 14.8e6,
    learningRate: 2.2e-4,
    minLearningRate: 2.2e-5,
    warmupSteps: 0,
    batchSize: 8,
    initialBatchSize: 8,
    rampTokens: 0,
    multipleOf: 1,
    shape: "v3",
    gamma: 0.001,
    alpha: 1e-4,
    lambda: 0.3,
  });
  for (const tokens of [1e6, 11e6, 13e6, 14.4e6, 14.7e6]) {
    const published = learningRateAt(learningRate, late, tokens * 1e6);
    expect(Math.abs(learningRateAt(plan.learningRate, 1, tokens) / published - 1)).toBeLessThan(1e-12);
  }
});

test("half a cosine has the worked values of post-training.md 11.9: from 5e-6 to 1e-6 in 1,000 steps", () => {
  const plan = scaledSchedule({
    totalTokens: 1000,
    learningRate: 5e-6,
    minLearningRate: 1e-6,
    warmupSteps: 0,
    batchSize: 1,
    initialBatchSize: 1,
    rampTokens: 0,
    multipleOf: 1,
    shape: "cosine",
    gamma: 0,
    alpha: 0,
    lambda: 0,
  });
  const rates = [0, 100, 250, 500, 750, 1000].map((t) => learningRateAt(plan.learningRate, 1, t));
  for (const [i, worked] of [5e-6, 4.902113e-6, 4.414214e-6, 3e-6, 1.585786e-6, 1e-6].entries()) {
    expect(Math.abs((rates[i] ?? Number.NaN) - worked)).toBeLessThan(5e-13); // as many digits as are worked out
  }
});
