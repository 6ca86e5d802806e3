/**
 * Which problems of a space are held out, and which one a draw gives. A keyed permutation lays all ranks in a row; the first `held` of the
 * row are held out, the rest is for training. Both splits read the same row at different places, so that no problem can be in both, whatever
 * the seeds. Training walks through its part in an order of the seed, without repetition until all have been drawn, and then in another order.
 */
import { hashInts, permuted } from "../../data/random.js";
import type { Split } from "./problem.js";

export interface Space {
  /** Names the space; another key holds others out. */
  readonly key: number;
  /** Number of problems. */
  readonly size: number;
  /** How many of them are held out. */
  readonly held: number;
}

/**
 * The rank of the draw `index`; takes the same time for every index.
 * @throws RangeError for an index that is no whole number from 0, or past the held-out problems
 */
export function rankAt({ key, size, held }: Space, split: Split, seed: number, index: number): number {
  if (!Number.isSafeInteger(index) || index < 0) {
    throw new RangeError(`problem index must be a whole number from 0, got ${index}`);
  }
  if (split === "heldout") {
    if (index >= held) throw new RangeError(`held-out problem ${index}: there are ${held}, from 0 to ${held - 1}`);
    return permuted(permuted(index, held, hashInts(key, seed)), size, key);
  }
  const free = size - held;
  const round = Math.floor(index / free);
  return permuted(held + permuted(index % free, free, hashInts(key, seed, round)), size, key);
}
