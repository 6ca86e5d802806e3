/** Many questions at once whose answers go to a log in order: nothing runs so far ahead that the journal beside it would hold most of them. */
import { setMaxListeners } from "node:events";
import type { OrderedLog } from "./orderedLog.js";

/** How far an unanswered question lets those behind it go ahead, in rounds of the expert. */
const roundsAhead = 64;

/** Calls for all that is missing of a log's order, several at once. @returns whether the signal ended it */
export async function eachInWindow(
  log: OrderedLog<{ readonly id: string }>,
  order: readonly string[],
  atOnce: number,
  signal: AbortSignal,
  work: (id: string, signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const missing = log.missing;
  const places = new Map(order.map((id, place) => [id, place]));
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  setMaxListeners(2 * atOnce + 10, both); // Each call listens.
  let taken = 0;
  let wake: (() => void)[] = [];
  const worker = async (): Promise<void> => {
    while (taken < missing.length && !both.aborted) {
      const id = missing[taken] ?? "";
      if ((places.get(id) ?? 0) - log.next > atOnce * roundsAhead) {
        await new Promise<void>((resolve) => wake.push(resolve));
        continue;
      }
      taken++;
      try {
        await work(id, both);
      } catch (error) {
        // The first failure is the reason; the others only follow it.
        if (!both.aborted) failed.abort(error);
      }
      const sleepers = wake;
      wake = [];
      for (const each of sleepers) each();
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, missing.length) }, worker));
  if (failed.signal.aborted) throw failed.signal.reason;
  return signal.aborted && log.missing.length > 0;
}
