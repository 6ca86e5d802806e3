import fc from "fast-check";
import { expect, test } from "vitest";
import { type Packing, packDocuments } from "./packing.js";

/** Positions of documents with these lengths. */
function startsOf(lengths: readonly number[]): Float64Array {
  const starts = new Float64Array(lengths.length + 1);
  lengths.forEach((length, i) => {
    starts[i + 1] = starts[i]! + length;
  });
  return starts;
}

function rowsOf(packing: Packing): [number, number][][] {
  return Array.from({ length: packing.numRows }, (_, r) => {
    const runs: [number, number][] = [];
    for (let i = packing.rowRuns[r]!; i < packing.rowRuns[r + 1]!; i++) {
      runs.push([packing.starts[i]!, packing.lengths[i]!]);
    }
    return runs;
  });
}

test("packDocuments puts lengths 6 2, 5 3 and 4 1 together and fills the last row from the start", () => {
  // Best fit decreasing of [5, 3, 4, 2, 6, 1] at capacity 8 is (6, 2), (5, 3), (4, 1): 21 of 24.
  const packing = packDocuments(startsOf([5, 3, 4, 2, 6, 1]), 8);
  expect(rowsOf(packing)).toEqual([
    [
      [14, 6],
      [12, 2],
    ],
    [
      [0, 5],
      [5, 3],
    ],
    [
      [8, 4],
      [20, 1],
      [0, 3],
    ],
  ]);
  expect(packing.repeatedTokens).toBe(3);
  expect(packing.cutPieces).toBe(0);
});

test("packDocuments cuts a long document into whole rows and completes a gap with the end of another piece", () => {
  // 10 at width 4: rows of 4 and 4, rest 2; the rests 2 and 3 do not share a row, so the gap of 1 takes the end of the 2.
  const packing = packDocuments(startsOf([10, 3]), 4);
  expect(rowsOf(packing)).toEqual([
    [[0, 4]],
    [[4, 4]],
    [
      [10, 3],
      [9, 1],
    ],
    [
      [8, 1],
      [0, 3],
    ],
  ]);
  expect(packing.cutPieces).toBe(1);
});

test("packDocuments repeats tokens as often as it takes to fill one row", () => {
  expect(rowsOf(packDocuments(startsOf([3]), 8))).toEqual([
    [
      [0, 3],
      [0, 3],
      [0, 2],
    ],
  ]);
});

test("packDocuments refuses empty data and rows of one token", () => {
  expect(() => packDocuments(startsOf([]), 8)).toThrow("the data is empty");
  expect(() => packDocuments(startsOf([0, 0]), 8)).toThrow("the data is empty");
  expect(() => packDocuments(startsOf([5]), 1)).toThrow("got 1");
});

test("every token is in exactly one row and every row is full, whatever the lengths", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40), { maxLength: 60 }), fc.integer({ min: 2, max: 17 }), (lengths, width) => {
      const starts = startsOf(lengths);
      const numTokens = starts.at(-1)!;
      fc.pre(numTokens > 0);
      const packing = packDocuments(starts, width);
      const seen = new Uint8Array(numTokens);
      const flat: number[] = [];
      for (const row of rowsOf(packing)) {
        const tokens = row.flatMap(([start, length]) => Array.from({ length }, (_, i) => start + i));
        expect(tokens.length).toBe(width);
        flat.push(...tokens);
      }
      for (const token of flat.slice(0, flat.length - packing.repeatedTokens)) seen[token]!++;
      expect(seen.every((count) => count === 1)).toBe(true);
      expect(packing.numRows).toBe(Math.ceil(numTokens / width));
    }),
  );
});

test("where best fit leaves no gaps the rows are those of a naive best fit", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 50 }), (lengths) => {
      const width = 12;
      const packing = packDocuments(startsOf(lengths), width);
      // Naive twin: scan all rows for the fullest that fits.
      const fills: number[] = [];
      for (const length of [...lengths].sort((a, b) => b - a)) {
        let best = -1;
        fills.forEach((fill, row) => {
          if (fill + length <= width && (best < 0 || fill > fills[best]!)) best = row;
        });
        if (best < 0) fills.push(length);
        else fills[best]! += length;
      }
      const full = fills.filter((fill) => fill === width).length;
      const gaps = fills.length - full;
      // Rows that best fit filled come first and hold whole documents only.
      const starts = startsOf(lengths);
      const isWhole = ([start, length]: [number, number]): boolean =>
        starts.indexOf(start) >= 0 && starts.subarray(1).includes(start + length);
      const rows = rowsOf(packing);
      expect(rows.slice(0, full).every((row) => row.every(isWhole))).toBe(true);
      if (gaps <= 1) expect(packing.cutPieces).toBe(0);
      expect(packing.cutPieces).toBeLessThanOrEqual(gaps);
    }),
  );
});
