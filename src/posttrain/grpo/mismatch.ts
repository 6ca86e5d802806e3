/**
 * How far the engine that samples and the trainer are apart at equal weights: their sums run in another order, and where experts are chosen a
 * rounding can choose another. Both are asked about the very tokens that the engine drew; post-training.md 8.4.
 */
import type { Communicator } from "../../distributed/communicator.js";
import { reduced } from "../../distributed/reduced.js";
import type { PolicyMetrics } from "../../train/events.js";
import { clampLog } from "./policyLoss.js";

/** Log-probabilities of one answer's tokens by both. */
export interface BothLogprobs {
  readonly trainer: ArrayLike<number>;
  readonly sampler: ArrayLike<number>;
}

/**
 * Over the answers of all processes, with d = log trainer - log sampler of a token: mean and largest |d|; the KL of the sampler from the trainer as
 * the mean of -d (k1) and of exp(d) - d - 1 (k3); the ratios exp(d); and the share of the tokens that importance sampling by exp(d) would be left with,
 * (sum of weights)^2 / (tokens x sum of their squares).
 * @throws RangeError for answers whose log-probabilities are not equally many
 */
export async function mismatchOf(
  answers: readonly BothLogprobs[],
  world: Communicator,
): Promise<PolicyMetrics["mismatch"]> {
  const sums = { tokens: 0, distance: 0, signed: 0, k3: 0, ratio: 0, squares: 0 };
  let [farthest, most, least] = [0, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const [a, { trainer, sampler }] of answers.entries()) {
    if (trainer.length !== sampler.length) {
      throw new RangeError(`mismatch: answer ${a} has ${trainer.length} and ${sampler.length} log-probabilities`);
    }
    for (let t = 0; t < trainer.length; t++) {
      const d = (trainer[t] ?? Number.NaN) - (sampler[t] ?? Number.NaN);
      const ratio = Math.exp(clampLog(d));
      sums.tokens++;
      sums.distance += Math.abs(d);
      sums.signed -= d;
      sums.k3 += ratio - clampLog(d) - 1;
      sums.ratio += ratio;
      sums.squares += ratio * ratio;
      farthest = Math.max(farthest, Math.abs(d));
      most = Math.max(most, ratio);
      least = Math.min(least, ratio);
    }
  }
  const { tokens, distance, signed, k3, ratio, squares } = await reduced(world, "sum", sums);
  const top = await reduced(world, "max", { farthest, most });
  const low = await reduced(world, "min", { least });
  if (tokens === 0) {
    return { mean: 0, max: 0, k1: 0, k3: 0, ratio: { mean: 1, min: 1, max: 1 }, effectiveShare: 1 };
  }
  return {
    mean: distance / tokens,
    max: top.farthest,
    k1: signed / tokens,
    k3: k3 / tokens,
    ratio: { mean: ratio / tokens, min: low.least, max: top.most },
    effectiveShare: ratio ** 2 / (tokens * squares),
  };
}
