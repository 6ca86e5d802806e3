/**
 * The server as its clients meet it, over HTTP: one stream beside the same work in process, more and more clients, a beginning that comes
 * again, a long prompt beside streams, and too many requests. Every figure stands beside one of the same run. infrastructure.md 7, performance.md 4.
 */
import type { Peer } from "../peerProcess.js";
import type { BenchRow } from "../row.js";
import type { InProcess } from "./inProcess.js";
import type { Span } from "./loadPlan.js";
import type { LoadSummary } from "./loadSummary.js";
import { type LoadsOptions, measureLoads } from "./loads.js";
import { besideStreams, longPrompt } from "./longPrompt.js";
import { overload, shortPrompt, shortTokens } from "./overload.js";
import { ownTokens, repeatedPrefix, writtenTokens } from "./repeatedPrefix.js";
import type { Serving, ServingFound } from "./serving.js";
import { singleStream } from "./singleStream.js";

export const scenarios = ["single", "loads", "prefix", "long", "overload"] as const;
export type Scenario = (typeof scenarios)[number];

export interface ServingLengths {
  readonly promptTokens: Span;
  readonly outputTokens: Span;
  /** Of the beginning that comes again. */
  readonly prefixTokens: number;
  readonly longTokens: number;
}

export const usualLengths: ServingLengths = {
  promptTokens: { least: 512, most: 512 },
  outputTokens: { least: 128, most: 128 },
  prefixTokens: 2000,
  longTokens: 16_384,
};

/** Positions that all scenarios together need. */
export function positionsFor({ promptTokens, outputTokens, prefixTokens, longTokens }: ServingLengths): number {
  return Math.max(
    promptTokens.most + Math.max(2, outputTokens.most),
    prefixTokens + ownTokens + writtenTokens,
    longTokens + 1,
    shortPrompt + shortTokens,
  );
}

/**
 * Lengths that fit a model: what was not asked for is the usual, or less if the model has fewer positions.
 * @param positions null: as many as one likes
 * @throws RangeError for lengths asked for that the model has no positions for
 */
export function fittingLengths(asked: Partial<ServingLengths>, positions: number | null): ServingLengths {
  const all = positions ?? Number.POSITIVE_INFINITY;
  if (all < shortPrompt + shortTokens) {
    throw new RangeError(`bench serve: the model has ${all} positions, ${shortPrompt + shortTokens} are needed`);
  }
  const upTo = (tokens: number, most: number): number => Math.max(1, Math.min(tokens, Math.floor(most)));
  const span = ({ most }: Span, bound: number): Span => {
    const tokens = upTo(most, bound);
    return { least: tokens, most: tokens };
  };
  const room = all - Math.max(2, asked.outputTokens?.most ?? 2);
  const promptTokens = asked.promptTokens ?? span(usualLengths.promptTokens, Math.min(all / 2, room));
  const lengths: ServingLengths = {
    promptTokens,
    outputTokens: asked.outputTokens ?? span(usualLengths.outputTokens, Math.min(all / 4, all - promptTokens.most)),
    prefixTokens: asked.prefixTokens ?? upTo(usualLengths.prefixTokens, all - ownTokens - writtenTokens),
    longTokens: asked.longTokens ?? upTo(usualLengths.longTokens, all - 1),
  };
  const needs = {
    "prompt and output": lengths.promptTokens.most + Math.max(2, lengths.outputTokens.most),
    "shared prefix": lengths.prefixTokens + ownTokens + writtenTokens,
    "long prompt": lengths.longTokens + 1,
  };
  for (const [name, needed] of Object.entries(needs)) {
    if (needed > all) {
      throw new RangeError(`bench serve: ${name} needs ${needed} positions, the model has ${all}`);
    }
  }
  return lengths;
}

export interface ServingOptions extends LoadsOptions {
  readonly scenarios: readonly Scenario[];
  readonly lengths: ServingLengths;
  /** What the single stream is held against. */
  readonly model: InProcess | null;
  /** Decodes in turn with the single stream. */
  readonly peer: Peer | null;
}

/**
 * @throws RangeError if a scenario cannot be run on this server, or its requests fail
 */
export async function benchServing(
  serving: Serving,
  options: ServingOptions,
): Promise<{ readonly rows: readonly BenchRow[]; readonly loads: Readonly<Record<string, LoadSummary>> }> {
  const { lengths, model, concurrency } = options;
  const { maxInFlight } = serving.facts;
  const most = Math.max(...concurrency, options.scenarios.includes("long") ? besideStreams + 1 : 1);
  if (maxInFlight !== null && most > maxInFlight) {
    throw new RangeError(`bench serve: ${most} requests at once; the server takes ${maxInFlight} (--max-in-flight)`);
  }
  const found: ServingFound[] = [];
  const onlyRows = (rows: readonly BenchRow[]): ServingFound => ({ rows, loads: {} });
  for (const scenario of scenarios) {
    if (!options.scenarios.includes(scenario)) continue;
    switch (scenario) {
      case "single":
        if (model) found.push(onlyRows(await singleStream(serving, model, options.peer)));
        break;
      case "loads":
        found.push(await measureLoads(serving, options));
        break;
      case "prefix":
        found.push(onlyRows(await repeatedPrefix(serving, lengths.prefixTokens)));
        break;
      case "long":
        found.push(onlyRows(await longPrompt(serving, lengths.longTokens)));
        break;
      case "overload":
        found.push(await overload(serving));
        break;
      default:
        scenario satisfies never;
    }
  }
  return {
    rows: found.flatMap(({ rows }) => rows),
    loads: Object.assign({}, ...found.map(({ loads }) => loads)) as Record<string, LoadSummary>,
  };
}
