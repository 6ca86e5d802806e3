import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { bf16Bits, bf16Value, expectClose, f32, i32, noise, onEveryIsa, stored } from "./memory.js";
import { centralDifferences, dot, expectSameBits } from "./oracle.js";

const types: readonly DtypeCode[] = [0, 1];
const pairs = types.flatMap((type) => types.map((table) => [type, table] as const));
const shapes = [
  [1, 1, 1],
  [7, 5, 3],
  [40, 33, 11],
  [9, 200, 5],
] as const;

/** Ids that repeat, with some below zero and some past the end. */
const idsOf = (rows: number, vocab: number): number[] =>
  Array.from({ length: rows }, (_, r) =>
    r % 7 === 3 ? -1 : r % 7 === 5 ? vocab + (r % 2) * 1_000_000_000 : (r * r) % vocab,
  );

const isInside = (id: number, vocab: number): boolean => id >= 0 && id < vocab;

describe.each(pairs)("embeddingForward to storage type %i from a table of type %i", (type, tableType) => {
  test.each(shapes)("copies the rows of the ids, zeros for ids outside, %i rows of %i, %i ids", (rows, dim, vocab) => {
    const table = stored(noise(41, vocab * dim, 3), tableType);
    const ids = idsOf(rows, vocab);
    const keep = (x: number): number => (type === 0 ? x : bf16Value(bf16Bits(x)));
    const expected = ids.flatMap((id) =>
      Array.from({ length: dim }, (_, i) => (isInside(id, vocab) ? keep(table.rounded[id * dim + i]!) : 0)),
    );
    onEveryIsa(() => {
      const y = stored(noise(42, rows * dim), type);
      native().embeddingForward(y.address, table.address, i32(ids).address, rows, dim, vocab, type, tableType);
      expect([...y.read()]).toEqual(expected);
    });
  });
});

describe.each(types)("embeddingBackward with storage type %i", (type) => {
  test.each(shapes)("adds the central differences of the lookup, %i rows of %i, %i ids", (rows, dim, vocab) => {
    const ids = idsOf(rows, vocab);
    const dy = stored(noise(43, rows * dim), type);
    const lookUp = (table: ArrayLike<number>): Float64Array =>
      Float64Array.from({ length: rows * dim }, (_, n) => {
        const id = ids[Math.floor(n / dim)]!;
        return isInside(id, vocab) ? table[id * dim + (n % dim)]! : 0;
      });
    // The lookup is linear: any point and step will do.
    const gradient = centralDifferences((t) => dot(lookUp(t), dy.rounded), new Float64Array(vocab * dim), 0.5);
    onEveryIsa((isa) => {
      const dtable = f32(new Float32Array(vocab * dim).fill(2));
      native().embeddingBackward(dtable.address, dy.address, i32(ids).address, rows, dim, vocab, type);
      const added = gradient.map((g) => g + 2);
      expectClose(dtable.values, added, 3e-6, 1e-6, isa);
    });
  });

  test("rows of one id add up in the order of the rows: big, small, minus big", () => {
    onEveryIsa(() => {
      const dtable = f32(2);
      const dy = stored([2 ** 30, 1, -(2 ** 30), 1], type);
      native().embeddingBackward(dtable.address, dy.address, i32([1, 1, 1, 1]).address, 4, 1, 2, type);
      expect([...dtable.values]).toEqual([0, 1]);
    });
  });

  test("threads do not change a bit", () => {
    const [rows, dim, vocab] = [600, 150, 30];
    const ids = i32(idsOf(rows, vocab));
    const table = stored(noise(44, vocab * dim), type);
    const dy = stored(noise(45, rows * dim), type);
    onEveryIsa(() => {
      expectSameBits(() => {
        const y = stored(rows * dim, type);
        const dtable = f32(vocab * dim);
        native().embeddingForward(y.address, table.address, ids.address, rows, dim, vocab, type, type);
        native().embeddingBackward(dtable.address, dy.address, ids.address, rows, dim, vocab, type);
        return [y.read(), dtable.values];
      });
    });
  });

  test("no rows are fine", () => {
    native().embeddingForward(null, null, null, 0, 4, 4, type, type);
    native().embeddingBackward(null, null, null, 0, 4, 4, type);
  });
});
