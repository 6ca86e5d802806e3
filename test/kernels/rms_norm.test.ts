import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { expectClose, f32, noise, onEveryIsa, stored } from "./memory.js";
import { centralDifferences, dot, expectSameBits } from "./oracle.js";

const types: readonly DtypeCode[] = [0, 1];
const shapes = [
  [1, 1, 1],
  [3, 7, 9],
  [5, 33, 33],
  [2, 515, 600],
  [70, 64, 64],
] as const;
const eps = 1e-5;

/** y and rstd in double arithmetic; x has a row stride. */
function naive(x: ArrayLike<number>, weight: ArrayLike<number>, rows: number, dim: number, stride: number) {
  const y = new Float64Array(rows * dim);
  const rstd = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let squares = 0;
    for (let i = 0; i < dim; i++) squares += x[r * stride + i]! ** 2;
    rstd[r] = 1 / Math.sqrt(squares / dim + eps);
    for (let i = 0; i < dim; i++) y[r * dim + i] = x[r * stride + i]! * rstd[r]! * weight[i]!;
  }
  return { y, rstd };
}

test("rmsNormForward gives the worked example of [1, 2, 3, 4]", () => {
  const x = f32([1, 2, 3, 4]);
  const weight = f32([1, 1, 1, 1]);
  const y = f32(4);
  onEveryIsa((isa) => {
    native().rmsNormForward(y.address, null, x.address, weight.address, 1, 4, 4, 1e-6, 0);
    expectClose(y.values, [0.36514835, 0.73029669, 1.09544504, 1.46059339], 2e-8, 2e-7, isa);
  });
});

describe.each(types)("rmsNorm with storage type %i", (type) => {
  const rounding = type === 0 ? 2e-6 : 2 ** -8; // f32 sums of up to 515 terms; bf16 rounds to 8 bits

  test.each(shapes)("forward equals the naive norm, %i rows of %i at stride %i", (rows, dim, stride) => {
    const x = stored(noise(1, rows * stride, 3), type);
    const weight = f32(noise(2, dim).map((w) => w + 1.5));
    const expected = naive(x.rounded, weight.values, rows, dim, stride);
    onEveryIsa((isa) => {
      const y = stored(rows * dim, type);
      const rstd = f32(rows);
      native().rmsNormForward(y.address, rstd.address, x.address, weight.address, rows, dim, stride, eps, type);
      expectClose(y.read(), expected.y, 1e-7, rounding, `y ${isa}`);
      expectClose(rstd.values, expected.rstd, 0, 2e-6, `rstd ${isa}`);
    });
  });

  test.each(shapes)("backward equals central differences, %i rows of %i at stride %i", (rows, dim, stride) => {
    const x = stored(noise(3, rows * stride, 2), type);
    const weight = f32(noise(4, dim).map((w) => w + 1.5));
    const dy = stored(noise(5, rows * dim), type);
    const { rstd } = naive(x.rounded, weight.values, rows, dim, stride);
    const kept = f32(rstd);
    // A row's loss depends on that row alone: differences per row keep the test fast.
    const dxExpected = new Float64Array(rows * stride).fill(0.5); // accumulated onto; the gap between rows stays
    for (let r = 0; r < rows; r++) {
      const row = x.rounded.subarray(r * stride, r * stride + dim);
      const dyRow = dy.rounded.subarray(r * dim, (r + 1) * dim);
      const gradient = centralDifferences((v) => dot(naive(v, weight.values, 1, dim, dim).y, dyRow), row);
      for (const [i, g] of gradient.entries()) dxExpected[r * stride + i]! += g;
    }
    // y is linear in the weight.
    const dweightExpected = new Float64Array(dim).fill(-1);
    for (let r = 0; r < rows; r++)
      for (let i = 0; i < dim; i++)
        dweightExpected[i]! += dy.rounded[r * dim + i]! * x.rounded[r * stride + i]! * rstd[r]!;
    onEveryIsa((isa) => {
      const dx = stored(new Float32Array(rows * stride).fill(0.5), type);
      const dweight = f32(new Float32Array(dim).fill(-1));
      const run = (accumulate: 0 | 1): void =>
        native().rmsNormBackward(
          dx.address,
          dweight.address,
          dy.address,
          x.address,
          weight.address,
          kept.address,
          rows,
          dim,
          stride,
          accumulate,
          type,
        );
      run(1);
      const scale = type === 0 ? 2e-6 : 2 ** -7;
      expectClose(dx.read(), dxExpected, scale, scale, `dx ${isa}`);
      expectClose(dweight.values, dweightExpected, 1e-5, 1e-5, `dweight ${isa}`);
      run(0);
      const overwritten = dx.read();
      for (let r = 0; r < rows; r++)
        expectClose(
          overwritten.subarray(r * stride, r * stride + dim),
          dxExpected.subarray(r * stride, r * stride + dim).map((d) => d - 0.5),
          scale,
          scale,
          `overwritten dx ${isa}`,
        );
    });
  });

  test("a row alone equals the row in a batch, and threads do not change a bit", () => {
    const [rows, dim] = [300, 193];
    const x = stored(noise(6, rows * dim), type);
    const dy = stored(noise(7, rows * dim), type);
    const weight = f32(noise(8, dim));
    onEveryIsa(() => {
      const y = stored(rows * dim, type);
      const rstd = f32(rows);
      const dx = stored(rows * dim, type);
      expectSameBits(() => {
        const dweight = f32(dim);
        native().rmsNormForward(y.address, rstd.address, x.address, weight.address, rows, dim, dim, eps, type);
        native().rmsNormBackward(
          dx.address,
          dweight.address,
          dy.address,
          x.address,
          weight.address,
          rstd.address,
          rows,
          dim,
          dim,
          0,
          type,
        );
        return [y.read(), rstd.values.slice(), dx.read(), dweight.values.slice()];
      });
      const bytes = type === 0 ? 4 : 2;
      const alone = stored(dim, type);
      for (const row of [0, 17, 299]) {
        native().rmsNormForward(
          alone.address,
          null,
          x.address + row * dim * bytes,
          weight.address,
          1,
          dim,
          dim,
          eps,
          type,
        );
        expect([...alone.read()]).toEqual([...y.read().subarray(row * dim, (row + 1) * dim)]);
      }
    });
  });

  test("no rows leave the weight gradient as it was", () => {
    const dweight = f32([3, 4]);
    const weight = f32([1, 1]);
    native().rmsNormForward(null, null, null, weight.address, 0, 2, 2, eps, type);
    native().rmsNormBackward(null, dweight.address, null, null, weight.address, null, 0, 2, 2, 0, type);
    expect([...dweight.values]).toEqual([3, 4]);
  });
});
