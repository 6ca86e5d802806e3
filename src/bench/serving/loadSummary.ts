/** What the records of a load say: waiting times at quantiles, rates, and how many failed of what. */
import type { RequestRecord } from "./completionRequest.js";

export interface Quantiles {
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
}

export interface LoadSummary {
  readonly requests: number;
  readonly succeeded: number;
  /** From the first request to the last end. */
  readonly seconds: number;
  /** How many ended how: "200" for whole answers, the status of those refused, else what cut them short. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** From sending to the first piece of text, milliseconds; null if nothing was answered. */
  readonly firstMs: Quantiles | null;
  /** Between pieces of text, milliseconds, over all answers together. */
  readonly gapMs: Quantiles | null;
  /** From sending to the end, milliseconds. */
  readonly wholeMs: Quantiles | null;
  /** Of whole answers alone. */
  readonly outputTokensPerSecond: number;
  readonly inputTokensPerSecond: number;
  readonly requestsPerSecond: number;
}

/** @throws RangeError for no records */
export function summarize(records: readonly RequestRecord[]): LoadSummary {
  if (records.length === 0) throw new RangeError("load summary: no requests were sent");
  const outcomes: Record<string, number> = {};
  for (const record of records) {
    const outcome = outcomeOf(record);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  const whole = records.filter(isWhole);
  const start = least(records.map(({ startMs }) => startMs));
  const end = -least(records.map(({ endMs }) => -endMs));
  const seconds = (end - start) / 1000;
  const sum = (of: (record: RequestRecord) => number): number => whole.reduce((total, record) => total + of(record), 0);
  return {
    requests: records.length,
    succeeded: whole.length,
    seconds,
    outcomes,
    firstMs: quantiles(whole.flatMap((record) => firstMs(record) ?? [])),
    gapMs: quantiles(whole.flatMap((record) => gapsMs(record))),
    wholeMs: quantiles(whole.map(({ startMs, endMs }) => endMs - startMs)),
    outputTokensPerSecond: sum(({ outputTokens }) => outputTokens) / seconds,
    inputTokensPerSecond: sum(({ promptTokens }) => promptTokens) / seconds,
    requestsPerSecond: whole.length / seconds,
  };
}

export function isWhole({ status, failure }: RequestRecord): boolean {
  return status === 200 && failure === null;
}

/** "200", "429", "ECONNRESET", "cut short", ... */
export function outcomeOf({ status, failure }: RequestRecord): string {
  return status === 200 || status === 0 ? (failure ?? String(status)) : String(status);
}

/** Milliseconds from sending to the first piece; null if none came. */
export function firstMs({ startMs, pieceMs }: RequestRecord): number | null {
  const [first] = pieceMs;
  return first === undefined ? null : first - startMs;
}

/** Milliseconds between pieces. @param within only gaps that end in this time of the clock */
export function gapsMs({ pieceMs }: RequestRecord, within: readonly [number, number] | null = null): number[] {
  return pieceMs.flatMap((at, i) => {
    const before = pieceMs[i - 1];
    if (before === undefined || (within && (at < within[0] || at > within[1]))) return [];
    return [at - before];
  });
}

/** Null for no values. */
export function quantiles(values: readonly number[]): Quantiles | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  return { median: quantile(sorted, 0.5), p90: quantile(sorted, 0.9), p99: quantile(sorted, 0.99) };
}

/** Between the two values next to rank (n - 1) share, in proportion. @param sorted ascending, not empty */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const rank = (sorted.length - 1) * share;
  const low = Math.floor(rank);
  const below = sorted[low] ?? Number.NaN;
  const above = sorted[Math.min(low + 1, sorted.length - 1)] ?? Number.NaN;
  return below + (rank - low) * (above - below);
}

function least(values: readonly number[]): number {
  return values.reduce((smallest, value) => Math.min(smallest, value), Number.POSITIVE_INFINITY);
}
