/** What is told of a step of reinforcement learning, over all processes; post-training.md 9. */
import type { Communicator } from "../../distributed/communicator.js";
import { reduced } from "../../distributed/reduced.js";
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
  const { answers, groupSize, losses, seconds } = facts;
  const names = [...new Set(answers.flatMap(({ parts }) => Object.keys(parts)))].sort();
  const rewards = answers.map(({ reward }) => reward);
  const lengths = answers.map(({ completionIds }) => completionIds.length);
  const terminated = answers.flatMap(({ finishReason }, i) => (finishReason === "stop" ? [lengths[i] ?? 0] : []));
  const advantages = answers.map(({ advantage }) => advantage);
  const groups = Array.from({ length: answers.length / groupSize }, (_, g) =>
    rewards.slice(g * groupSize, (g + 1) * groupSize),
  );
  const partValues = names.map((name) => answers.flatMap(({ parts }) => parts[name] ?? []));
  /** Sum over the updates of a mean over their tokens. */
  const weighted = (value: (metrics: PolicyLossMetrics) => number): number =>
    total(losses.map((metrics) => value(metrics) * metrics.tokens));
  const sum = await reduced(world, "sum", {
    answers: answers.length,
    reward: total(rewards),
    groups: groups.length,
    groupStd: total(groups.map((group) => momentsOf(group, "sample").std)),
    flat: groups.filter((group) => group.every((reward) => reward === group[0])).length,
    length: total(lengths),
    terminated: terminated.length,
    terminatedLength: total(terminated),
    advantage: total(advantages),
    learned: facts.learned,
    tokens: total(losses.map(({ tokens }) => tokens)),
    kl: weighted(({ kl }) => kl),
    oldKl: weighted(({ oldKl }) => oldKl),
    entropy: weighted(({ entropy }) => entropy),
    clipLow: weighted(({ clipLow }) => clipLow),
    clipHigh: weighted(({ clipHigh }) => clipHigh),
    importance: weighted(({ importance }) => importance?.mean ?? 0),
    loss: total(losses.map(({ loss }) => loss)),
    ...Object.fromEntries(
      partValues.flatMap((values, n) => [
        [`count ${n}`, values.length],
        [`sum ${n}`, total(values)],
        [`squares ${n}`, total(values.map((value) => value * value))],
      ]),
    ),
  });
  const updates = losses.filter(({ tokens }) => tokens > 0);
  const most = await reduced(world, "max", {
    length: Math.max(...lengths),
    terminated: Math.max(...terminated),
    advantage: Math.max(...advantages),
    clipHigh: Math.max(...updates.map(({ clipHigh }) => clipHigh)),
    importance: Math.max(...updates.map(({ importance }) => importance?.max ?? Number.NEGATIVE_INFINITY)),
    rollout: seconds.rollout,
    reward: seconds.reward,
    logprobs: seconds.logprobs,
    update: seconds.update,
  });
  const least = await reduced(world, "min", {
    length: Math.min(...lengths),
    terminated: Math.min(...terminated),
    advantage: Math.min(...advantages),
    clipLow: Math.min(...updates.map(({ clipLow }) => clipLow)),
    importance: Math.min(...updates.map(({ importance }) => importance?.min ?? Number.POSITIVE_INFINITY)),
  });
  const per = (value: number, count: number): number => (count > 0 ? value / count : 0);
  const named = names.map((name, n) => {
    const of = (what: string): number => (sum as Readonly<Record<string, number>>)[`${what} ${n}`] ?? 0;
    const count = of("count");
    const mean = per(of("sum"), count);
    const variance = count > 1 ? Math.max(0, (of("squares") - count * mean * mean) / (count - 1)) : 0;
    return [name, { mean, std: Math.sqrt(variance) }] as const;
  });
  const metrics: PolicyMetrics = {
    reward: per(sum.reward, sum.answers),
    rewardStd: per(sum.groupStd, sum.groups),
    rewards: Object.fromEntries(named),
    zeroStdShare: per(sum.flat, sum.groups),
    kl: facts.hasReference ? per(sum.kl, sum.tokens) : null,
    oldKl: per(sum.oldKl, sum.tokens),
    entropy: per(sum.entropy, sum.tokens),
    clipLow: per(sum.clipLow, sum.tokens),
    clipHigh: per(sum.clipHigh, sum.tokens),
    clipLowMin: sum.tokens > 0 ? least.clipLow : 0,
    clipHighMax: sum.tokens > 0 ? most.clipHigh : 0,
    advantage: { mean: per(sum.advantage, sum.answers), min: least.advantage, max: most.advantage },
    length: {
      ...{ mean: per(sum.length, sum.answers), min: least.length, max: most.length },
      terminated:
        sum.terminated > 0
          ? { mean: sum.terminatedLength / sum.terminated, min: least.terminated, max: most.terminated }
          : null,
    },
    truncatedShare: 1 - per(sum.terminated, sum.answers),
    mismatch: await mismatchOf(facts.logprobs, world),
    importance: Number.isFinite(most.importance)
      ? { mean: per(sum.importance, sum.tokens), min: least.importance, max: most.importance }
      : null,
    answers: sum.answers,
    learned: sum.learned,
    seconds: { rollout: most.rollout, reward: most.reward, logprobs: most.logprobs, update: most.update },
  };
  return { metrics, loss: sum.loss / Math.max(1, losses.length) };
}

function total(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0);
}
