import { expect, test } from "vitest";
import { native } from "../../src/tensor/native.js";
import { decode, quantize, scaleOf, u8 } from "./fp8.js";
import { expectClose, f32, noise, onEveryIsa, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

/** gate_up, what the kernel keeps of it, and what that stands for. */
function kept(rows: number, width: number, type: 0 | 1) {
  const tiles = Math.ceil(width / 128);
  const x = stored(noise(width, rows * 2 * width, 4), type);
  const [h, hScales] = [u8(rows * width), f32(rows * tiles)];
  const [q, scales] = [u8(rows * 2 * width), f32(rows * 2 * tiles)];
  expectSameBits(() => {
    native().fp8SwigluForward(h.address, hScales.address, q.address, scales.address, x.address, rows, width, type);
    return [h.bytes.slice(), hScales.values.slice(), q.bytes.slice(), scales.values.slice()];
  });
  const values = Float64Array.from(q.bytes, (byte, i) => {
    const [half, column] = [Math.floor(i / width), i % width];
    return decode(byte, "e4m3") * scales.values[half * tiles + Math.floor(column / 128)]!;
  });
  return { x, h, hScales, q, scales, values, tiles };
}

const sizes = [
  [1, 1],
  [3, 33],
  [5, 129],
  [2, 300],
] as const;

test("the result is quantised from float32, and gate and up in tiles of their own", () => {
  onEveryIsa((isa) => {
    for (const [rows, width] of sizes)
      for (const type of [0, 1] as const) {
        const { x, h, hScales, q, scales, tiles } = kept(rows, width, type);
        for (let half = 0; half < 2 * rows; half++)
          for (let t = 0; t < tiles; t++) {
            const cells = Array.from({ length: Math.min(128, width - t * 128) }, (_, i) => half * width + t * 128 + i);
            const scale = scaleOf(
              cells.map((cell) => x.rounded[cell]!),
              false,
            );
            expect(scales.values[half * tiles + t]).toBe(scale);
            expect(cells.map((cell) => q.bytes[cell])).toEqual(
              cells.map((cell) => quantize(x.rounded[cell]!, scale, "e4m3")),
            );
          }
        const values = Float64Array.from(h.bytes, (byte, i) => {
          const [r, column] = [Math.floor(i / width), i % width];
          return decode(byte, "e4m3") * hScales.values[r * tiles + Math.floor(column / 128)]!;
        });
        const exact = Float64Array.from(values, (_, i) => {
          const [r, j] = [Math.floor(i / width), i % width];
          const [g, u] = [x.rounded[r * 2 * width + j]!, x.rounded[r * 2 * width + width + j]!];
          return g * sigmoid(g) * u;
        });
        // Half a step of E4M3 is 2^-4 of a value, and 2^-10 of the scale below the smallest normal one.
        const step = 2 ** -10 * hScales.values.reduce((a, b) => Math.max(a, b), 0);
        expectClose(values, exact, 1.01 * step, 1.001 * 2 ** -4, `${isa} ${rows} ${width}`);
        const [again, againScales] = [u8(rows * width), f32(rows * tiles)];
        native().fp8SwigluForward(again.address, againScales.address, null, null, x.address, rows, width, type);
        expect([again.bytes, againScales.values]).toEqual([h.bytes, hScales.values]);
      }
  });
});

test("the result computed anew and the gradient are those of the kept values", () => {
  onEveryIsa((isa) => {
    for (const [rows, width] of sizes)
      for (const type of [0, 1] as const) {
        const { q, scales, values } = kept(rows, width, type);
        const y = stored(rows * width, type);
        native().fp8SwigluOutput(y.address, q.address, scales.address, rows, width, type);
        const dy = stored(noise(3, rows * width), type);
        const d = stored(rows * 2 * width, type);
        native().fp8SwigluBackward(d.address, dy.address, q.address, scales.address, rows, width, type);
        const expected = new Float64Array(rows * width);
        const gradient = new Float64Array(rows * 2 * width);
        for (let r = 0; r < rows; r++)
          for (let j = 0; j < width; j++) {
            const [at, up] = [r * 2 * width + j, r * 2 * width + width + j];
            const [g, u, s] = [values[at]!, values[up]!, sigmoid(values[at]!)];
            expected[r * width + j] = g * s * u;
            gradient[at] = dy.rounded[r * width + j]! * u * (s + g * s * (1 - s));
            gradient[up] = dy.rounded[r * width + j]! * g * s;
          }
        const relative = type ? 2 ** -8 : 2e-6;
        expectClose(y.read(), expected, 1e-6, relative, `${isa} y ${width}`);
        expectClose(d.read(), gradient, 4e-6, relative, `${isa} d ${width}`);
      }
  });
});

test("a NaN among the inputs reaches the result and the gradient", () => {
  onEveryIsa(() => {
    const x = f32(noise(1, 12));
    x.values[2] = Number.NaN;
    const [h, hs, q, qs] = [u8(6), f32(1), u8(12), f32(2)];
    native().fp8SwigluForward(h.address, hs.address, q.address, qs.address, x.address, 1, 6, 0);
    expect(hs.values[0]).toBeNaN();
    expect(qs.values[0]).toBeNaN();
    expect(qs.values[1]).not.toBeNaN();
  });
});
