import { expect, test } from "vitest";
import { runLocalRanks } from "../../../test/distributed/localRanks.js";
import { singleCommunicator } from "../../distributed/single.js";
import type { PolicyLossMetrics } from "./policyLoss.js";
import type { ScoredAnswer } from "./scoring.js";
import { policyMetrics, type StepFacts } from "./tally.js";

function answer(reward: number, advantage: number, tokens: number, finishReason: "stop" | "length"): ScoredAnswer {
  return {
    ...{ prompt: 0, question: 0, promptIds: Int32Array.of(1), text: "", experts: null, isFlat: false },
    ...{ reward, advantage, finishReason, parts: { right: reward } },
    completionIds: new Int32Array(tokens),
    logprobs: new Float64Array(tokens),
  };
}

const update = (changes: Partial<PolicyLossMetrics>): PolicyLossMetrics => ({
  ...{ loss: 0, kl: 0, oldKl: 0, ratio: 1, entropy: 0, clipLow: 0, clipHigh: 0, importance: null, tokens: 10 },
  ...changes,
});

const facts: StepFacts = {
  answers: [
    answer(1, 0.5, 4, "stop"),
    answer(0, -1.5, 9, "length"),
    answer(1, 0, 2, "stop"),
    answer(1, 0, 6, "length"),
  ],
  groupSize: 2,
  learned: 2,
  losses: [
    update({ loss: 0.5, kl: 0.1, oldKl: 0.01, entropy: 2, clipLow: 0.1, clipHigh: 0.3, tokens: 30 }),
    update({ loss: 0.1, kl: 0.3, oldKl: 0.05, entropy: 1, clipLow: 0.2, clipHigh: 0, tokens: 10 }),
  ],
  hasReference: true,
  logprobs: [
    { trainer: [-1, -2], sampler: [-1 - Math.log(2), -2 + Math.log(2)] },
    { trainer: [-3], sampler: [-3] },
  ],
  seconds: { rollout: 1, reward: 2, logprobs: 3, update: 4 },
};

test("means weigh by what they are of, and spreads are the least and the most of all", async () => {
  const { metrics, loss } = await policyMetrics(facts, singleCommunicator());
  expect(loss).toBeCloseTo(0.3, 12);
  expect(metrics).toMatchObject({ reward: 0.75, zeroStdShare: 0.5, answers: 4, learned: 2, truncatedShare: 0.5 });
  // Spread of [1, 0] is sqrt(1/2), of [1, 1] it is 0.
  expect(metrics.rewardStd).toBeCloseTo(Math.SQRT1_2 / 2, 12);
  expect(metrics.rewards.right).toEqual({ mean: 0.75, std: 0.5 });
  expect(metrics.advantage).toEqual({ mean: -0.25, min: -1.5, max: 0.5 });
  expect(metrics.length).toEqual({ mean: 5.25, min: 2, max: 9, terminated: { mean: 3, min: 2, max: 4 } });
  expect(metrics.kl).toBeCloseTo((30 * 0.1 + 10 * 0.3) / 40, 12);
  expect(metrics.oldKl).toBeCloseTo((30 * 0.01 + 10 * 0.05) / 40, 12);
  expect(metrics.entropy).toBeCloseTo(1.75, 12);
  expect(metrics.clipLow).toBeCloseTo(0.125, 12);
  expect(metrics.clipHigh).toBeCloseTo(0.225, 12);
  expect([metrics.clipLowMin, metrics.clipHighMax]).toEqual([0.1, 0.3]);
  expect(metrics.seconds).toEqual(facts.seconds);
});

test("a step that learned nothing, and answers that all were cut, have no figures that are not numbers", async () => {
  const cut = [answer(0, 0, 3, "length"), answer(0, 0, 3, "length")];
  const { metrics, loss } = await policyMetrics(
    { ...facts, answers: cut, losses: [], learned: 0, logprobs: [] },
    singleCommunicator(),
  );
  expect(loss).toBe(0);
  expect(metrics.length.terminated).toBeNull();
  expect(metrics).toMatchObject({ clipLowMin: 0, clipHighMax: 0, importance: null, truncatedShare: 1, kl: 0 });
  expect(metrics.mismatch).toEqual({
    mean: 0,
    max: 0,
    k1: 0,
    k3: 0,
    ratio: { mean: 1, min: 1, max: 1 },
    effectiveShare: 1,
  });
  expect(JSON.stringify({ ...metrics, importance: 0, length: 0 })).not.toContain("null");
});

test("two processes tell what one would of all their answers", async () => {
  const importance = { mean: 1, min: 0.5, max: 3 };
  const whole = { ...facts, losses: facts.losses.map((metrics) => ({ ...metrics, importance })) };
  const one = await policyMetrics(whole, singleCommunicator());
  const both = await runLocalRanks(2, (world) => {
    const { rank } = world;
    return policyMetrics(
      {
        ...whole,
        answers: whole.answers.slice(2 * rank, 2 * rank + 2),
        learned: 1,
        // A process's updates hold its own tokens; the loss adds up.
        losses: whole.losses.filter((_, i) => i === rank),
        logprobs: whole.logprobs.filter((_, i) => i === rank),
      },
      world,
    );
  });
  expect(both[0]).toEqual(both[1]);
  expect(one.metrics.importance).toEqual(importance);
  const rounded = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value), (_, x) => (typeof x === "number" ? Number(x.toFixed(12)) : x));
  expect(rounded(both[0]?.metrics)).toEqual(rounded(one.metrics));
});
