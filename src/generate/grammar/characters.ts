/** Sets of Unicode characters as automata over their UTF-8 bytes. */
import { byteRange, choice, type Fragment, sequence } from "./automaton.js";

/** Code points, both ends included. Surrogates are no characters and are left out. */
export type CodePointRange = readonly [low: number, high: number];

export const allCharacters: readonly CodePointRange[] = [[0, 0x10ffff]];

/** One character of the ranges. @throws RangeError for an empty set */
export function characters(ranges: readonly CodePointRange[]): Fragment {
  const parts = ranges.flatMap(([low, high]) =>
    intersect([low, high], encodable).flatMap(([from, to]) => utf8Sequences(from, to)),
  );
  if (parts.length === 0) throw new RangeError("the grammar has a set without characters");
  return choice(...parts);
}

/** Everything but the ranges. */
export function complement(ranges: readonly CodePointRange[]): CodePointRange[] {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const result: CodePointRange[] = [];
  let next = 0;
  for (const [low, high] of sorted) {
    if (low > next) result.push([next, low - 1]);
    next = Math.max(next, high + 1);
  }
  if (next <= 0x10ffff) result.push([next, 0x10ffff]);
  return result;
}

/** What two sets share. */
export function common(a: readonly CodePointRange[], b: readonly CodePointRange[]): CodePointRange[] {
  return a.flatMap((range) => intersect(range, b));
}

/** Ranges within which all characters have the same number of bytes. */
const encodable: readonly CodePointRange[] = [
  [0, 0x7f],
  [0x80, 0x7ff],
  [0x800, 0xd7ff],
  [0xe000, 0xffff],
  [0x10000, 0x10ffff],
];

function intersect([low, high]: CodePointRange, ranges: readonly CodePointRange[]): CodePointRange[] {
  return ranges.flatMap(([from, to]) =>
    Math.max(low, from) <= Math.min(high, to) ? [[Math.max(low, from), Math.min(high, to)] as const] : [],
  );
}

/** A range of equally long characters as products of byte ranges: split where a trailing byte does not run through all of its values. */
function utf8Sequences(low: number, high: number): Fragment[] {
  const from = encode(low);
  const to = encode(high);
  for (let trailing = 1; trailing < from.length; trailing++) {
    const block = 1 << (6 * trailing);
    if (Math.floor(low / block) === Math.floor(high / block)) continue;
    if (low % block !== 0) {
      const end = (Math.floor(low / block) + 1) * block;
      return [...utf8Sequences(low, end - 1), ...utf8Sequences(end, high)];
    }
    if (high % block !== block - 1) {
      const begin = Math.floor(high / block) * block;
      return [...utf8Sequences(low, begin - 1), ...utf8Sequences(begin, high)];
    }
  }
  return [sequence(...from.map((byte, i) => byteRange(byte, to[i] ?? byte)))];
}

function encode(codePoint: number): number[] {
  return Array.from(new TextEncoder().encode(String.fromCodePoint(codePoint)));
}
