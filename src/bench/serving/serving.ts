/** What the scenarios share: the server and how it is loaded, and how figures beside a figure of the same run become rows. */
import { measureSection, type Say, timed } from "../rounds.js";
import { type BenchRow, type CostUnit, costRow, type PeerRuns, type RateUnit, type RowFacts, rateRow } from "../row.js";
import type { RequestRecord } from "./completionRequest.js";
import type { LoadClient } from "./loadClient.js";
import type { LoadPlan, Span } from "./loadPlan.js";
import { isWhole, type LoadSummary, outcomeOf, summarize } from "./loadSummary.js";
import type { ServerFacts } from "./serverFacts.js";

export interface Serving {
  /** What the rows call the model. */
  readonly label: string;
  readonly client: LoadClient;
  readonly facts: ServerFacts;
  /** That the server computes with. */
  readonly threads: number;
  readonly repeats: number;
  readonly promptTokens: Span;
  readonly outputTokens: Span;
  /** Another one each time: a prompt that was sent before would be found in the server's cache. */
  readonly nextSeed: () => number;
  readonly say: Say;
}

/** Rows, and the loads that they come of, by name. */
export interface ServingFound {
  readonly rows: readonly BenchRow[];
  readonly loads: Readonly<Record<string, LoadSummary>>;
}

export function exactly(tokens: number): Span {
  return { least: tokens, most: tokens };
}

/** A plan of prompts not sent before, of the bench's own lengths where the scenario does not say otherwise. */
export function planOf(serving: Serving, plan: Pick<LoadPlan, "arrival" | "requests"> & Partial<LoadPlan>): LoadPlan {
  const { promptTokens, outputTokens, facts, nextSeed } = serving;
  return { promptTokens, outputTokens, sharedPrefix: null, ids: facts.ids, seed: nextSeed(), ...plan };
}

/** One client that asks `requests` times, each time after its answer. */
export const alone = (requests: number): Pick<LoadPlan, "arrival" | "requests"> => ({
  arrival: { kind: "closed", clients: 1 },
  requests,
});

/** Runs a scenario's part between the lines that tell its begin and end. */
export async function section<T>({ label, say }: Serving, what: string, body: () => Promise<T>): Promise<T> {
  const found: T[] = [];
  const run = async (): Promise<void> => {
    found.push(await body());
  };
  await measureSection({ name: `serve ${label}, ${what}`, rounds: 1, say, ours: () => timed(run) });
  return found[0] as T;
}

/** @throws RangeError naming how requests failed, if any did: what is left would not be what was asked for */
export function allWhole(records: readonly RequestRecord[], what: string): readonly RequestRecord[] {
  const failed = records.filter((record) => !isWhole(record));
  if (failed.length === 0) return records;
  const kinds = [...new Set(failed.map(outcomeOf))].join(", ");
  throw new RangeError(`bench serve: ${what}: ${failed.length} of ${records.length} requests failed: ${kinds}`);
}

/** @throws RangeError naming how they failed, if not one was answered */
export function summaryOf(records: readonly RequestRecord[], what: string): LoadSummary {
  const summary = summarize(records);
  if (summary.succeeded === 0) {
    throw new RangeError(`bench serve: ${what}: every request failed: ${Object.keys(summary.outcomes).join(", ")}`);
  }
  return summary;
}

type Facts = Omit<RowFacts, "bench" | "threads" | "case"> & { readonly what: string; readonly floorName: string };

function factsOf({ label, threads }: Serving, { what, ...facts }: Facts): RowFacts {
  return { bench: "serve", case: `${label}, ${what}`, threads, ...facts };
}

/** A rate beside another. @param rates of each run, in the unit @param peer its seconds for one */
export function speed(
  serving: Serving,
  facts: Facts,
  unit: RateUnit,
  rates: readonly number[],
  reference: number,
  peer: PeerRuns = null,
): BenchRow {
  const seconds = rates.map((rate) => 1 / rate);
  return rateRow(factsOf(serving, facts), unit, 1, seconds, 1 / reference, peer);
}

/** A cost beside another. @param samples of each run, in the unit */
export function cost(
  serving: Serving,
  facts: Facts,
  unit: CostUnit,
  samples: readonly number[],
  reference: number,
): BenchRow {
  return costRow(factsOf(serving, facts), unit, samples, reference);
}

/** The numbers of a load that a row keeps, all in milliseconds or per second. */
export function loadNumbers(summary: LoadSummary): Record<string, number> {
  const { requests, succeeded, firstMs, gapMs } = summary;
  const quantiles = (name: string, values: LoadSummary["firstMs"]): Record<string, number> =>
    values === null ? {} : { [`${name}Median`]: values.median, [`${name}P90`]: values.p90, [`${name}P99`]: values.p99 };
  return {
    requests,
    failed: requests - succeeded,
    ...quantiles("firstMs", firstMs),
    ...quantiles("gapMs", gapMs),
    outputTokensPerSecond: summary.outputTokensPerSecond,
    inputTokensPerSecond: summary.inputTokensPerSecond,
    requestsPerSecond: summary.requestsPerSecond,
  };
}
