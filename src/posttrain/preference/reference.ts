/**
 * What the reference model says of every pair: the model that DPO begins with, asked once before it is trained. The sums are kept in the
 * run's directory, so that neither later epochs nor a run that goes on need a second model in memory.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { Communicator } from "../../distributed/communicator.js";
import { writeFileAtomic } from "../../files/atomic.js";
import { isObject, readJson } from "../../files/json.js";
import type { DeepseekV3 } from "../../model/deepseekV3.js";
import { hashSequences } from "./epochOrder.js";
import { type Answers, type PairLogprobs, pairLogprobs } from "./pairLogprobs.js";

export const referenceFile = "reference.json";

/** Pairs between two looks at the signal. */
const chunkSize = 64;

export interface ReferenceOptions {
  readonly microBatchTokens: number;
  readonly world: Communicator;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Each process asks its model about its share; all get the whole. @throws the signal's reason */
export async function referenceLogprobs(
  model: DeepseekV3,
  pairs: readonly Answers[],
  { microBatchTokens, world, signal, onProgress }: ReferenceOptions,
): Promise<PairLogprobs> {
  const chosen = new Float64Array(pairs.length);
  const rejected = new Float64Array(pairs.length);
  const mine = pairs.flatMap((pair, i) => (i % world.size === world.rank ? [{ pair, i }] : []));
  for (let begin = 0; begin < mine.length; begin += chunkSize) {
    await setImmediate();
    signal?.throwIfAborted();
    const chunk = mine.slice(begin, begin + chunkSize);
    const sums = await pairLogprobs(
      model,
      chunk.map(({ pair }) => pair),
      microBatchTokens,
    );
    chunk.forEach(({ i }, k) => {
      chosen[i] = sums.chosen[k] ?? Number.NaN;
      rejected[i] = sums.rejected[k] ?? Number.NaN;
    });
    onProgress?.(Math.min(pairs.length, (begin + chunk.length) * world.size), pairs.length);
  }
  await world.allReduce(chosen, "sum");
  await world.allReduce(rejected, "sum");
  return { chosen, rejected };
}

/** Names of sets of pairs ("training") to what the reference says of them. */
export type Reference<Name extends string> = Readonly<Record<Name, PairLogprobs>>;

export function writeReference<Name extends string>(
  run: string,
  pairs: Readonly<Record<Name, readonly Answers[]>>,
  reference: Reference<Name>,
): void {
  const sets = Object.entries<PairLogprobs>(reference).map(([name, { chosen, rejected }]) => [
    name,
    { key: keyOf(pairs[name as Name]), chosen: Array.from(chosen), rejected: Array.from(rejected) },
  ]);
  writeFileAtomic(join(run, referenceFile), `${JSON.stringify({ version: 1, ...Object.fromEntries(sets) })}\n`);
}

/** @throws RangeError for a file that is missing, damaged, or of other pairs */
export function readReference<Name extends string>(
  run: string,
  pairs: Readonly<Record<Name, readonly Answers[]>>,
): Reference<Name> {
  const path = join(run, referenceFile);
  const json = readJson(path);
  if (!isObject(json) || json.version !== 1) throw new RangeError(`${path}: not of this program's version`);
  const sets = Object.entries<readonly Answers[]>(pairs).map(([name, own]) => {
    const set = json[name];
    if (!isObject(set) || set.key !== keyOf(own)) {
      throw new RangeError(`${path}: made of other pairs; go on with the data and the split that the run began with`);
    }
    const numbers = (side: "chosen" | "rejected"): Float64Array => {
      const values: unknown = set[side];
      if (!Array.isArray(values) || values.length !== own.length || !values.every(Number.isFinite)) {
        throw new RangeError(`${path}: ${name}.${side} must be ${own.length} numbers: damaged?`);
      }
      return Float64Array.from(values as number[]);
    };
    return [name, { chosen: numbers("chosen"), rejected: numbers("rejected") }];
  });
  return Object.fromEntries(sets) as Reference<Name>;
}

function keyOf(pairs: readonly Answers[]): string {
  return hashSequences(pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]));
}
