/**
 * Streams that run while a long prompt is read: how long they stand still, how much slower the prompt is than alone, and how soon /health
 * answers meanwhile. All beside the same without the other.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "../../train/measure.js";
import type { BenchRow } from "../row.js";
import type { RequestRecord } from "./completionRequest.js";
import type { HealthLook } from "./loadGenerator.js";
import { firstMs, gapsMs, quantiles } from "./loadSummary.js";
import { allWhole, alone, cost, exactly, planOf, type Serving, section, speed } from "./serving.js";

/** Streams beside the long prompt, and the tokens of each prompt of theirs. */
export const besideStreams = 4;
const besidePrompt = 32;
const besideTokens = 1024;
/** Most rounds: each reads the long prompt twice. */
const mostRounds = 3;
/** For the streams to begin, and then to be looked at without the long prompt. */
const beginMs = 1500;
const quietMs = 2000;
const healthEveryMs = 20;
/** For the server to let go of streams that were ended, those of the round before. */
const settleMs = 500;

interface Round {
  readonly aloneRate: number;
  readonly besideRate: number;
  readonly quietGapMs: number;
  readonly gapMs: number;
  readonly quietHealthMs: number;
  readonly healthMs: number;
}

/** @param tokens of the long prompt @throws RangeError if the long prompt or /health fails, or no stream runs */
export async function longPrompt(serving: Serving, tokens: number): Promise<BenchRow[]> {
  const rounds: Round[] = [];
  const numRounds = Math.min(serving.repeats, mostRounds);
  for (let round = 0; round < numRounds; round++) {
    const name = `prompt of ${tokens} tokens, round ${round + 1}`;
    rounds.push(await section(serving, name, () => oneRound(serving, tokens)));
  }
  const of = (name: keyof Round): number[] => rounds.map((round) => round[name]);
  const at = { tokens, streams: besideStreams, rounds: numRounds };
  const beside = `beside a prompt of ${tokens} tokens`;
  const facts = (what: string, floorName: string) => ({ what, floorName, at });
  return [
    cost(
      serving,
      facts(`next token ${beside}, p99`, "without the prompt"),
      "ms",
      of("gapMs"),
      median(of("quietGapMs")),
    ),
    speed(
      serving,
      facts(`prompt of ${tokens} tokens beside ${besideStreams} streams`, "alone"),
      "tokens/s",
      of("besideRate"),
      median(of("aloneRate")),
    ),
    // The slowest of all rounds counts.
    cost(
      serving,
      facts(`/health ${beside}, slowest`, "median without the prompt"),
      "ms",
      [Math.max(...of("healthMs"))],
      median(of("quietHealthMs")),
    ),
  ];
}

async function oneRound(serving: Serving, tokens: number): Promise<Round> {
  const { client, facts } = serving;
  const lengths = { promptTokens: exactly(tokens), outputTokens: exactly(1) };
  const read = async (): Promise<RequestRecord> => {
    const [record] = allWhole(await client.load(planOf(serving, { ...alone(1), ...lengths })), "long prompt");
    if (!record || firstMs(record) === null) throw new RangeError("bench serve: long prompt: no text came");
    return record;
  };
  const rateOf = (record: RequestRecord): number => (1000 * tokens) / (firstMs(record) ?? Number.NaN);
  await sleep(settleMs);
  const isolated = await read();
  const stop = new AbortController();
  const room = facts.maxPositions ?? Number.POSITIVE_INFINITY;
  const streams = client.load(
    planOf(serving, {
      arrival: { kind: "closed", clients: besideStreams },
      requests: null,
      promptTokens: exactly(besidePrompt),
      outputTokens: exactly(Math.min(besideTokens, room - besidePrompt)),
    }),
    stop.signal,
  );
  const health = client.health(healthEveryMs, stop.signal);
  let long: RequestRecord | null = null;
  try {
    await sleep(beginMs + quietMs);
    long = await read();
  } finally {
    stop.abort();
    await Promise.allSettled([streams, health]);
  }
  const records = await streams;
  const looks = await health;
  const { startMs } = long;
  const quiet = [startMs - quietMs, startMs] as const;
  const busy = [startMs, startMs + (firstMs(long) ?? 0)] as const;
  return {
    aloneRate: rateOf(isolated),
    besideRate: rateOf(long),
    quietGapMs: gapP99(records, quiet),
    gapMs: gapP99(records, busy),
    quietHealthMs: median(healthMs(looks, quiet)),
    healthMs: Math.max(...healthMs(looks, busy)),
  };
}

type Window = readonly [from: number, to: number];

/** @throws RangeError if no stream ran in the time */
function gapP99(records: readonly RequestRecord[], window: Window): number {
  const found = quantiles(records.flatMap((record) => stallsMs(record, window)));
  if (found === null) throw new RangeError("bench serve: long prompt: no stream ran beside it");
  return found.p99;
}

/**
 * Gaps that end in the window, and the one that is open when it ends, as far as it has come: a stream that stands still to the end would
 * else count for nothing.
 */
export function stallsMs(record: RequestRecord, window: Window): number[] {
  const [, to] = window;
  const last = record.pieceMs.findLast((at) => at <= to);
  const isOpen = last !== undefined && record.endMs >= to;
  return [...gapsMs(record, window), ...(isOpen ? [to - last] : [])];
}

/** @throws RangeError if /health was not asked or did not answer with 200 */
function healthMs(looks: readonly HealthLook[], [from, to]: Window): number[] {
  const seen = looks.filter(({ atMs, elapsedMs }) => atMs <= to && atMs + elapsedMs >= from);
  const wrong = seen.find(({ status }) => status !== 200);
  if (wrong) throw new RangeError(`bench serve: /health: status ${wrong.status}`);
  if (seen.length === 0) throw new RangeError("bench serve: /health: not asked in the time");
  return seen.map(({ elapsedMs }) => elapsedMs);
}
