import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { expectClose, f32, i32, noise, onEveryIsa, stored } from "./memory.js";
import { centralDifferences, dot, expectSameBits } from "./oracle.js";

const types: readonly DtypeCode[] = [0, 1];
const shapes = [
  [1, 1, 1, 1],
  [5, 2, 7, 4],
  [9, 3, 33, 5],
  [20, 8, 130, 16],
] as const;

/** `rows` rows of k different experts of e each; with `gaps`, some slots are -1. */
function choices(rows: number, k: number, e: number, gaps = false): Int32Array {
  const pick = noise(31, rows);
  return Int32Array.from({ length: rows * k }, (_, s) => {
    const row = Math.floor(s / k);
    if (gaps && s % 5 === 2) return -1;
    return (Math.floor((pick[row]! + 1) * 1000) + (s % k)) % e;
  });
}

/** The slots in the order of (expert, slot), those without an expert left out. */
function naiveOrder(experts: Int32Array): number[] {
  return Array.from(experts, (_, s) => s)
    .filter((s) => experts[s]! >= 0)
    .sort((a, b) => experts[a]! - experts[b]! || a - b);
}

function sorted(experts: Int32Array, rows: number, k: number, e: number) {
  const offsets = i32(e + 1);
  const rowSlot = i32(rows * k);
  const slotRow = i32(rows * k);
  native().moeSort(offsets.address, rowSlot.address, slotRow.address, i32(experts).address, rows, k, e);
  return { offsets, rowSlot, slotRow, count: offsets.values[e]! };
}

describe("moeSort", () => {
  test("sorts by expert, keeping the order of the slots, and leaves -1 out", () => {
    onEveryIsa(() => {
      const sort = sorted(Int32Array.of(2, 0, 0, -1, 2, 3, -1, 0), 4, 2, 5);
      expect([...sort.offsets.values]).toEqual([0, 3, 3, 5, 6, 6]);
      expect([...sort.rowSlot.values.subarray(0, 6)]).toEqual([1, 2, 7, 0, 4, 5]);
      expect([...sort.slotRow.values]).toEqual([3, 0, 1, -1, 4, 5, -1, 2]);
    });
  });

  test.each([false, true])("equals sorting by (expert, slot), gaps %s", (gaps) => {
    onEveryIsa(() => {
      for (const [rows, k, , e] of shapes) {
        const experts = choices(rows, k, e, gaps);
        const order = naiveOrder(experts);
        const sort = sorted(experts, rows, k, e);
        expect(sort.count).toBe(order.length);
        expect([...sort.rowSlot.values.subarray(0, sort.count)]).toEqual(order);
        expect([...sort.slotRow.values]).toEqual(Array.from(experts, (_, s) => order.indexOf(s)));
        for (let i = 0; i < e; i++)
          expect(sort.offsets.values[i + 1]! - sort.offsets.values[i]!).toBe(experts.filter((x) => x === i).length);
      }
    });
  });

  test("no rows give offsets of zero", () => {
    onEveryIsa(() => {
      const offsets = i32([9, 9, 9]);
      native().moeSort(offsets.address, null, null, null, 0, 4, 2);
      expect([...offsets.values]).toEqual([0, 0, 0]);
    });
  });
});

/** y[t] = shared[t] + sum of weights * x[slot_row]. */
function naiveCombine(
  x: ArrayLike<number>,
  weights: ArrayLike<number>,
  shared: ArrayLike<number> | null,
  slotRow: ArrayLike<number>,
  rows: number,
  k: number,
  dim: number,
): Float64Array {
  return Float64Array.from({ length: rows * dim }, (_, n) => {
    const [t, i] = [Math.floor(n / dim), n % dim];
    let total = shared ? shared[n]! : 0;
    for (let s = t * k; s < (t + 1) * k; s++) if (slotRow[s]! >= 0) total += weights[s]! * x[slotRow[s]! * dim + i]!;
    return total;
  });
}

describe.each(types)("rows in expert order, storage type %i", (type) => {
  const rounding = type === 0 ? 1e-6 : 2 ** -8;

  test.each(shapes)(
    "permuteForward copies and permuteBackward sums, %i rows, top %i, width %i, %i experts",
    (...shape) => {
      const [rows, k, dim, e] = shape;
      for (const gaps of [false, true]) {
        const experts = choices(rows, k, e, gaps);
        const order = naiveOrder(experts);
        const { rowSlot, slotRow, count } = sorted(experts, rows, k, e);
        const x = stored(noise(32, rows * dim), type);
        const dy = stored(noise(33, rows * k * dim), type);
        const dx = Float64Array.from({ length: rows * dim }, () => 0);
        for (const [r, slot] of order.entries())
          for (let i = 0; i < dim; i++) dx[Math.floor(slot / k) * dim + i]! += dy.rounded[r * dim + i]!;
        onEveryIsa((isa) => {
          const y = stored(count * dim, type);
          native().permuteForward(y.address, x.address, rowSlot.address, count, k, dim, type);
          const rowsOf = order.flatMap((slot) => {
            const row = Math.floor(slot / k);
            return [...x.rounded.subarray(row * dim, (row + 1) * dim)];
          });
          expect([...y.read()]).toEqual(rowsOf);
          const start = 0.25;
          const back = stored(new Float32Array(rows * dim).fill(start), type);
          native().permuteBackward(back.address, dy.address, slotRow.address, rows, k, dim, 1, type);
          const added = dx.map((d) => d + start);
          expectClose(back.read(), added, rounding, rounding, `accumulated ${isa}`);
          native().permuteBackward(back.address, dy.address, slotRow.address, rows, k, dim, 0, type);
          expectClose(back.read(), dx, rounding, rounding, `overwritten ${isa}`);
        });
      }
    },
  );

  test.each(shapes)(
    "combine equals the naive sum and its differences, %i rows, top %i, width %i, %i experts",
    (...shape) => {
      const [rows, k, dim, e] = shape;
      for (const gaps of [false, true]) {
        const { slotRow, count } = sorted(choices(rows, k, e, gaps), rows, k, e);
        const x = stored(noise(34, rows * k * dim), type);
        const weights = f32(noise(35, rows * k));
        const shared = stored(noise(36, rows * dim), type);
        const dy = stored(noise(37, rows * dim), type);
        const [w, s] = [weights.values, slotRow.values];
        const both = naiveCombine(x.rounded, w, shared.rounded, s, rows, k, dim);
        const alone = naiveCombine(x.rounded, w, null, s, rows, k, dim);
        const loss = (at: ArrayLike<number>, by: ArrayLike<number>): number =>
          dot(naiveCombine(at, by, null, s, rows, k, dim), dy.rounded);
        const dweights = centralDifferences((v) => loss(x.rounded, v), w);
        // The loss is linear in x: the differences of one column stand for those of all.
        const column = dim >> 1;
        const xs = Float64Array.from(x.rounded);
        const dx = Float64Array.from({ length: count }, (_, r) => {
          const kept = xs[r * dim + column]!;
          xs[r * dim + column] = kept + 0.5;
          const above = loss(xs, w);
          xs[r * dim + column] = kept - 0.5;
          const below = loss(xs, w);
          xs[r * dim + column] = kept;
          return above - below;
        });
        onEveryIsa((isa) => {
          const y = stored(rows * dim, type);
          const run = (sharedAt: number | null): Float32Array => {
            native().combineForward(
              y.address,
              x.address,
              weights.address,
              slotRow.address,
              sharedAt,
              rows,
              k,
              dim,
              type,
            );
            return y.read();
          };
          expectClose(run(shared.address), both, rounding, rounding, `with shared ${isa}`);
          expectClose(run(null), alone, rounding, rounding, `without shared ${isa}`);
          const back = stored(count * dim, type);
          const dw = f32(noise(1, rows * k));
          native().combineBackward(
            back.address,
            dw.address,
            dy.address,
            x.address,
            weights.address,
            slotRow.address,
            rows,
            k,
            dim,
            type,
          );
          expectClose(dw.values, dweights, 1e-5, 1e-5, `dweights ${isa}`);
          const values = back.read();
          const got = Float32Array.from({ length: count }, (_, r) => values[r * dim + column]!);
          expectClose(got, dx, rounding, rounding, `dx ${isa}`);
        });
      }
    },
  );

  test("threads and other rows do not change a bit", () => {
    const [rows, k, dim, e] = [301, 3, 65, 7];
    const experts = choices(rows, k, e, true);
    const x = stored(noise(38, rows * dim), type);
    const expertRows = stored(noise(39, rows * k * dim), type);
    const weights = f32(noise(40, rows * k));
    onEveryIsa(() => {
      const y = stored(rows * k * dim, type);
      const [back, combined, dx] = [stored(rows * dim, type), stored(rows * dim, type), stored(rows * k * dim, type)];
      const dw = f32(rows * k);
      const { rowSlot, slotRow, count } = sorted(experts, rows, k, e);
      const combine = (to: number, first: number, many: number): void =>
        native().combineForward(
          to,
          expertRows.address,
          weights.address + first * k * 4,
          slotRow.address + first * k * 4,
          null,
          many,
          k,
          dim,
          type,
        );
      expectSameBits(() => {
        native().permuteForward(y.address, x.address, rowSlot.address, count, k, dim, type);
        native().permuteBackward(back.address, y.address, slotRow.address, rows, k, dim, 0, type);
        combine(combined.address, 0, rows);
        native().combineBackward(
          dx.address,
          dw.address,
          x.address,
          expertRows.address,
          weights.address,
          slotRow.address,
          rows,
          k,
          dim,
          type,
        );
        return [y.read(), back.read(), combined.read(), dx.read(), dw.values.slice()];
      });
      const alone = stored(dim, type);
      for (const row of [0, 150, 300]) {
        combine(alone.address, row, 1);
        expect([...alone.read()]).toEqual([...combined.read().subarray(row * dim, (row + 1) * dim)]);
      }
    });
  });

  test("no rows and no columns are fine", () => {
    native().permuteForward(null, null, null, 0, 3, 8, type);
    native().permuteBackward(null, null, null, 0, 3, 8, 0, type);
    native().combineForward(null, null, null, null, null, 0, 3, 8, type);
    native().combineBackward(null, null, null, null, null, null, 0, 3, 8, type);
  });
});
