/**
 * How far the engine that samples and the trainer are apart at equal weights: their sums run in another order, and where experts are chosen a
 * rounding can choose another. Both are asked about the very tokens that the engine drew; post-training.md 8.4.
 */
import type { Communicator } from "../../distributed/communicator.js";
import type { PolicyMetrics } from "../../train/events.js";
import { clampLog } from "./policyLoss.js";

/** Log-probabilities of one answer's tokens by both. */
export interface BothLogprobs {
  readonly trainer: ArrayLike<number>;
  readonly sampler: ArrayLike<number>;
}

/**
 * Over the answers of all processes, with d = log trainer - log sampler of a token: mean and largest |d|; the KL of the sampler from the trainer as
 * the mean of -d (k1) and of exp(d) - d - 1 (k3); and the share of the tokens that importance sampling by exp(d) would be left with,
 * (sum of weights)^2 / (tokens x sum of their squares).
 * @throws RangeError for answers whose log-probabilities are not equally many
 */
export async function mismatchOf(
  answers: readonly BothLogprobs[],
  world: Communicator,
): Promise<PolicyMetrics["mismatch"]> {
  let [tokens, distance, signed, k3, weights, squares, max] = [0, 0, 0, 0, 0, 0, 0];
  for (const [a, { trainer, sampler }] of answers.entries()) {
    if (trainer.length !== sampler.length) {
      throw new RangeError(`mismatch: answer ${a} has ${trainer.length} and ${sampler.length} log-probabilities`);
    }
    for (let t = 0; t < trainer.length; t++) {
      const d = (trainer[t] ?? Number.NaN) - (sampler[t] ?? Number.NaN);
      const weight = Math.exp(clampLog(d));
      tokens++;
      distance += Math.abs(d);
      signed -= d;
      k3 += weight - clampLog(d) - 1;
      weights += weight;
      squares += weight * weight;
      max = Math.max(max, Math.abs(d));
    }
  }
  const sums = Float64Array.of(tokens, distance, signed, k3, weights, squares);
  await world.allReduce(sums, "sum");
  const largest = Float64Array.of(max);
  await world.allReduce(largest, "max");
  const [count = 0, ...of] = sums;
  const mean = (i: number): number => (count > 0 ? (of[i] ?? 0) / count : 0);
  return {
    mean: mean(0),
    max: largest[0] ?? 0,
    k1: mean(1),
    k3: mean(2),
    effectiveShare: count > 0 ? mean(3) ** 2 / mean(4) : 1,
  };
}
