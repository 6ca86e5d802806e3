/** Number formats against published codes and values, and against a search over all codes for the nearest one. */
import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { bf16Bits, bf16Value, expectClose, f32, noise, onEveryIsa } from "./memory.js";
import { expectSameBits } from "./oracle.js";

function bytes(source: ArrayLike<number> | number): { address: number; values: Uint8Array } {
  const length = typeof source === "number" ? source : source.length;
  const block = native().alloc(length + 64);
  const values = new Uint8Array(block.buffer, 0, length);
  if (typeof source !== "number") values.set(source);
  return { address: block.address, values };
}
function halves(source: ArrayLike<number> | number): { address: number; values: Uint16Array } {
  const length = typeof source === "number" ? source : source.length;
  const block = native().alloc(length * 2 + 64);
  const values = new Uint16Array(block.buffer, 0, length);
  if (typeof source !== "number") values.set(source);
  return { address: block.address, values };
}

const F32 = 0;
const BF16 = 1;
const F8 = 2;
const F16 = 3;

/** Value of a sign, `exponentBits`, `mantissaBits` code by the definition of the format. */
function value(code: number, exponentBits: number, mantissaBits: number, hasInfinity: boolean): number {
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = code >> (exponentBits + mantissaBits) ? -1 : 1;
  const exponent = (code >> mantissaBits) & (2 ** exponentBits - 1);
  const mantissa = code & (2 ** mantissaBits - 1);
  if (hasInfinity && exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Infinity : Number.NaN;
  if (!hasInfinity && (code & 0x7f) === 0x7f) return Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
}
const f8Value = (code: number): number => value(code, 4, 3, false);
const f16Value = (code: number): number => value(code, 5, 10, true);

/** The code nearest to x, the even one of two equally near, by trying all finite non-negative codes. */
function nearest(x: number, codes: readonly number[]): number {
  const sign = x < 0 || Object.is(x, -0);
  const a = Math.abs(x);
  let best = 0;
  for (let code = 1; code < codes.length; code++) {
    const near = Math.abs(codes[code]! - a);
    const bestNear = Math.abs(codes[best]! - a);
    if (near < bestNear || (near === bestNear && code % 2 === 0)) best = code;
  }
  return sign ? best + 0x80 : best;
}

function convertF32(source: ArrayLike<number>, yType: DtypeCode): number[] {
  const x = f32(source);
  if (yType === F8) {
    const y = bytes(source.length);
    native().convert(y.address, x.address, source.length, yType, F32);
    return [...y.values];
  }
  const y = halves(source.length);
  native().convert(y.address, x.address, source.length, yType, F32);
  return [...y.values];
}

test("fp8 codes of the published table, ties to even", () => {
  const table: [number, number][] = [
    [0, 0x00],
    [-0, 0x80],
    [1, 0x38],
    [-1.5, 0xbc],
    [0.1, 0x1d],
    [0.3, 0x2a],
    [Math.PI, 0x45],
    [17, 0x58],
    [19, 0x5a],
    [21, 0x5a],
    [100, 0x6c],
    [1.0625, 0x38],
    [240, 0x77],
    [248, 0x78],
    [447, 0x7e],
    [448, 0x7e],
    [500, 0x7e],
    [2 ** -6, 0x08],
    [2 ** -7, 0x04],
    [2 ** -9, 0x01],
    [2 ** -10, 0x00],
    [3 * 2 ** -10, 0x02],
    [1.5 * 2 ** -10, 0x01],
    [0.007, 0x04],
    [0.02, 0x0a],
    [Infinity, 0x7e],
    [-Infinity, 0xfe],
    [-1e30, 0xfe],
  ];
  onEveryIsa((isa) => {
    expect(
      convertF32(
        table.map(([x]) => x),
        F8,
      ),
      isa,
    ).toEqual(table.map(([, code]) => code));
  });
});

test("all 256 fp8 codes decode to their values and come back", () => {
  const codes = Array.from({ length: 256 }, (_, i) => i);
  const q = bytes(codes);
  onEveryIsa((isa) => {
    const y = f32(256);
    native().convert(y.address, q.address, 256, F32, F8);
    expect([...y.values], isa).toEqual(codes.map(f8Value));
    expect(convertF32(y.values, F8).map((code) => code & 0x7f)).toEqual(codes.map((code) => code & 0x7f));
    expect(convertF32(y.values, F8).filter((_, i) => (i & 0x7f) !== 0x7f)).toEqual(
      codes.filter((code) => (code & 0x7f) !== 0x7f),
    );
  });
});

test("fp8 rounding equals a search over all codes", () => {
  const positive = Array.from({ length: 0x7f }, (_, i) => f8Value(i));
  const samples = [
    ...noise(1, 700, 500),
    ...noise(2, 700, 1),
    ...noise(3, 700, 0.03),
    ...positive.slice(1).map((v, i) => (v + positive[i]!) / 2),
  ];
  onEveryIsa((isa) => {
    expect(convertF32(samples, F8), isa).toEqual(samples.map((x) => nearest(Math.fround(x), positive)));
  });
});

test("all 65536 f16 codes decode to their values and come back", () => {
  const codes = Array.from({ length: 65536 }, (_, i) => i);
  const x = halves(codes);
  onEveryIsa((isa) => {
    const y = f32(65536);
    native().convert(y.address, x.address, 65536, F32, F16);
    const wrong = codes.filter((code) => !Object.is(y.values[code], f16Value(code)));
    expect(wrong, isa).toEqual([]);
    const back = convertF32(y.values, F16);
    const isNan = (code: number): boolean => (code & 0x7c00) === 0x7c00 && (code & 0x3ff) !== 0;
    expect(codes.filter((code) => (isNan(code) ? !isNan(back[code]!) : back[code] !== code))).toEqual([]);
  });
});

test("f16 rounds to nearest even, overflows to infinity and keeps NaN", () => {
  const cases: [number, number][] = [
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    [65504, 0x7bff],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [-1e30, 0xfc00],
    [-Infinity, 0xfc00],
    [2 ** -25, 0x0000],
    [1.5 * 2 ** -24, 0x0002],
    [2 ** -25 * 1.01, 0x0001],
    [2 ** -14 * (1 - 2 ** -12), 0x0400],
  ];
  onEveryIsa((isa) => {
    expect(
      convertF32(
        cases.map(([x]) => x),
        F16,
      ),
      isa,
    ).toEqual(cases.map(([, code]) => code));
  });
});

test("bf16 rounds to nearest even with denormals, infinities and NaNs kept", () => {
  const words = new Uint32Array(4000);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i * 2 + 1, 2654435761) ^ (i % 4 === 0 ? 0x8000 : 0);
  words.set([0x00018000, 0x00008000, 0x7f800001, 0xffc12345, 0x7f800000, 0x7f7fffff, 0x3f808000, 0x3f818000]);
  const x = new Float32Array(words.buffer);
  const source = f32(x.length);
  new Uint32Array(source.values.buffer, 0, words.length).set(words);
  onEveryIsa((isa) => {
    const y = halves(x.length);
    native().convert(y.address, source.address, x.length, BF16, F32);
    for (let i = 0; i < x.length; i++) {
      if (Number.isNaN(x[i])) expect(bf16Value(y.values[i]!), isa).toBeNaN();
      else if (y.values[i] !== bf16Bits(x[i]!)) throw new Error(`${isa}: ${x[i]} gave ${y.values[i]}`);
    }
  });
});

const formats: { type: DtypeCode; bytes: number }[] = [
  { type: F32, bytes: 4 },
  { type: BF16, bytes: 2 },
  { type: F8, bytes: 1 },
  { type: F16, bytes: 2 },
];
const pairs = formats.flatMap((from) => formats.map((to) => [from, to] as const));

describe.each([0, 1, 7, 16, 33, 300])("%i values", (n) => {
  test.each(pairs)("from $type to $type: numbers every format holds survive", (from, to) => {
    const exact = Float32Array.from({ length: n }, (_, i) => ((i % 15) - 7) * 2 ** ((i % 5) - 2));
    const source = f32(exact);
    onEveryIsa((isa) => {
      const a = native().alloc(n * 4 + 64);
      const b = native().alloc(n * 4 + 64);
      const y = f32(n);
      new Uint8Array(b.buffer).fill(0x5a);
      native().convert(a.address, source.address, n, from.type, F32);
      native().convert(b.address, a.address, n, to.type, from.type);
      native().convert(y.address, b.address, n, F32, to.type);
      expect([...y.values], isa).toEqual([...exact]);
      expect(new Uint8Array(b.buffer)[n * to.bytes]).toBe(0x5a); // nothing written past the end
    });
  });
});

test("a NaN stays a NaN between all formats", () => {
  const source = f32([Number.NaN, 1]);
  onEveryIsa(() => {
    for (const [from, to] of pairs) {
      const a = bytes(8);
      const b = bytes(8);
      const y = f32(2);
      native().convert(a.address, source.address, 2, from.type, F32);
      native().convert(b.address, a.address, 2, to.type, from.type);
      native().convert(y.address, b.address, 2, F32, to.type);
      expect([...y.values]).toEqual([Number.NaN, 1]);
    }
  });
});

test("quantizeFp8Blocks and dequantizeFp8Blocks give the worked example, block 2 of a 3 x 3 matrix", () => {
  const w = f32([0.5, -1.25, 3, 2, 0.7, -0.1, 0.01, 0.02, 4]);
  onEveryIsa((isa) => {
    const q = bytes(9);
    const scales = f32(4);
    native().quantizeFp8Blocks(q.address, scales.address, w.address, 3, 3, 2, F32);
    expect([...q.values], isa).toEqual([0x6e, 0xf9, 0x7e, 0x7e, 0x72, 0xd7, 0x76, 0x7e, 0x7e]);
    expectClose(scales.values, [2 / 448, 3 / 448, 0.02 / 448, 4 / 448], 0, 1e-7, isa);
    const y = f32(9);
    native().dequantizeFp8Blocks(y.address, q.address, scales.address, 3, 3, 2, F32);
    expectClose(y.values, [0.5, -1.2857143, 3, 2, 0.7142857, -0.1004464, 0.01, 0.02, 4], 1e-7, 1e-7, isa);
  });
});

test("a row as one block gives the codes of the published tile", () => {
  const w = f32([0.1, -2, 3.5, 7]);
  onEveryIsa(() => {
    const q = bytes(4);
    const scales = f32(1);
    native().quantizeFp8Blocks(q.address, scales.address, w.address, 1, 4, 4, F32);
    expect([...q.values]).toEqual([0x4d, 0xf0, 0x76, 0x7e]);
    expect(scales.values[0]).toBe(0.015625);
  });
});

test("a block of zeros has scale 1; sizes that no block divides, bf16 weights, any number of threads", () => {
  const [rows, cols, block] = [70, 333, 32];
  const values = noise(9, rows * cols, 3);
  for (let i = 0; i < block; i++) values.fill(0, i * cols, i * cols + block);
  const w = halves([...values].map(bf16Bits));
  const exact = [...w.values].map(bf16Value);
  const across = Math.ceil(cols / block);
  const scalesExpected = new Float32Array(Math.ceil(rows / block) * across);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) {
      const b = Math.floor(i / block) * across + Math.floor(j / block);
      scalesExpected[b] = Math.max(scalesExpected[b]!, Math.abs(exact[i * cols + j]!));
    }
  for (let b = 0; b < scalesExpected.length; b++)
    scalesExpected[b] = scalesExpected[b]! > 0 ? scalesExpected[b]! / 448 : 1;
  onEveryIsa((isa) => {
    const q = bytes(rows * cols);
    const scales = f32(scalesExpected.length);
    const y = halves(rows * cols);
    expectSameBits(() => {
      native().quantizeFp8Blocks(q.address, scales.address, w.address, rows, cols, block, BF16);
      native().dequantizeFp8Blocks(y.address, q.address, scales.address, rows, cols, block, BF16);
      return [q.values.slice(), scales.values.slice(), y.values.slice()];
    });
    expect([...scales.values], isa).toEqual([...scalesExpected]);
    expectClose(Float32Array.from(y.values, bf16Value), exact, 0.02, 0.07, isa);
    native().quantizeFp8Blocks(q.address, scales.address, w.address, 0, cols, block, BF16);
    native().quantizeFp8Blocks(q.address, scales.address, w.address, rows, 0, block, BF16);
  });
});

type F32 = ReturnType<typeof f32>;

test("the floors of the machine count what they did", () => {
  onEveryIsa((isa) => {
    const block = native().alloc(64);
    const out = new Float64Array(block.buffer, 0, 1);
    for (const kind of [0, 1]) {
      native().peakFlops(block.address, 1000, kind);
      expect(out[0], isa).toBeGreaterThan(1000);
    }
    const x = f32(noise(4, 200_001));
    for (const ahead of [0, 16384]) {
      native().peakRead(block.address, x.address, 200_001, ahead);
      expect(out[0]).toBeCloseTo(
        x.values.reduce((a, b) => a + b, 0),
        1,
      );
    }
    const y = f32(70_003);
    native().peakTriad(y.address, x.address, x.address, 70_003);
    expectClose(
      y.values,
      x.values.subarray(0, 70_003).map((v) => 4 * v),
      1e-6,
      1e-6,
      isa,
    );
    const [p, m, v] = [1, 2, 3].map((value) => f32(new Float32Array(70_003).fill(value))) as [F32, F32, F32];
    native().peakUpdate(p.address, m.address, v.address, x.address, 70_003);
    for (const [i, { values }] of [p, m, v].entries()) {
      const sums = x.values.subarray(0, 70_003).map((g) => i + 1 + g);
      expectClose(values, sums, 1e-6, 1e-6, isa);
    }
  });
});
