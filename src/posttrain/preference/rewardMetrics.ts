/** How good the scores of a reward model are: order and distance within pairs, calibration, and whether length alone earns reward. */
import type { Calibration, PreferenceMetrics } from "../../train/events.js";
import { countTargets } from "../data/sequences.js";
import { calibrationOf, type Prediction } from "./calibration.js";
import { answersOf, isPair, type RewardItem } from "./rewardLoss.js";
import { sigmoid } from "./sigmoid.js";

/** @param scores of the items' answers, one after the other */
export function rewardMetrics(items: readonly RewardItem[], scores: ArrayLike<number>): PreferenceMetrics {
  const chosen: number[] = [];
  const rejected: number[] = [];
  const margins: number[] = [];
  let right = 0;
  for (const { item, score, other } of scored(items, scores)) {
    if (isPair(item)) {
      chosen.push(score);
      rejected.push(other);
      margins.push(score - other);
      right += score > other ? 1 : 0;
    } else {
      (item.isDesirable ? chosen : rejected).push(score);
      right += (item.isDesirable ? score > 0 : score < 0) ? 1 : 0;
    }
  }
  const all = [...chosen, ...rejected];
  return {
    count: items.length,
    rewards: {
      chosen: mean(chosen),
      rejected: mean(rejected),
      margin: mean(margins),
      accuracy: items.length > 0 ? right / items.length : 0,
    },
    scores: {
      mean: mean(all) ?? 0,
      min: all.reduce((low, score) => Math.min(low, score), Number.POSITIVE_INFINITY),
      max: all.reduce((high, score) => Math.max(high, score), Number.NEGATIVE_INFINITY),
    },
  };
}

export function rewardCalibration(items: readonly RewardItem[], scores: ArrayLike<number>): Calibration {
  const predictions = scored(items, scores).map(({ item, score, other }): Prediction => {
    // What speaks for the verdict of the data.
    const ahead = isPair(item) ? score - other : item.isDesirable ? score : -score;
    return { confidence: sigmoid(Math.abs(ahead)), right: ahead > 0 ? 1 : ahead < 0 ? 0 : 0.5 };
  });
  return calibrationOf(predictions);
}

/** Correlation of scores with the tokens of the answers, prompts left out; null where either does not vary. */
export function lengthCorrelation(items: readonly RewardItem[], scores: ArrayLike<number>): number | null {
  const lengths = items.flatMap((item) => answersOf(item).map(countTargets));
  return correlation(lengths, Array.from(scores));
}

/** Pearson's. */
export function correlation(a: readonly number[], b: readonly number[]): number | null {
  const [meanA, meanB] = [mean(a) ?? 0, mean(b) ?? 0];
  let [both, squaresA, squaresB] = [0, 0, 0];
  a.forEach((value, i) => {
    const [x, y] = [value - meanA, (b[i] ?? Number.NaN) - meanB];
    both += x * y;
    squaresA += x * x;
    squaresB += y * y;
  });
  return squaresA > 0 && squaresB > 0 ? both / Math.sqrt(squaresA * squaresB) : null;
}

/** Items with their scores; `other` is that of a pair's rejected answer. */
function scored(
  items: readonly RewardItem[],
  scores: ArrayLike<number>,
): { readonly item: RewardItem; readonly score: number; readonly other: number }[] {
  let at = 0;
  return items.map((item) => {
    const [score = Number.NaN, other = Number.NaN] = [scores[at], scores[at + 1]];
    at += answersOf(item).length;
    return { item, score, other };
  });
}

function mean(values: readonly number[]): number | null {
  return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}
