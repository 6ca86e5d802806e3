/**
 * What the scores of a reward model cost: Bradley-Terry for pairs (bradleyTerry.ts), and for an answer that was judged by itself the binary
 * cross-entropy of sigma(score), as R1's model for safety has it; post-training.md 6.2, 6.3.
 */
import type { GradedPair, JudgedAnswer } from "../data/chatData.js";
import type { RenderedAnswer } from "../data/render.js";
import { bradleyTerryLoss } from "./bradleyTerry.js";
import { logSigmoid, sigmoid } from "./sigmoid.js";

/** What one record teaches: the order of two answers, or that one is good or bad. */
export type RewardItem = Pick<GradedPair, "chosen" | "rejected" | "margin"> | JudgedItem;
type JudgedItem = RenderedAnswer & Pick<JudgedAnswer, "isDesirable">;

export interface RewardLossOptions {
  /** Factor of (r_c + r_r)^2, which keeps scores of pairs around 0; 0.01 is a good one. */
  readonly centring: number;
  /** By how much a chosen answer should be ahead, of pairs that say nothing of it. */
  readonly margin: number;
}

export const defaultRewardLoss: RewardLossOptions = { centring: 0, margin: 0 };

export interface RewardLoss {
  /** Sum over the items. */
  readonly loss: number;
  /** By each score. */
  readonly gradients: Float64Array;
}

export function isPair(item: RewardItem): item is Exclude<RewardItem, JudgedItem> {
  return "chosen" in item;
}

/** The answers that are scored, of a pair the chosen one first. */
export function answersOf(item: RewardItem): readonly RenderedAnswer[] {
  return isPair(item) ? [item.chosen, item.rejected] : [item];
}

/**
 * @param scores of the items' answers, one after the other
 * @throws RangeError for scores that are not finite
 */
export function rewardLoss(
  items: readonly RewardItem[],
  scores: ArrayLike<number>,
  { centring, margin }: RewardLossOptions,
): RewardLoss {
  const gradients = new Float64Array(scores.length);
  let loss = 0;
  let at = 0;
  for (const [i, item] of items.entries()) {
    const score = scores[at] ?? Number.NaN;
    if (isPair(item)) {
      const pair = { chosen: score, rejected: scores[at + 1] ?? Number.NaN, margin: item.margin ?? margin };
      const { loss: own, gradients: slopes } = bradleyTerryLoss([pair], { centring });
      loss += own;
      gradients[at] = slopes[0]?.chosen ?? Number.NaN;
      gradients[at + 1] = slopes[0]?.rejected ?? Number.NaN;
      at += 2;
      continue;
    }
    if (!Number.isFinite(score)) throw new RangeError(`reward model: answer ${i}: its score ${score} is not finite`);
    loss -= logSigmoid(item.isDesirable ? score : -score);
    gradients[at] = sigmoid(score) - (item.isDesirable ? 1 : 0);
    at += 1;
  }
  if (at !== scores.length) throw new Error(`internal: ${scores.length} scores for ${at} answers`);
  return { loss, gradients };
}
