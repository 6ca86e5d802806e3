/** Loads of equal requests: more and more clients at once, and requests that come at a rate. Each beside what one client alone gets. */
import type { BenchRow } from "../row.js";
import type { Arrival, LoadPlan } from "./loadPlan.js";
import type { LoadSummary } from "./loadSummary.js";
import {
  alone,
  cost,
  loadNumbers,
  planOf,
  type Serving,
  type ServingFound,
  section,
  speed,
  summaryOf,
} from "./serving.js";

export interface LoadsOptions {
  /** Clients of the closed loops. */
  readonly concurrency: readonly number[];
  /** Requests a second of an open loop; null: none. */
  readonly rate: number | null;
  /** Of each load; null: twice the clients, or ten seconds of the rate, eight at least. */
  readonly requests: number | null;
  readonly sharedPrefix: LoadPlan["sharedPrefix"];
}

const leastRequests = 8;

/** @throws RangeError if not one request of a load is answered */
export async function measureLoads(serving: Serving, options: LoadsOptions): Promise<ServingFound> {
  const { concurrency, rate, sharedPrefix } = options;
  const loads: Record<string, LoadSummary> = {};
  const rows: BenchRow[] = [];
  const measure = async (what: string, arrival: Arrival, requests: number): Promise<LoadSummary> => {
    const plan = planOf(serving, { arrival, requests, sharedPrefix });
    const summary = summaryOf(await section(serving, what, () => serving.client.load(plan)), what);
    loads[what] = summary;
    return summary;
  };
  const { arrival } = alone(1);
  const reference = await measure(clientsText(1), arrival, options.requests ?? leastRequests);
  const closed = async (clients: number): Promise<LoadSummary> =>
    clients === 1
      ? reference
      : measure(
          clientsText(clients),
          { kind: "closed", clients },
          options.requests ?? Math.max(leastRequests, 2 * clients),
        );
  for (const clients of concurrency) {
    rows.push(...rowsOf(serving, clientsText(clients), await closed(clients), reference, { clients }));
  }
  if (rate !== null) {
    const requests = options.requests ?? Math.max(leastRequests, Math.round(10 * rate));
    const what = `${rate} requests/s`;
    const summary = await measure(what, { kind: "open", requestsPerSecond: rate }, requests);
    rows.push(...rowsOf(serving, what, summary, reference, { rate }));
  }
  return { rows, loads };
}

function clientsText(clients: number): string {
  return clients === 1 ? "1 client" : `${clients} clients`;
}

function rowsOf(
  serving: Serving,
  what: string,
  summary: LoadSummary,
  reference: LoadSummary,
  at: Readonly<Record<string, number>>,
): BenchRow[] {
  const facts = (part: string, more: Readonly<Record<string, number>> = {}) => ({
    what: `${what}: ${part}`,
    floorName: "1 client",
    at: { ...at, ...more },
  });
  const wait = (part: string, of: (one: LoadSummary) => LoadSummary["firstMs"]): BenchRow[] => {
    const [ours, theirs] = [of(summary), of(reference)];
    return ours && theirs ? [cost(serving, facts(part), "ms", [ours.median], theirs.median)] : [];
  };
  const output = summary.outputTokensPerSecond;
  return [
    speed(serving, facts("output", loadNumbers(summary)), "tokens/s", [output], reference.outputTokensPerSecond),
    ...wait("first token", ({ firstMs }) => firstMs),
    ...wait("next token", ({ gapMs }) => gapMs),
  ];
}
