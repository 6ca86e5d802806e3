/**
 * The loss of a scalar reward model on pairs: the chosen answer's score should exceed the rejected one's (Bradley & Terry 1952);
 * post-training.md 6.3.
 *
 *   loss = -log sigma(r_c - r_r - m) + lambda (r_c + r_r)^2
 */
import { logSigmoid, sigmoid } from "./sigmoid.js";

export interface BradleyTerryOptions {
  /** lambda: keeps scores around 0, since differences alone do not say where they lie. */
  readonly centring: number;
}

export interface ScoredPair {
  readonly chosen: number;
  readonly rejected: number;
  /** m: by how much the chosen one should be ahead; 0 if nothing is known. */
  readonly margin: number;
}

export interface BradleyTerryLoss {
  /** Mean over the pairs, centring term included. */
  readonly loss: number;
  readonly gradients: readonly { readonly chosen: number; readonly rejected: number }[];
  /** Share of pairs in the right order; a tie is wrong. */
  readonly accuracy: number;
  /** Mean of r_c - r_r. */
  readonly margin: number;
}

/** @param total pairs of the whole step, where these are a part of it */
export function bradleyTerryLoss(
  pairs: readonly ScoredPair[],
  { centring }: BradleyTerryOptions,
  total = pairs.length,
): BradleyTerryLoss {
  const sums = { loss: 0, right: 0, margin: 0 };
  const gradients = pairs.map(({ chosen, rejected, margin }, i) => {
    if (!Number.isFinite(chosen) || !Number.isFinite(rejected)) {
      throw new RangeError(`reward model: pair ${i}: scores ${chosen} and ${rejected} are not finite`);
    }
    const ahead = chosen - rejected - margin;
    const sum = chosen + rejected;
    sums.loss += -logSigmoid(ahead) + centring * sum * sum;
    sums.right += chosen > rejected ? 1 : 0;
    sums.margin += chosen - rejected;
    const slope = -sigmoid(-ahead);
    const towardsZero = 2 * centring * sum;
    return { chosen: (slope + towardsZero) / total, rejected: (-slope + towardsZero) / total };
  });
  const mean = (sum: number): number => (pairs.length > 0 ? sum / pairs.length : 0);
  return { loss: sums.loss / total, gradients, accuracy: mean(sums.right), margin: mean(sums.margin) };
}
