import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { expectClose, f32, i32, noise, onEveryIsa, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

const types: readonly DtypeCode[] = [0, 1];

/** cos and sin tables [positions, frequencies] of theta^(-2i/dim). */
function tables(positions: number, dim: number, theta = 10000) {
  const angle = (p: number, i: number): number => p * theta ** ((-2 * i) / dim);
  const fill = (f: (x: number) => number) =>
    Float32Array.from({ length: (positions * dim) / 2 }, (_, n) => f(angle(Math.floor(n / (dim / 2)), n % (dim / 2))));
  return { cos: f32(fill(Math.cos)), sin: f32(fill(Math.sin)) };
}

test("rope rotates interleaved pairs: [1, 2, 3, 4] at position 3 with frequencies 1 and 0.01", () => {
  const cos = f32([1, 1, Math.cos(1), Math.cos(0.01), Math.cos(2), Math.cos(0.02), Math.cos(3), Math.cos(0.03)]);
  const sin = f32([0, 0, Math.sin(1), Math.sin(0.01), Math.sin(2), Math.sin(0.02), Math.sin(3), Math.sin(0.03)]);
  const position = i32([3]);
  onEveryIsa((isa) => {
    const x = f32([1, 2, 3, 4]);
    native().rope(x.address, cos.address, sin.address, position.address, 1, 1, 4, 4, 0, 4, 1, 0);
    expectClose(x.values, [-1.2722325127, -1.8388649851, 2.8786681004, 4.0881866356], 0, 2e-7, isa);
  });
});

test("the product of a rotated query and key depends on the distance of their positions alone", () => {
  const rotate = (vector: number[], position: number): Float32Array => {
    const x = f32(vector);
    const angles = [position, position * 0.01];
    native().rope(
      x.address,
      f32(angles.map(Math.cos)).address,
      f32(angles.map(Math.sin)).address,
      i32([0]).address,
      1,
      1,
      4,
      4,
      0,
      4,
      1,
      0,
    );
    return x.values;
  };
  const product = (a: Float32Array, b: Float32Array): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  const [q, x] = [
    [0.5, -1, 2, 0.25],
    [1, 2, 3, 4],
  ];
  onEveryIsa((isa) => {
    expectClose([product(rotate(q!, 5), rotate(x!, 3))], [9.5864054887], 0, 3e-7, isa);
    expectClose([product(rotate(q!, 2), rotate(x!, 0))], [9.5864054887], 0, 3e-7, isa);
  });
});

describe.each(types)("rope with storage type %i", (type) => {
  const rounding = type === 0 ? 1e-6 : 2 ** -8;
  test.each([
    [1, 1, 2, 0, 0],
    [5, 3, 6, 4, 1],
    [7, 2, 64, 32, 0],
    [3, 4, 34, 1, 5],
    [0, 2, 8, 0, 0],
  ])(
    "equals the naive rotation and its inverse undoes it: %i rows, %i heads, %i rotated values at %i, gap %i",
    (rows, heads, dim, offset, gap) => {
      const headStride = offset + dim;
      const rowStride = heads * headStride + gap;
      const { cos, sin } = tables(11, dim);
      const position = i32(Array.from({ length: rows }, (_, r) => (r * 7 + 3) % 11));
      const source = noise(9, rows * rowStride, 2);
      onEveryIsa((isa) => {
        const x = stored(source, type);
        const expected = Float64Array.from(x.rounded);
        for (let r = 0; r < rows; r++)
          for (let h = 0; h < heads; h++)
            for (let i = 0; i < dim / 2; i++) {
              const at = r * rowStride + h * headStride + offset + 2 * i;
              const angle = (position.values[r]! * dim) / 2 + i;
              const [a, b] = [x.rounded[at]!, x.rounded[at + 1]!];
              expected[at] = a * cos.values[angle]! - b * sin.values[angle]!;
              expected[at + 1] = a * sin.values[angle]! + b * cos.values[angle]!;
            }
        const run = (sign: number): void =>
          native().rope(
            x.address,
            cos.address,
            sin.address,
            position.address,
            rows,
            heads,
            rowStride,
            headStride,
            offset,
            dim,
            sign,
            type,
          );
        run(1);
        expectClose(x.read(), expected, rounding, rounding, isa);
        // The rotation is orthogonal, so its inverse is its backward.
        run(-1);
        expectClose(x.read(), x.rounded, 3 * rounding, rounding, `undone ${isa}`);
      });
    },
  );

  test("threads and other rows do not change a bit", () => {
    const [rows, heads, dim] = [500, 3, 40];
    const { cos, sin } = tables(rows, dim);
    const position = i32(Array.from({ length: rows }, (_, r) => r));
    const source = noise(10, rows * heads * dim);
    onEveryIsa(() => {
      const run = (first: number, count: number): Float32Array => {
        const x = stored(source.subarray(first * heads * dim, (first + count) * heads * dim), type);
        native().rope(
          x.address,
          cos.address,
          sin.address,
          position.address + first * 4,
          count,
          heads,
          heads * dim,
          dim,
          0,
          dim,
          1,
          type,
        );
        return x.read();
      };
      expectSameBits(() => [run(0, rows)]);
      expect([...run(123, 1)]).toEqual([...run(0, rows).subarray(123 * heads * dim, 124 * heads * dim)]);
    });
  });
});
