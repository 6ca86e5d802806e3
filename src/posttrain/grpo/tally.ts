/** What is told of a step of reinforcement learning, over all processes; post-training.md 9. */
import type { Communicator } from "../../distributed/communicator.js";
import type { PolicyMetrics } from "../../train/events.js";
import { momentsOf } from "./advantage.js";
import { type BothLogprobs, mismatchOf } from "./mismatch.js";
import type { PolicyLossMetrics } from "./policyLoss.js";
import type { ScoredAnswer } from "./scoring.js";

export interface StepFacts {
  /** All that were sampled, groups one after the other. */
  readonly answers: readonly ScoredAnswer[];
  readonly groupSize: number;
  readonly learned: number;
  readonly losses: readonly PolicyLossMetrics[];
  readonly hasReference: boolean;
  /** Of the answers that were learned from. */
  readonly logprobs: readonly BothLogprobs[];
  readonly seconds: PolicyMetrics["seconds"];
}

/** @returns the metrics and the loss of the step, the same on every process */
export async function policyMetrics(
  facts: StepFacts,
  world: Communicator,
): Promise<{ readonly metrics: PolicyMetrics; readonly loss: number }> {
  const { answers, groupSize, losses } = facts;
  const names = [...new Set(answers.flatMap(({ parts }) => Object.keys(parts)))].sort();
  const rewards = answers.map(({ reward }) => reward);
  const lengths = answers.map(({ completionIds }) => completionIds.length);
  const terminated = answers.filter(({ finishReason }) => finishReason === "stop");
  const groups = Array.from({ length: answers.length / groupSize }, (_, g) =>
    rewards.slice(g * groupSize, (g + 1) * groupSize),
  );
  const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
  const sums = Float64Array.of(
    answers.length,
    total(rewards),
    groups.length,
    total(groups.map((group) => momentsOf(group, "sample").std)),
    groups.filter((group) => group.every((reward) => reward === group[0])).length,
    total(lengths),
    terminated.length,
    total(terminated.map(({ completionIds }) => completionIds.length)),
    total(answers.map(({ advantage }) => advantage)),
    facts.learned,
    ...lossSums(losses),
    ...names.flatMap((name) => {
      const values = answers.flatMap(({ parts }) => parts[name] ?? []);
      return [values.length, total(values), total(values.map((value) => value * value))];
    }),
  );
  await world.allReduce(sums, "sum");
  const most = Float64Array.of(
    Math.max(...lengths),
    -Math.min(...lengths),
    Math.max(...answers.map(({ advantage }) => advantage)),
    -Math.min(...answers.map(({ advantage }) => advantage)),
    facts.seconds.rollout,
    facts.seconds.reward,
    facts.seconds.logprobs,
    facts.seconds.update,
  );
  await world.allReduce(most, "max");
  const at = (i: number): number => sums[i] ?? 0;
  const ratio = (i: number, by: number): number => (at(by) > 0 ? at(i) / at(by) : 0);
  const top = (i: number): number => most[i] ?? 0;
  const parts = names.map((name, n) => {
    const [count, sum, squares] = [at(17 + 3 * n), at(18 + 3 * n), at(19 + 3 * n)];
    const mean = count > 0 ? sum / count : 0;
    const variance = count > 1 ? Math.max(0, (squares - count * mean * mean) / (count - 1)) : 0;
    return [name, { mean, std: Math.sqrt(variance) }] as const;
  });
  const metrics: PolicyMetrics = {
    reward: ratio(1, 0),
    rewardStd: ratio(3, 2),
    rewards: Object.fromEntries(parts),
    zeroStdShare: ratio(4, 2),
    kl: facts.hasReference ? ratio(11, 10) : null,
    oldKl: ratio(12, 10),
    entropy: ratio(13, 10),
    clipLow: ratio(14, 10),
    clipHigh: ratio(15, 10),
    advantage: { mean: ratio(8, 0), min: -top(3), max: top(2) },
    length: { mean: ratio(5, 0), min: -top(1), max: top(0), terminated: at(6) > 0 ? ratio(7, 6) : null },
    truncatedShare: 1 - ratio(6, 0),
    mismatch: await mismatchOf(facts.logprobs, world),
    answers: at(0),
    learned: at(9),
    seconds: { rollout: top(4), reward: top(5), logprobs: top(6), update: top(7) },
  };
  return { metrics, loss: at(16) / Math.max(1, losses.length) };
}

/** Tokens, and sums over them: KL, log(old / new), entropy, clipped below and above; then the losses, which add up over processes. */
function lossSums(losses: readonly PolicyLossMetrics[]): number[] {
  const weighted = (value: (metrics: PolicyLossMetrics) => number): number =>
    losses.reduce((sum, metrics) => sum + value(metrics) * metrics.tokens, 0);
  return [
    losses.reduce((sum, { tokens }) => sum + tokens, 0),
    weighted(({ kl }) => kl),
    weighted(({ oldKl }) => oldKl),
    weighted(({ entropy }) => entropy),
    weighted(({ clipLow }) => clipLow),
    weighted(({ clipHigh }) => clipHigh),
    losses.reduce((sum, { loss }) => sum + loss, 0),
  ];
}
