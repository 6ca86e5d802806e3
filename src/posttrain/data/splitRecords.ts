/**
 * Which records are held out for validation: by their prompt, never by row, so that two answers to one question are on the same side.
 * post-training.md 2.4.
 */
import { heldOutGroups } from "../../data/split.js";

export interface Split<T> {
  readonly training: readonly T[];
  readonly validation: readonly T[];
}

/**
 * @param fraction share to hold out, by `sizeOf`; 0 = nothing
 * @param keyOf identity of an item's prompt
 * @throws RangeError for a fraction outside [0, 1), or one that is positive where all items share a prompt
 */
export function splitByPrompt<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  sizeOf: (item: T) => number,
  options: { readonly fraction: number; readonly seed: number },
): Split<T> {
  const sizes = new Map<string, number>();
  for (const item of items) sizes.set(keyOf(item), (sizes.get(keyOf(item)) ?? 0) + sizeOf(item));
  if (options.fraction > 0 && sizes.size < 2) {
    throw new RangeError(
      `validation share ${options.fraction}: all ${items.length} records have the same prompt; expected two or more`,
    );
  }
  const groups = [...sizes].map(([key, bytes]) => ({ key, bytes }));
  const held = heldOutGroups(groups, { ...options, maxBytes: Number.MAX_SAFE_INTEGER });
  const keys = new Set([...held].map((index) => groups[index]?.key));
  return {
    training: items.filter((item) => !keys.has(keyOf(item))),
    validation: items.filter((item) => keys.has(keyOf(item))),
  };
}
