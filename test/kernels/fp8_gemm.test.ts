import { describe, expect, test } from "vitest";
import { native } from "../../src/tensor/native.js";
import { decode, type Format, rowBytes, tilesOf, u8, unpack } from "./fp8.js";
import { expectClose, f32, i32, noise, onEveryIsa, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

const code = { e4m3: 2, e5m6: 4 } as const;
const offsets = [0, 5, 5, 160, 161, 171];
const [groups, rows] = [5, 171];
const shapes = [
  [1, 1],
  [7, 33],
  [70, 129],
  [130, 300],
] as const;

/** Rows quantised by the kernel, and what the stored codes say. */
function quantizedRows(seed: number, k: number, format: Format) {
  const x = f32(noise(seed, rows * k, 3));
  const q = u8(rows * rowBytes(k, format));
  const scales = f32(rows * Math.ceil(k / 128));
  native().fp8QuantizeRows(q.address, scales.address, x.address, rows, k, code[format], 0, 1e-4, 0);
  const tiles = Math.ceil(k / 128);
  const codes = unpack(q.bytes, rows, k, format);
  const values = Float64Array.from(
    codes,
    (c, i) => decode(c, format) * scales.values[Math.floor(i / k) * tiles + Math.floor((i % k) / 128)]!,
  );
  return { q, scales, values };
}

function quantizedWeights(seed: number, n: number, k: number) {
  const w = f32(noise(seed, groups * n * k, 0.3));
  const q = u8(groups * n * k);
  const [down, across] = [Math.ceil(n / 128), Math.ceil(k / 128)];
  const scales = f32(groups * down * across);
  native().fp8QuantizeWeights(q.address, scales.address, null, w.address, groups, n, k);
  const values = Float64Array.from(q.bytes, (c, i) => {
    const [g, row, column] = [Math.floor(i / (n * k)), Math.floor(i / k) % n, i % k];
    const block = (g * down + Math.floor(row / 128)) * across + Math.floor(column / 128);
    return decode(c, "e4m3") * scales.values[block]!;
  });
  return { q, scales, values };
}

function quantizedColumns(seed: number, k: number) {
  const x = stored(noise(seed, rows * k, 2), 1);
  const q = u8(rows * k);
  const scales = f32((Math.floor(rows / 128) + groups) * k);
  native().fp8QuantizeColumns(q.address, scales.address, x.address, null, i32(offsets).address, groups, k, 0, 1e-4, 1);
  const values = new Float64Array(rows * k);
  for (const [, first, count, scaleRow] of tilesOf(offsets))
    for (let r = first; r < first + count; r++)
      for (let j = 0; j < k; j++)
        values[r * k + j] = decode(q.bytes[r * k + j]!, "e4m3") * scales.values[scaleRow * k + j]!;
  return { q, scales, values };
}

const expertOf = (r: number): number => offsets.findIndex((begin, e) => begin <= r && r < (offsets[e + 1] ?? 0));

/** The sum over p of a(p) b(p) in double arithmetic, and of the terms' sizes. */
function sum(length: number, term: (p: number) => number): [number, number] {
  let [total, size] = [0, 0];
  for (let p = 0; p < length; p++) {
    const value = term(p);
    total += value;
    size += Math.abs(value);
  }
  return [total, size];
}

/** The oracles are the same for every instruction set, for operands are the same bits: computed once. */
const known = new Map<string, readonly [number, number][]>();
function once(key: string, make: () => readonly [number, number][]): readonly [number, number][] {
  const made = known.get(key) ?? make();
  known.set(key, made);
  return made;
}

function expectNear(read: ArrayLike<number>, twin: readonly [number, number][], relative: number, what: string): void {
  const size = twin.reduce((most, [, terms]) => Math.max(most, terms), 0);
  expectClose(
    read,
    twin.map(([value]) => value),
    relative * size,
    2 ** -8,
    what,
  );
}

describe.each([
  [0, 2e-6],
  // Each of at most 33 addends loses less than 2^-13 of the largest.
  [14, 2 ** -12],
] as const)("sums of %i bits", (bits, relative) => {
  test.each(["e4m3", "e5m6"] as const)("fp8Forward of %s rows equals the product of what is stored", (format) => {
    onEveryIsa((isa) => {
      for (const [n, k] of shapes)
        for (const type of [0, 1] as const) {
          const x = quantizedRows(n, k, format);
          const w = quantizedWeights(k, n, k);
          const y = stored(rows * n, type);
          const o = i32(offsets).address;
          expectSameBits(() => {
            native().fp8Forward(
              y.address,
              x.q.address,
              x.scales.address,
              w.q.address,
              w.scales.address,
              o,
              groups,
              n,
              k,
              code[format],
              type,
              bits,
            );
            return [y.read()];
          });
          const twin = once(`y ${format} ${n} ${k}`, () =>
            Array.from({ length: rows * n }, (_, i) => {
              const [r, j] = [Math.floor(i / n), i % n];
              const e = expertOf(r);
              return sum(k, (p) => x.values[r * k + p]! * w.values[(e * n + j) * k + p]!);
            }),
          );
          expectNear(y.read(), twin, relative, `${isa} ${n} ${k} ${type}`);
        }
    });
  });

  test("fp8InputGradient equals dy W, added or not", () => {
    onEveryIsa((isa) => {
      for (const [n, k] of shapes)
        for (const [type, accumulate] of [
          [0, 1],
          [1, 0],
          [1, 1],
        ] as const) {
          const dy = quantizedRows(n + 1, n, "e4m3");
          const w = quantizedWeights(k, n, k);
          const before = noise(9, rows * k);
          const dx = stored(before, type);
          native().fp8InputGradient(
            dx.address,
            dy.q.address,
            dy.scales.address,
            w.q.address,
            w.scales.address,
            i32(offsets).address,
            groups,
            n,
            k,
            accumulate,
            type,
            bits,
          );
          const twin = once(`dx ${type} ${accumulate} ${n} ${k}`, () =>
            Array.from({ length: rows * k }, (_, i): [number, number] => {
              const [r, j] = [Math.floor(i / k), i % k];
              const e = expertOf(r);
              const [value, size] = sum(n, (p) => dy.values[r * n + p]! * w.values[(e * n + p) * k + j]!);
              const start = accumulate ? dx.rounded[i]! : 0;
              return [value + start, size + Math.abs(start)];
            }),
          );
          expectNear(dx.read(), twin, relative + (type ? 2 ** -9 : 0), `${isa} ${n} ${k} ${type} ${accumulate}`);
        }
    });
  });

  test("fp8WeightGradient adds dy^T x of each expert's rows", () => {
    onEveryIsa((isa) => {
      for (const [n, k] of shapes) {
        const [dy, x] = [quantizedColumns(n, n), quantizedColumns(k + 1, k)];
        const before = noise(8, groups * n * k);
        const o = i32(offsets).address;
        let dw = f32(0);
        expectSameBits(() => {
          dw = f32(before);
          native().fp8WeightGradient(
            dw.address,
            dy.q.address,
            dy.scales.address,
            x.q.address,
            x.scales.address,
            o,
            groups,
            n,
            k,
            bits,
          );
          return [dw.values];
        });
        const twin = once(`dw ${n} ${k}`, () =>
          Array.from({ length: groups * n * k }, (_, i): [number, number] => {
            const [e, a, b] = [Math.floor(i / (n * k)), Math.floor(i / k) % n, i % k];
            const first = offsets[e]!;
            const term = (p: number): number => dy.values[(first + p) * n + a]! * x.values[(first + p) * k + b]!;
            const [value, size] = sum(offsets[e + 1]! - first, term);
            return [value + before[i]!, size + Math.abs(before[i]!)];
          }),
        );
        expectNear(dw.values, twin, relative, `${isa} ${n} ${k}`);
      }
    });
  });
});

test("Hopper's sums lose what float32 keeps: small terms beside a large one are cut to nothing", () => {
  onEveryIsa(() => {
    const k = 128;
    const run = (small: number, bits: number): number => {
      // 448 * 448 beside products below 2^(17 - 13): one unit of 14 bits of the largest is 2^4.
      const x = u8(Array.from({ length: k }, (_, i) => (i === 0 ? 0x7e : small)));
      const w = u8(Array.from({ length: k }, (_, i) => (i === 0 ? 0x7e : 0x38)));
      const y = f32(1);
      const scale = f32([1]).address;
      native().fp8Forward(y.address, x.address, scale, w.address, scale, i32([0, 1]).address, 1, 1, k, 2, 0, bits);
      return y.values[0]!;
    };
    expect(run(0x50, 0)).toBe(448 * 448 + 127 * 8);
    expect(run(0x50, 14)).toBe(448 * 448); // 8 is half a unit
    expect(run(0x58, 14)).toBe(448 * 448 + 127 * 16); // 16 is one
  });
});

test("a NaN scale makes its row NaN and no other, in both accumulations", () => {
  onEveryIsa((isa) => {
    for (const bits of [0, 14]) {
      const [n, k] = [5, 200];
      const x = quantizedRows(1, k, "e4m3");
      x.scales.values[3 * 2 + 1] = Number.NaN;
      x.q.bytes.fill(0x7f, 3 * k + 128, 4 * k);
      const w = quantizedWeights(2, n, k);
      const y = f32(rows * n);
      native().fp8Forward(
        y.address,
        x.q.address,
        x.scales.address,
        w.q.address,
        w.scales.address,
        i32(offsets).address,
        groups,
        n,
        k,
        2,
        0,
        bits,
      );
      y.values.forEach((value, i) => {
        expect(Number.isNaN(value), `${isa} ${i}`).toBe(Math.floor(i / n) === 3);
      });
    }
  });
});
