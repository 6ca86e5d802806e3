import { describe, expect, test } from "vitest";
import { type DtypeCode, native, type QuantFormatCode } from "../../src/tensor/native.js";
import { expectClose, f32, i32, noise, onEveryIsa, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

const formats = [
  ["E4M3", 0],
  ["int8", 1],
  ["int4", 2],
] as const;
const types: readonly DtypeCode[] = [0, 1];

interface Quantized {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly scales: { readonly address: number; readonly values: Float32Array };
  /** What the stored bytes say, by the definition of the format. */
  readonly values: Float64Array;
}

const rowBytes = (k: number, format: number): number => (format === 2 ? Math.ceil(k / 32) * 16 : k);

/** The value of an E4M3 byte from its sign, exponent and mantissa. */
function e4m3(byte: number): number {
  const [exponent, mantissa] = [(byte >> 3) & 15, byte & 7];
  const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7);
  return byte & 128 ? -magnitude : magnitude;
}

/** Stored value i of a row. */
function storedValue(row: Uint8Array, i: number, format: number): number {
  if (format === 0) return e4m3(row[i]!);
  if (format === 1) return (row[i]! << 24) >> 24;
  const byte = row[Math.floor(i / 32) * 16 + (i % 16)]!;
  return (i % 32 < 16 ? byte & 15 : byte >> 4) - 8;
}

/** Random bytes as weights, so that every stored value occurs; the NaNs of E4M3 and the -128 of int8 are none. */
function weights(seed: number, rows: number, k: number, group: number, format: QuantFormatCode): Quantized {
  const width = rowBytes(k, format);
  const block = native().alloc(rows * width + 64);
  const bytes = new Uint8Array(block.buffer, 0, rows * width);
  noise(seed, rows * width, 1000).forEach((x, i) => {
    const byte = Math.floor(Math.abs(x) * 97) & 255;
    const isNone = format === 0 ? (byte & 127) === 127 : format === 1 && byte === 128;
    bytes[i] = isNone ? 3 : byte;
  });
  const perRow = Math.ceil(k / group);
  const scales = f32(noise(seed + 1, rows * perRow, 0.02));
  const values = new Float64Array(rows * k);
  for (let r = 0; r < rows; r++) {
    const row = bytes.subarray(r * width, (r + 1) * width);
    for (let i = 0; i < k; i++) {
      values[r * k + i] = storedValue(row, i, format) * scales.values[r * perRow + Math.floor(i / group)]!;
    }
  }
  return { address: block.address, bytes, scales, values };
}

/** a [m, k] times b [n, k]^T, or b [k, n], in double arithmetic, and the sum of the terms' sizes. */
function naive(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  [m, n, k]: readonly [number, number, number],
  transB: boolean,
): { readonly y: Float64Array; readonly size: number } {
  const y = new Float64Array(m * n);
  let size = 0;
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let terms = 0;
      for (let p = 0; p < k; p++) {
        const term = a[i * k + p]! * b[transB ? j * k + p : p * n + j]!;
        y[i * n + j]! += term;
        terms += Math.abs(term);
      }
      size = Math.max(size, terms);
    }
  return { y, size };
}

describe.each(formats)("weights in %s", (_, format) => {
  test("dequantizeRows gives what the bytes say", () => {
    onEveryIsa((isa) => {
      for (const [rows, k, group] of [
        [1, 1, 32],
        [3, 33, 32],
        [5, 200, 128],
        [70, 1024, 64],
      ] as const)
        for (const type of types) {
          const w = weights(k, rows, k, group, format);
          const y = stored(rows * k, type);
          native().dequantizeRows(y.address, w.address, w.scales.address, rows, k, group, format, type);
          expectClose(y.read(), w.values, 0, type ? 2 ** -8 : 1e-6, `${isa} ${rows} ${k}`);
        }
    });
  });

  test("quantizeRows and back is off by half a step at most, and exact for zeros and the largest value", () => {
    onEveryIsa((isa) => {
      for (const type of types) {
        const [rows, k, group] = [5, 167, 64];
        const w = stored(noise(9, rows * k), type);
        const perRow = Math.ceil(k / group);
        const q = native().alloc(rows * rowBytes(k, format) + 64);
        const scales = f32(rows * perRow);
        native().quantizeRows(q.address, scales.address, w.address, rows, k, group, format, type);
        const back = f32(rows * k);
        native().dequantizeRows(back.address, q.address, scales.address, rows, k, group, format, 0);
        const most = [448, 127, 7][format]!;
        for (let r = 0; r < rows; r++)
          for (let g = 0; g < perRow; g++) {
            const begin = r * k + g * group;
            const values = w.rounded.subarray(begin, Math.min(begin + group, (r + 1) * k));
            const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
            expect(scales.values[r * perRow + g]).toBeCloseTo(largest / most, 6);
            values.forEach((value, i) => {
              const read = back.values[begin + i]!;
              // E4M3 has 3 bits after the leading one, down to steps of 2^-9 of a scale.
              const step = format === 0 ? Math.max(Math.abs(value) / 8, (largest / most) * 2 ** -9) : largest / most;
              expect(Math.abs(read - value), `${isa} ${value} ${read}`).toBeLessThanOrEqual(step / 2 + 1e-6 * largest);
            });
          }
        const zeros = f32(64);
        native().quantizeRows(q.address, scales.address, zeros.address, 1, 64, 32, format, 0);
        expect([...scales.values.subarray(0, 2)]).toEqual([1, 1]);
        native().dequantizeRows(back.address, q.address, scales.address, 1, 64, 32, format, 0);
        expect(back.values.subarray(0, 64).every((value) => value === 0)).toBe(true);
      }
    });
  });

  test.each(types)("linearDecodeQuantized equals the naive product by expert, x and y stored as %i", (type) => {
    onEveryIsa((isa) => {
      for (const [n, k, group] of [
        [1, 32, 32],
        [7, 40, 32],
        [33, 256, 128],
        [21, 1000, 64],
      ] as const) {
        const offsets = i32([0, 1, 1, 4, 13, 30]);
        const groups = 5;
        const x = stored(noise(3, 30 * k), type);
        const w = weights(n + k, groups * n, k, group, format);
        const y = stored(30 * n, type);
        const args = [offsets.address, groups, n, k, group, format, type, type] as const;
        expectSameBits(() => {
          native().linearDecodeQuantized(y.address, x.address, w.address, w.scales.address, ...args);
          return [y.read()];
        });
        const read = y.read();
        for (let e = 0; e < groups; e++) {
          const [from = 0, to = 0] = offsets.values.subarray(e, e + 2);
          const rows = to - from;
          const { y: expected, size } = naive(
            x.rounded.subarray(from * k, to * k),
            w.values.subarray(e * n * k, (e + 1) * n * k),
            [rows, n, k],
            true,
          );
          expectClose(
            read.subarray(from * n, to * n),
            expected,
            1e-6 * size,
            type ? 2 ** -8 : 0,
            `${isa} ${e} ${n} ${k}`,
          );
        }
      }
    });
  });

  // 19 rows meet tiles where a CPU has bf16 dot products, one or seven do not.
  test.each([
    [0, 32],
    [1, 32],
    [1, 128],
  ] as const)("a row has the same bits alone and among 7 or 19, stored as %i, groups of %i", (type, group) => {
    const [rows, n, k] = [19, 37, 288];
    onEveryIsa(() => {
      const x = stored(noise(4, rows * k), type);
      const w = weights(5, n, k, group, format);
      const rest = [1, n, k, group, format, type, type] as const;
      const product = (first: number, count: number): Float32Array => {
        const y = stored(count * n, type);
        const offsets = i32([0, count]);
        const at = x.address + first * k * (type ? 2 : 4);
        native().linearDecodeQuantized(y.address, at, w.address, w.scales.address, offsets.address, ...rest);
        return y.read();
      };
      const all = product(0, rows);
      expect(product(0, 7)).toEqual(all.subarray(0, 7 * n));
      for (let r = 0; r < rows; r++) expect(product(r, 1)).toEqual(all.subarray(r * n, (r + 1) * n));
    });
  });

  test.each([
    [1, 0],
    [0, 0],
    [1, 1],
    [0, 1],
  ] as const)("groupedGemmQuantized equals the naive product, transB %i, stored as %i", (transB, type) => {
    onEveryIsa((isa) => {
      for (const [n, k, group] of [
        [7, 40, 32],
        [70, 96, 64],
        [130, 600, 128],
      ] as const) {
        const offsets = i32([0, 2, 2, 21]);
        const groups = 3;
        const a = stored(noise(6, 21 * k), type);
        const [bRows, bColumns] = transB ? [n, k] : [k, n];
        const w = weights(n, groups * bRows, bColumns, group, format);
        const c = stored(noise(7, 21 * n), type);
        const before = c.rounded;
        const rest = [groups, n, k, transB, 1, group, format, type, type] as const;
        native().groupedGemmQuantized(c.address, a.address, w.address, w.scales.address, offsets.address, ...rest);
        const read = c.read();
        for (let e = 0; e < groups; e++) {
          const [from = 0, to = 0] = offsets.values.subarray(e, e + 2);
          const b = w.values.subarray(e * n * k, (e + 1) * n * k);
          const { y, size } = naive(a.rounded.subarray(from * k, to * k), b, [to - from, n, k], transB === 1);
          const expected = y.map((value, i) => value + before[from * n + i]!);
          const tolerance = 1e-6 * size + (type ? 2 ** -8 * size : 0);
          expectClose(read.subarray(from * n, to * n), expected, tolerance, 0, `${isa} ${e} ${n} ${k}`);
        }
      }
    });
  });

  test("gemmBatchedQuantized takes rows of one weight as matrices, as the absorbed attention does", () => {
    // Per head 24 rows of [H * 40, 64]: q [m, H * 30] times the first 24 rows, and c [m, H * 64] times the last 16, transposed.
    const [heads, m, width] = [3, 5, 64];
    onEveryIsa((isa) => {
      const w = weights(8, heads * 40, width, 32, format);
      const q = f32(noise(10, m * heads * 30));
      const folded = f32(m * heads * width);
      const head = [
        heads,
        width,
        30,
        40,
        m,
        width,
        24,
        heads * 30,
        width,
        heads * width,
        0,
        0,
        32,
        format,
        0,
        0,
      ] as const;
      expectSameBits(() => {
        native().gemmBatchedQuantized(folded.address, q.address, w.address, w.scales.address, ...head);
        return [folded.values.slice()];
      });
      const out = f32(m * heads * 16);
      const at = w.address + 24 * rowBytes(width, format);
      const tail = [
        heads,
        16,
        width,
        40,
        m,
        16,
        width,
        heads * width,
        width,
        heads * 16,
        1,
        0,
        32,
        format,
        0,
        0,
      ] as const;
      native().gemmBatchedQuantized(out.address, folded.address, at, w.scales.address + 24 * 2 * 4, ...tail);
      for (let h = 0; h < heads; h++) {
        const mine = w.values.subarray(h * 40 * width, (h + 1) * 40 * width);
        const take = (from: ArrayLike<number>, row: number, first: number, count: number): number[] =>
          Array.from({ length: m * count }, (_, i) => from[Math.floor(i / count) * row + first + (i % count)]!);
        const up = naive(take(q.values, heads * 30, h * 30, 24), mine.subarray(0, 24 * width), [m, width, 24], false);
        const mineFolded = take(folded.values, heads * width, h * width, width);
        expectClose(mineFolded, up.y, 1e-6 * up.size, 0, `${isa} head ${h}`);
        const down = naive(mineFolded, mine.subarray(24 * width), [m, 16, width], true);
        expectClose(take(out.values, heads * 16, h * 16, 16), down.y, 1e-6 * down.size, 0, `${isa} head ${h} out`);
      }
    });
  });
});

test("nothing to multiply writes nothing", () => {
  onEveryIsa(() => {
    const y = f32([5]);
    const w = weights(1, 1, 32, 32, 0);
    const none = i32([0, 0]);
    native().linearDecodeQuantized(
      y.address,
      w.address,
      w.address,
      w.scales.address,
      none.address,
      1,
      1,
      32,
      32,
      0,
      0,
      0,
    );
    native().groupedGemmQuantized(
      y.address,
      y.address,
      w.address,
      w.scales.address,
      none.address,
      1,
      1,
      32,
      1,
      0,
      32,
      0,
      0,
      0,
    );
    expect(y.values[0]).toBe(5);
  });
});

test("how C is cut into blocks changes no bit, though scales part its sums and C holds something", () => {
  // Columns that end inside a tile: a block of all of them is gathered apart, one of whole tiles goes straight to C.
  const [n, k, group, counts] = [66, 200, 64, [0, 5, 5, 14]];
  const w = weights(3, 3 * n, k, group, 1);
  const a = f32(noise(4, 14 * k, 1));
  const before = Float32Array.from(noise(5, 14 * n, 1));
  const offsets = i32(counts);
  const all = [1, 2, 3, 64].map((threads) => {
    native().setThreads(threads);
    const c = f32(before);
    const sizes = [3, n, k, 1, 1, group, 1, 0, 0] as const;
    native().groupedGemmQuantized(c.address, a.address, w.address, w.scales.address, offsets.address, ...sizes);
    return Float32Array.from(c.values);
  });
  native().setThreads(2);
  for (const values of all) expect(values).toEqual(all[0]);
});
