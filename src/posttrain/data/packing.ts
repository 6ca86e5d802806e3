/**
 * Which sequences share a micro-batch. They stay apart: a batch knows where each begins, attention ends there and positions start at 0
 * (model/batch.ts), so packing moves no token and pads none. post-training.md 3.5; 11.10 is the worked example.
 */
import { bestFitDecreasing } from "../../data/bestFit.js";
import type { PackingStrategy } from "./choices.js";
import type { SupervisedSequence } from "./sequences.js";

/**
 * @param capacity most tokens of a row
 * @returns rows in the order of packing, each with the indices of its sequences
 * @throws RangeError for a sequence longer than a row
 */
export function packRows(lengths: Int32Array, capacity: number, strategy: PackingStrategy): number[][] {
  lengths.forEach((length, i) => {
    if (length > capacity) {
      throw new RangeError(
        `packing: sequence ${i} has ${length} tokens, a micro-batch takes ${capacity}; limit the length of sequences, or split them (bfd_split)`,
      );
    }
  });
  return strategy === "none" ? Array.from(lengths, (_, i) => [i]) : bestFitDecreasing(lengths, capacity);
}

/**
 * Sequences longer than `capacity` in pieces of that length and a rest. A piece's first token is no target, for what it would be predicted from
 * is in the piece before; a piece without targets is left out.
 * @returns lostTargets: targets at which a piece begins
 */
export function splitSequences(
  sequences: readonly SupervisedSequence[],
  capacity: number,
): { readonly sequences: SupervisedSequence[]; readonly lostTargets: number } {
  let lostTargets = 0;
  const pieces = sequences.flatMap((sequence): SupervisedSequence[] => {
    const { ids, isTarget, record } = sequence;
    if (ids.length <= capacity) return [sequence];
    const parts: SupervisedSequence[] = [];
    for (let from = 0; from < ids.length; from += capacity) {
      const mask = isTarget.slice(from, from + capacity);
      lostTargets += from > 0 ? (mask[0] ?? 0) : 0;
      mask[0] = 0;
      if (mask.includes(1)) parts.push({ ids: ids.subarray(from, from + capacity), isTarget: mask, record });
    }
    return parts;
  });
  return { sequences: pieces, lostTargets };
}
