import fc from "fast-check";
import { expect, test } from "vitest";
import { bestFitDecreasing } from "./bestFit.js";

test("lengths 5 3 4 2 6 1 at capacity 8 become rows 6 2, 5 3 and 4 1", () => {
  const lengths = Int32Array.of(5, 3, 4, 2, 6, 1);
  const rows = bestFitDecreasing(lengths, 8);
  expect(rows.map((row) => row.map((piece) => lengths[piece]))).toEqual([
    [6, 2],
    [5, 3],
    [4, 1],
  ]);
  expect(rows).toEqual([
    [4, 3],
    [0, 1],
    [2, 5],
  ]);
});

/** The definition, row by row: no buckets, no tree. */
function naiveSizes(lengths: readonly number[], width: number): number[] {
  const sizes: number[] = [];
  for (const length of [...lengths].sort((a, b) => b - a)) {
    let best = -1;
    sizes.forEach((size, row) => {
      if (size + length <= width && (best < 0 || size > sizes[best]!)) best = row;
    });
    if (best < 0) sizes.push(length);
    else sizes[best]! += length;
  }
  return sizes;
}

test("rows are as full as those of the naive search, hold every piece once and overflow nowhere", () => {
  const cases = fc
    .integer({ min: 1, max: 40 })
    .chain((width) => fc.tuple(fc.constant(width), fc.array(fc.integer({ min: 1, max: width }), { maxLength: 60 })));
  fc.assert(
    fc.property(cases, ([width, lengths]) => {
      const rows = bestFitDecreasing(Int32Array.from(lengths), width);
      expect(rows.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
      const sizes = rows.map((row) => row.reduce((sum, piece) => sum + lengths[piece]!, 0));
      expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(width);
      const descending = (values: number[]): number[] => values.sort((a, b) => b - a);
      expect(descending(sizes)).toEqual(descending(naiveSizes(lengths, width)));
    }),
  );
});

test("a piece that is empty or longer than a row is refused", () => {
  expect(() => bestFitDecreasing(Int32Array.of(3, 9), 8)).toThrow("piece 1 has length 9, expected 1 to 8");
  expect(() => bestFitDecreasing(Int32Array.of(0), 8)).toThrow("piece 0 has length 0, expected 1 to 8");
  expect(() => bestFitDecreasing(Int32Array.of(1), 0)).toThrow("a row's width must be 1 or more, got 0");
});
