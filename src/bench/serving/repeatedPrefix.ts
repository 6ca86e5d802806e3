/** A long beginning that comes again with another end: the time to the first token with the beginning in the server's cache, and without. */
import { median } from "../../train/measure.js";
import { measureSection } from "../rounds.js";
import type { BenchRow } from "../row.js";
import { firstMs } from "./loadSummary.js";
import { allWhole, alone, cost, exactly, planOf, type Serving } from "./serving.js";

/** Tokens after the shared ones, and tokens written. */
export const ownTokens = 16;
export const writtenTokens = 4;

/** @param prefix tokens @throws RangeError if requests fail */
export async function repeatedPrefix(serving: Serving, prefix: number): Promise<BenchRow[]> {
  const { label, client, repeats, say } = serving;
  const cold: number[] = [];
  const warm: number[] = [];
  let cached = 0;
  const turn = async (): Promise<number> => {
    const plan = planOf(serving, {
      ...alone(2),
      promptTokens: exactly(prefix + ownTokens),
      outputTokens: exactly(writtenTokens),
      sharedPrefix: { tokens: prefix, share: 1 },
    });
    const [first, second] = allWhole(await client.load(plan), "repeated prefix");
    if (!first || !second) throw new Error("internal: two requests were planned");
    cold.push(firstMs(first) ?? Number.NaN);
    warm.push(firstMs(second) ?? Number.NaN);
    cached = second.cachedTokens;
    return (second.endMs - first.startMs) / 1000;
  };
  // Not counted: the first requests of a server are slower.
  await turn();
  cold.pop();
  warm.pop();
  const what = `${prefix} tokens again`;
  await measureSection({ name: `serve ${label}, ${what}`, rounds: repeats, say, ours: turn });
  const facts = { what: `${what}: first token`, floorName: "the first time", at: { prefix, cached } };
  return [cost(serving, facts, "ms", warm, median(cold))];
}
