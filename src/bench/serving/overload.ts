/**
 * Ten times as many requests as the server can answer: whether it goes on answering as many as it can and sends the others away, and how
 * long after the last of them a lone request is answered as before.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "../../train/measure.js";
import type { BenchRow } from "../row.js";
import { arrivalsMs } from "./loadPlan.js";
import { firstMs, isWhole, type LoadSummary, summarize } from "./loadSummary.js";
import {
  allWhole,
  alone,
  cost,
  exactly,
  loadNumbers,
  planOf,
  type Serving,
  type ServingFound,
  section,
  speed,
  summaryOf,
} from "./serving.js";

/** Short requests: what is looked at is the queue. */
export const shortPrompt = 32;
export const shortTokens = 16;
const times = 10;
/** Seconds of overload, and the bounds of its number of requests. */
const seconds = 5;
const [leastRequests, mostRequests] = [50, 5000];
/** Clients that find out how much the server can answer, if it does not say how many it takes at once. */
const usualClients = 32;
/** A lone request is as before if its first token comes within this many times the time before, and some milliseconds. */
const asBefore = { times: 2, ms: 20 };
const mostRecoveryMs = 60_000;
const probeEveryMs = 20;

/** @throws RangeError if requests fail before the overload, or not one is answered in it */
export async function overload(serving: Serving): Promise<ServingFound> {
  const { client, facts, nextSeed, repeats } = serving;
  const lengths = { promptTokens: exactly(shortPrompt), outputTokens: exactly(shortTokens) };
  const load = (plan: Parameters<typeof planOf>[1]) => client.load(planOf(serving, { ...lengths, ...plan }));
  return section(serving, `overload ${times}x`, async () => {
    const before = allWhole(await load({ ...alone(Math.max(3, repeats)) }), "overload: lone requests");
    const usualMs = median(before.map((record) => firstMs(record) ?? Number.NaN));
    const clients = Math.min(facts.maxInFlight ?? usualClients, usualClients);
    const closed = { arrival: { kind: "closed", clients }, requests: 4 * clients } as const;
    const capacity = summaryOf(await load(closed), "overload: capacity");
    const requestsPerSecond = times * capacity.requestsPerSecond;
    const requests = Math.round(Math.min(mostRequests, Math.max(leastRequests, seconds * requestsPerSecond)));
    const seed = nextSeed();
    const flood = load({ arrival: { kind: "open", requestsPerSecond }, requests, seed });
    // Probes begin with the end of the flood, while what it left still waits.
    await sleep(arrivalsMs(requestsPerSecond, requests, seed).at(-1));
    const giveUp = performance.now() + mostRecoveryMs;
    let recoveredMs: number | null = null;
    while (recoveredMs === null && performance.now() < giveUp) {
      const [record] = await load(alone(1));
      const first = record && firstMs(record);
      if (record && isWhole(record) && first && first <= asBefore.times * usualMs + asBefore.ms) {
        recoveredMs = record.startMs + first;
      } else await sleep(probeEveryMs);
    }
    const records = await flood;
    const lastMs = records.reduce((latest, { startMs }) => Math.max(latest, startMs), 0);
    const recovery = recoveredMs === null ? mostRecoveryMs : Math.max(0, recoveredMs - lastMs);
    const summary = summarize(records);
    return { rows: rowsOf(serving, summary, capacity, recovery / 1000, usualMs / 1000), loads: { overload: summary } };
  });
}

function rowsOf(
  serving: Serving,
  summary: LoadSummary,
  capacity: LoadSummary,
  recovery: number,
  usual: number,
): BenchRow[] {
  const { requests, succeeded, outcomes } = summary;
  const refused = outcomes["429"] ?? 0;
  const shares = {
    times,
    share200: succeeded / requests,
    share429: refused / requests,
    shareOther: (requests - succeeded - refused) / requests,
  };
  const what = `overload ${times}x`;
  const facts = (part: string, floorName: string) => ({ what: `${what}: ${part}`, floorName });
  return [
    speed(
      serving,
      { ...facts("answered", "without overload"), at: { ...loadNumbers(summary), ...shares } },
      "requests/s",
      [summary.requestsPerSecond],
      capacity.requestsPerSecond,
    ),
    cost(serving, { ...facts("recovery", "first token before"), at: { times } }, "s", [recovery], usual),
  ];
}
