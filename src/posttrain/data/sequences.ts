/**
 * Sequences with targets, as training takes them, and what happens to those that are longer than the limit: the left is kept and the right falls
 * off, or the whole goes. post-training.md 3.4.
 */
import type { MaskedIds } from "./render.js";

/** Tokens of one record, which see each other and no others. */
export interface SupervisedSequence {
  readonly ids: Int32Array;
  /** [ids] 1: token i is a target, predicted from those before it. */
  readonly isTarget: Uint8Array;
  /** Index of the record among those that were read. */
  readonly record: number;
}

export type Overlong = "truncate" | "drop";

/** What became of a sequence at the limit; `lost targets`: none was left on the left side, so it is dropped. */
export type Fitting = "whole" | "truncated" | "overlong" | "lost targets";

/** @returns the sequence, a copy of its left side, or null where it is dropped */
export function fitSequence<Sequence extends MaskedIds>(
  sequence: Sequence,
  maxLength: number,
  overlong: Overlong,
): { readonly fitting: Fitting; readonly sequence: Sequence | null } {
  if (!Number.isInteger(maxLength) || maxLength < 2) {
    throw new RangeError(`longest sequence: expected 2 tokens or more, got ${maxLength}`);
  }
  if (sequence.ids.length <= maxLength) return { fitting: "whole", sequence };
  if (overlong === "drop") return { fitting: "overlong", sequence: null };
  const isTarget = sequence.isTarget.slice(0, maxLength);
  if (!isTarget.includes(1)) return { fitting: "lost targets", sequence: null };
  return { fitting: "truncated", sequence: { ...sequence, ids: sequence.ids.slice(0, maxLength), isTarget } };
}

export function countTargets({ isTarget }: Pick<MaskedIds, "isTarget">): number {
  let count = 0;
  for (const each of isTarget) count += each;
  return count;
}
