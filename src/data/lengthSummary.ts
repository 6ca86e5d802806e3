/** How long the documents or sequences of some data are. */

export interface LengthSummary {
  readonly min: number;
  readonly median: number;
  readonly mean: number;
  /** 90 of 100 are not longer. */
  readonly p90: number;
  readonly max: number;
}

/** All 0 without lengths. */
export function lengthSummary(lengths: Float64Array): LengthSummary {
  const sorted = lengths.toSorted();
  const at = (quantile: number): number => sorted[Math.ceil(quantile * sorted.length) - 1] ?? 0;
  const mean = sorted.length === 0 ? 0 : sorted.reduce((sum, length) => sum + length, 0) / sorted.length;
  return { min: sorted[0] ?? 0, median: at(0.5), mean, p90: at(0.9), max: sorted.at(-1) ?? 0 };
}
