import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { expectClose, i32, noise, onEveryIsa, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

const types: readonly DtypeCode[] = [0, 1];
const triples = types.flatMap((y) => types.flatMap((x) => types.map((w) => [y, x, w] as const)));

/** x [rows, k] * w [n, k]^T in double arithmetic. */
function naive(x: ArrayLike<number>, w: ArrayLike<number>, rows: number, n: number, k: number): Float64Array {
  const y = new Float64Array(rows * n);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < n; j++) for (let p = 0; p < k; p++) y[i * n + j]! += x[i * k + p]! * w[j * k + p]!;
  return y;
}

describe.each(triples)("linearDecode with y, x, w stored as %i, %i, %i", (yType, xType, wType) => {
  test("equals the naive product at odd sizes and every number of rows that takes another path", () => {
    onEveryIsa((isa) => {
      for (const [n, k] of [
        [1, 1],
        [7, 33],
        [67, 95],
        [33, 128],
      ] as const)
        for (const rows of [1, 2, 3, 4, 7, 8, 17]) {
          const y = stored(rows * n, yType);
          const x = stored(noise(rows, rows * k), xType);
          const w = stored(noise(n, n * k), wType);
          native().linearDecode(y.address, x.address, w.address, rows, n, k, yType, xType, wType);
          const expected = naive(x.rounded, w.rounded, rows, n, k);
          expectClose(y.read(), expected, 1e-7 * (k + 4), yType ? 2 ** -8 : 1e-6, `${isa} ${rows} ${n} ${k}`);
        }
    });
  });

  test("gives a row alone the bits it has in a batch, and the same bits on 1, 2 and 3 threads", () => {
    const [rows, n, k] = [23, 70, 301];
    onEveryIsa(() => {
      const x = stored(noise(1, rows * k), xType);
      const w = stored(noise(2, n * k), wType);
      const batch = stored(rows * n, yType);
      expectSameBits(() => {
        native().linearDecode(batch.address, x.address, w.address, rows, n, k, yType, xType, wType);
        return [batch.read()];
      });
      for (let row = 0; row < rows; row++) {
        const alone = stored(n, yType);
        const at = x.address + row * k * (xType ? 2 : 4);
        native().linearDecode(alone.address, at, w.address, 1, n, k, yType, xType, wType);
        expect(alone.read()).toEqual(batch.read().subarray(row * n, (row + 1) * n));
      }
    });
  });

  test("groupedLinearDecode gives each expert's rows the bits that linearDecode gives them", () => {
    const offsets = [0, 1, 1, 6, 15];
    const [n, k, groups] = [41, 77, 4];
    onEveryIsa(() => {
      const x = stored(noise(1, 15 * k), xType);
      const w = stored(noise(2, groups * n * k), wType);
      const y = stored(15 * n, yType);
      const at = i32(offsets);
      native().groupedLinearDecode(y.address, x.address, w.address, at.address, groups, n, k, yType, xType, wType);
      for (let e = 0; e < groups; e++) {
        const [from, rows] = [offsets[e]!, offsets[e + 1]! - offsets[e]!];
        const alone = stored(rows * n, yType);
        const xAt = x.address + from * k * (xType ? 2 : 4);
        const wAt = w.address + e * n * k * (wType ? 2 : 4);
        native().linearDecode(alone.address, xAt, wAt, rows, n, k, yType, xType, wType);
        expect(alone.read()).toEqual(y.read().subarray(from * n, (from + rows) * n));
      }
    });
  });
});

test("linearDecode of nothing writes nothing, and an empty sum is zero", () => {
  onEveryIsa(() => {
    const y = stored([1, 1], 0);
    const x = stored(1, 0);
    native().linearDecode(y.address, x.address, x.address, 0, 2, 1, 0, 0, 0);
    native().linearDecode(y.address, x.address, x.address, 2, 0, 1, 0, 0, 0);
    expect([...y.read()]).toEqual([1, 1]);
    native().linearDecode(y.address, x.address, x.address, 1, 2, 0, 0, 0, 0);
    expect([...y.read()]).toEqual([0, 0]);
  });
});
