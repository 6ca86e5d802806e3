/**
 * Whether a model is right as often as it says. Of a pair it says sigma(|r_c - r_r|), the probability that the answer which it scores
 * higher is the better one; of an answer by itself the larger of sigma(r) and 1 - sigma(r). Such a confidence lies between 1/2 and 1; ten
 * bins of equal width are looked at (Naeini and others 2015). post-training.md 6.3.
 */
import type { Calibration } from "../../train/events.js";

export interface Prediction {
  /** From 1/2 to 1. */
  readonly confidence: number;
  /** 1: it was right; 0: wrong; 1/2: it said nothing, with a confidence of 1/2. */
  readonly right: number;
}

const numBins = 10;

export function calibrationOf(predictions: readonly Prediction[]): Calibration {
  const bins = Array.from({ length: numBins }, () => ({ count: 0, confidence: 0, right: 0 }));
  for (const { confidence, right } of predictions) {
    if (!(confidence >= 0.5 && confidence <= 1)) throw new Error(`internal: a confidence of ${confidence}`);
    const bin = bins[Math.min(numBins - 1, Math.floor((confidence - 0.5) * 2 * numBins))];
    if (!bin) continue;
    bin.count++;
    bin.confidence += confidence;
    bin.right += right;
  }
  const off = bins.reduce((sum, { confidence, right }) => sum + Math.abs(confidence - right), 0);
  const edge = (i: number): number => (numBins + i) / (2 * numBins);
  return {
    error: predictions.length > 0 ? off / predictions.length : 0,
    bins: bins.map(({ count, confidence, right }, i) => ({
      ...{ from: edge(i), to: edge(i + 1), count },
      confidence: count > 0 ? confidence / count : null,
      right: count > 0 ? right / count : null,
    })),
  };
}
