/**
 * Which documents are held out for validation. Documents that belong together (an npm package, a repository folder; else a document by
 * itself) go to the same side, else near-copies would leak. Groups are taken in the order of a hash, which neither depends on how the
 * data is listed nor changes when more is added, until the wanted share is reached; a group too large for what is left is passed over.
 */
import { createHash } from "node:crypto";

export interface SplitGroup {
  /** Identity: the group's name, or a document's content hash. */
  readonly key: string;
  readonly bytes: number;
}

export interface SplitOptions {
  readonly seed: number;
  /** Share of the bytes to hold out, 0 to below 1. */
  readonly fraction: number;
  /** Most bytes to hold out. */
  readonly maxBytes: number;
}

/**
 * @returns indices of the groups held out; never all of them, and at least one where the fraction is positive and there are two
 * @throws RangeError for a fraction outside [0, 1)
 */
export function heldOutGroups(groups: readonly SplitGroup[], options: SplitOptions): Set<number> {
  const { seed, fraction, maxBytes } = options;
  if (!(fraction >= 0 && fraction < 1)) throw new RangeError(`validation share must be in [0, 1), got ${fraction}`);
  if (!(maxBytes >= 0)) throw new RangeError(`validation bytes must be 0 or more, got ${maxBytes}`);
  const taken = new Set<number>();
  const total = groups.reduce((sum, { bytes }) => sum + bytes, 0);
  const limit = Math.min(fraction * total, maxBytes);
  if (limit === 0 || groups.length < 2) return taken;
  const order = groups
    .map(({ key, bytes }, index) => ({ index, bytes, hash: splitHash(key, seed) }))
    .sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : a.index - b.index));
  let held = 0;
  for (const { index, bytes } of order) {
    if (held + bytes > limit) continue;
    taken.add(index);
    held += bytes;
  }
  if (taken.size === 0) {
    const smallest = order.reduce((best, group) => (group.bytes < best.bytes ? group : best));
    taken.add(smallest.index);
  }
  return taken;
}

function splitHash(key: string, seed: number): string {
  return createHash("sha256").update(`${seed}\n${key}`).digest("hex");
}
