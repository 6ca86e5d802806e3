/**
 * Random numbers by counter: every value is a hash of a seed and of what it is for (stream, document, epoch, ...), so nothing has to be
 * remembered between draws and a resumed run draws what an uninterrupted one would. Also a permutation of [0, n) that is computed entry by
 * entry and never stored: a Feistel network over the next power of four, walked until the value falls below n (Black and Rogaway 2002).
 */

/** What a draw is for; keeps the streams of one seed apart. */
export const stream = {
  fim: 1,
  punctuation: 2,
  rows: 3,
  split: 4,
  corpus: 5,
  dropout: 6,
  chat: 7,
  prompts: 10,
  rollouts: 11,
  updates: 12,
  shots: 20,
  bootstrap: 21,
  sampling: 22,
  gaps: 23,
} as const;

/** 32 well-mixed bits of some integers (each below 2^53). */
export function hashInts(...keys: readonly number[]): number {
  let h = 0x9e3779b9;
  for (const key of keys) {
    h = mix(h ^ (key >>> 0)) + 0x9e3779b9;
    h = mix(h ^ (Math.floor(key / 2 ** 32) >>> 0)) + 0x85ebca6b;
  }
  return mix(h) >>> 0;
}

/** Uniform in [0, 1) with 53 bits. */
export function uniform(...keys: readonly number[]): number {
  return ((hashInts(...keys, 0) >>> 5) * 2 ** 26 + (hashInts(...keys, 1) >>> 6)) / 2 ** 53;
}

/** Position `index` of the permutation of [0, size) that `key` names. @param key 32 bits */
export function permuted(index: number, size: number, key: number): number {
  if (!(index >= 0 && index < size)) throw new RangeError(`permuted: index ${index} is outside [0, ${size})`);
  let half = 1;
  while (4 ** half < size) half++;
  const width = 2 ** half;
  let value = index;
  do {
    let left = Math.floor(value / width);
    let right = value % width;
    for (let round = 0; round < 6; round++) {
      const next = left ^ (hashInts(key, round, right) & (width - 1));
      left = right;
      right = next;
    }
    value = left * width + right;
  } while (value >= size);
  return value;
}

/** The finaliser of MurmurHash3. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
