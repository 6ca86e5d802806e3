import fc from "fast-check";
import { expect, test } from "vitest";
import { packRows, splitSequences } from "./packing.js";
import type { SupervisedSequence } from "./sequences.js";

const sequence = (length: number, record = 0, targets = "1".repeat(length)): SupervisedSequence => ({
  ids: Int32Array.from({ length }, (_, i) => 100 * record + i),
  isTarget: Uint8Array.from(targets, Number).fill(0, 0, 1),
  record,
});

test("lengths 5 3 4 2 6 1 at capacity 8 fill 21 of 24 places in three rows", () => {
  const lengths = Int32Array.of(5, 3, 4, 2, 6, 1);
  const rows = packRows(lengths, 8, "bfd").map((row) => row.map((i) => lengths[i]));
  expect(rows).toEqual([
    [6, 2],
    [5, 3],
    [4, 1],
  ]);
  expect(packRows(lengths, 8, "none")).toEqual([[0], [1], [2], [3], [4], [5]]);
});

test("a sequence longer than a row is refused with what to do", () => {
  expect(() => packRows(Int32Array.of(3, 9), 8, "bfd")).toThrow(
    "packing: sequence 1 has 9 tokens, a micro-batch takes 8; limit the length of sequences, or split them (bfd_split)",
  );
});

test("splitting cuts at the capacity, and a piece's first token is no target", () => {
  const { sequences, lostTargets } = splitSequences([sequence(3, 1), sequence(10, 2, "0111011111")], 4);
  expect(sequences.map(({ ids, isTarget, record }) => [record, [...ids], [...isTarget]])).toEqual([
    [1, [100, 101, 102], [0, 1, 1]],
    [2, [200, 201, 202, 203], [0, 1, 1, 1]],
    [2, [204, 205, 206, 207], [0, 1, 1, 1]],
    [2, [208, 209], [0, 1]],
  ]);
  expect(lostTargets).toBe(1); // token 208; token 204 was none
});

test("a piece without targets is left out", () => {
  const { sequences, lostTargets } = splitSequences([sequence(9, 0, "000000001")], 4);
  expect(sequences).toEqual([]);
  expect(lostTargets).toBe(1);
  const [first, ...others] = splitSequences([sequence(9, 0, "000001000")], 4).sequences;
  expect([...(first?.ids ?? [])]).toEqual([4, 5, 6, 7]);
  expect(others).toEqual([]);
});

test("pieces of a sequence join to it where all are kept", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 2, max: 20 }), (length, capacity) => {
      const whole = sequence(length);
      const { sequences } = splitSequences([whole], capacity);
      const kept = sequences.flatMap(({ ids }) => [...ids]);
      // Only a last piece of one token has no target.
      const expected = length > capacity && length % capacity === 1 ? length - 1 : length;
      expect(kept).toEqual([...whole.ids.subarray(0, expected)]);
      expect(Math.max(...sequences.map(({ ids }) => ids.length))).toBeLessThanOrEqual(capacity);
    }),
  );
});
