/**
 * How sure a figure is: standard errors of means, of groups, and by drawing documents again (bootstrap), and of the difference between two
 * models on the same documents; evaluation.md section 11.
 */
import { hashInts, stream } from "../../data/random.js";

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a sample: divided by n - 1; NaN for fewer than two. */
export function sampleDeviation(values: readonly number[]): number {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/** Null for fewer than two values. */
export function meanError(values: readonly number[]): number | null {
  return values.length < 2 ? null : sampleDeviation(values) / Math.sqrt(values.length);
}

export interface GroupPart {
  readonly value: number;
  /** Null: not known. */
  readonly error: number | null;
  readonly size: number;
}

/** The mean over tasks, weighed by their documents or all alike. */
export function groupMean(parts: readonly GroupPart[], weightBySize: boolean): number {
  const weights = parts.map(({ size }) => (weightBySize ? size : 1));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return parts.reduce((total, { value }, i) => total + value * (weights[i] ?? 0), 0) / sum;
}

/**
 * Of a mean over all documents of several tasks, from their standard errors: sqrt(sum((n_i - 1) s_i^2 / (N - K)) / N), s_i^2 = se_i^2 n_i.
 * Null if one of them is not known.
 */
export function pooledError(parts: readonly GroupPart[]): number | null {
  const total = parts.reduce((sum, { size }) => sum + size, 0);
  if (total <= parts.length) return null;
  let squares = 0;
  for (const { error, size } of parts) {
    if (error === null) return null;
    squares += (size - 1) * error ** 2 * size;
  }
  return Math.sqrt(squares / (total - parts.length) / total);
}

/** Of a mean over tasks that all count alike: their errors are independent. Null if one of them is not known. */
export function unweightedError(parts: readonly GroupPart[]): number | null {
  let squares = 0;
  for (const { error } of parts) {
    if (error === null) return null;
    squares += error ** 2;
  }
  return Math.sqrt(squares) / parts.length;
}

/** Draws that share a key: their number is as lm-eval's, so that a chunk can be computed by itself. */
const chunk = 1000;

/**
 * Deviation of a statistic over samples drawn from the values, with repetition and as many. Null for fewer than two values or draws.
 * @param draws 0 switches it off
 */
export function bootstrapError<T>(
  values: readonly T[],
  statistic: (sample: readonly T[]) => number,
  draws: number,
): number | null {
  const size = values.length;
  if (size < 2 || draws < 2) return null;
  const found: number[] = [];
  const sample: T[] = new Array<T>(size);
  for (let draw = 0; draw < draws; draw++) {
    for (let i = 0; i < size; i++) {
      const at = hashInts(Math.floor(draw / chunk), stream.bootstrap, draw % chunk, i) % size;
      sample[i] = values[at] as T;
    }
    found.push(statistic(sample));
  }
  return sampleDeviation(found);
}

export interface PairedDifference {
  /** Of the second over the first. */
  readonly difference: number;
  /** Null for fewer than two documents. */
  readonly error: number | null;
  /** Two-sided, by the normal distribution; null without an error. */
  readonly pValue: number | null;
  readonly documents: number;
}

/** What two models scored on the same documents. @throws RangeError if the lists are not of one length */
export function pairedDifference(first: readonly number[], second: readonly number[]): PairedDifference {
  if (first.length !== second.length) {
    throw new RangeError(
      `paired difference: ${first.length} and ${second.length} values; expected one for each document`,
    );
  }
  const differences = first.map((value, i) => (second[i] ?? Number.NaN) - value);
  const difference = mean(differences);
  const error = meanError(differences);
  const pValue = error === null ? null : error === 0 ? (difference === 0 ? 1 : 0) : chanceBeyond(difference / error);
  return { difference, error, pValue, documents: first.length };
}

/** Chance of a normal value at least this far from 0, on either side. */
export function chanceBeyond(z: number): number {
  return errorComplement(Math.abs(z) / Math.SQRT2);
}

/** erfc for x >= 0: a continued fraction far out, a series near 0; good to 1e-12. */
function errorComplement(x: number): number {
  if (x < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum) && n < 200; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}
