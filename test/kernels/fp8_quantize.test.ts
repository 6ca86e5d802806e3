import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { decode, encode, type Format, quantize, rowBytes, scaleOf, tilesOf, u8, unpack } from "./fp8.js";
import { expectClose, f32, i32, noise, onEveryIsa, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

const codes: Readonly<Record<Format, DtypeCode>> = { e4m3: 2, e5m6: 4 };
const widths = [1, 7, 33, 129, 300];
/** By storage type: the floor of activations, and that of gradients. */
const floors = [1e-4, 2 ** -100] as const;

/** Numbers of many sizes, some of them special: zeros, more than 448, smaller than any step, a row of zeros and one of gradients. */
function activations(seed: number, rows: number, k: number): Float32Array {
  const spread = noise(seed + 1, rows * k, 12);
  const x = noise(seed, rows * k).map((value, i) => value * 2 ** Math.round(spread[i]!));
  if (rows > 2) x.fill(0, 2 * k, 3 * k);
  for (let i = 3 * k; i < Math.min(4, rows) * k; i++) x[i]! *= 1e-9;
  x[0] = 5000;
  if (x.length > 1) x[1] = -0;
  if (rows * k > 3) x[3] = 1e-30;
  return x;
}

/** What a quantiser of rows must store. */
function rowsTwin(x: ArrayLike<number>, rows: number, k: number, format: Format, isPowerOfTwo: boolean, floor: number) {
  const scales: number[] = [];
  const stored: number[] = [];
  for (let r = 0; r < rows; r++)
    for (let at = 0; at < k; at += 128) {
      const tile = Array.from({ length: Math.min(128, k - at) }, (_, i) => x[r * k + at + i]!);
      const scale = scaleOf(tile, isPowerOfTwo, floor);
      scales.push(scale);
      stored.push(...tile.map((value) => quantize(value, scale, format)));
    }
  return { scales, stored };
}

/** The scales of every row, tile by tile, and the values they make of the codes. */
function valuesOf(codes: readonly number[], scales: ArrayLike<number>, k: number, format: Format): Float64Array {
  const tiles = Math.ceil(k / 128);
  return Float64Array.from(codes, (code, i) => {
    const scale = scales[Math.floor(i / k) * tiles + Math.floor((i % k) / 128)]!;
    return decode(code, format) * scale;
  });
}

test("the twin gives the reference bytes of model.md H6", () => {
  const vectors: [number, number][] = [
    [1, 0x38],
    [-1.5, 0xbc],
    [0.1, 0x1d],
    [Math.PI, 0x45],
    [17, 0x58],
    [19, 0x5a],
    [248, 0x78],
    [500, 0x7e],
    [2 ** -10, 0],
    [3 * 2 ** -10, 2],
    [-0, 0x80],
  ];
  for (const [x, byte] of vectors) expect(encode(x, "e4m3"), String(x)).toBe(byte);
});

test("the tiles of model.md H6, with float32 scales and powers of two", () => {
  onEveryIsa(() => {
    const run = (x: number[], flag: 0 | 1): { bytes: number[]; scale: number } => {
      const q = u8(x.length);
      const scales = f32(1);
      native().fp8QuantizeRows(q.address, scales.address, f32(x).address, 1, x.length, 2, flag, 1e-4, 0);
      return { bytes: [...q.bytes], scale: scales.values[0]! };
    };
    expect(run([0.1, -2, 3.5, 7], 0)).toEqual({ scale: 0.015625, bytes: [0x4d, 0xf0, 0x76, 0x7e] });
    const tile = [0.3, -5, 1.7, 0.011];
    expect(run(tile, 0)).toEqual({ scale: Math.fround(5 / 448), bytes: [0x5d, 0xfe, 0x72, 0x38] });
    expect(run(tile, 1)).toEqual({ scale: 2 ** -6, bytes: [0x5a, 0xfa, 0x6e, 0x33] });
    expect(run([0, 0, 0, 0], 0)).toEqual({ scale: Math.fround(Math.fround(1e-4) / 448), bytes: [0, 0, 0, 0] });
  });
});

describe.each(["e4m3", "e5m6"] as const)("rows in %s", (format) => {
  test.each([0, 1] as const)("are those of the twin at odd sizes, power of two %i", (flag) => {
    onEveryIsa((isa) => {
      for (const k of widths)
        for (const type of [0, 1] as const) {
          const rows = 5;
          const floor = floors[type];
          const x = stored(activations(k, rows, k), type);
          const tiles = Math.ceil(k / 128);
          const q = u8(rows * rowBytes(k, format) + 8);
          q.bytes.fill(0xee, q.bytes.length - 8);
          const scales = f32(rows * tiles);
          expectSameBits(() => {
            native().fp8QuantizeRows(q.address, scales.address, x.address, rows, k, codes[format], flag, floor, type);
            return [q.bytes.slice(), scales.values.slice()];
          });
          const twin = rowsTwin(x.rounded, rows, k, format, flag === 1, floor);
          expect([...scales.values], `${isa} ${k}`).toEqual(twin.scales);
          expect(unpack(q.bytes, rows, k, format), `${isa} ${k}`).toEqual(twin.stored);
          expect([...q.bytes.slice(-8)]).toEqual(Array(8).fill(0xee));
          const back = stored(rows * k, type);
          native().fp8DequantizeRows(back.address, q.address, scales.address, rows, k, codes[format], type);
          const values = valuesOf(twin.stored, twin.scales, k, format);
          expectClose(back.read(), values, 1e-38, type ? 2 ** -8 : 1e-7, `${isa} ${k}`);
        }
    });
  });

  test("a tile with a NaN or an infinity is NaN throughout, its neighbour is not", () => {
    onEveryIsa((isa) => {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const k = 200;
        const x = f32(noise(5, k));
        x.values[130] = bad;
        const q = u8(rowBytes(k, format));
        const scales = f32(2);
        native().fp8QuantizeRows(q.address, scales.address, x.address, 1, k, codes[format], 0, 1e-4, 0);
        expect(scales.values[1], isa).toBeNaN();
        const read = unpack(q.bytes, 1, k, format).map((code) => decode(code, format));
        expect(read.slice(0, 128).every(Number.isFinite)).toBe(true);
        expect(read.slice(128).every(Number.isNaN), isa).toBe(true);
      }
    });
  });
});

const groupings = [
  [0, 5],
  [0, 3, 3, 140, 141, 300],
  [0, 128, 256],
];

describe.each(groupings.map((offsets) => [offsets]))("columns of experts at %j", (offsets) => {
  const rows = offsets.at(-1)!;
  const groups = offsets.length - 1;

  test.each([0, 1] as const)("are those of the twin, power of two %i", (flag) => {
    onEveryIsa((isa) => {
      for (const k of [1, 33, 129])
        for (const type of [0, 1] as const) {
          const floor = floors[type];
          const x = stored(activations(k, rows, k), type);
          const q = u8(rows * k);
          const scales = f32((Math.floor(rows / 128) + groups) * k);
          const o = i32(offsets).address;
          expectSameBits(() => {
            native().fp8QuantizeColumns(q.address, scales.address, x.address, null, o, groups, k, flag, floor, type);
            return [q.bytes.slice(), scales.values.slice()];
          });
          for (const [, first, count, scaleRow] of tilesOf(offsets))
            for (let j = 0; j < k; j++) {
              const tile = Array.from({ length: count }, (_, i) => x.rounded[(first + i) * k + j]!);
              const scale = scaleOf(tile, flag === 1, floor);
              expect(scales.values[scaleRow * k + j], `${isa} ${first} ${j}`).toBe(scale);
              const bytes = tile.map((_, i) => q.bytes[(first + i) * k + j]!);
              expect(bytes, `${isa} ${first} ${j}`).toEqual(tile.map((value) => quantize(value, scale, "e4m3")));
            }
        }
    });
  });

  test.each(["e4m3", "e5m6"] as const)("of rows stored in %s are those of what they stand for", (format) => {
    onEveryIsa((isa) => {
      for (const k of [33, 130]) {
        const x = f32(activations(k, rows, k));
        const kept = u8(rows * rowBytes(k, format));
        const keptScales = f32(rows * Math.ceil(k / 128));
        native().fp8QuantizeRows(kept.address, keptScales.address, x.address, rows, k, codes[format], 1, 1e-4, 0);
        const plain = f32(rows * k);
        native().fp8DequantizeRows(plain.address, kept.address, keptScales.address, rows, k, codes[format], 0);
        const [a, b] = [plain, kept].map(({ address }, i) => {
          const q = u8(rows * k);
          const scales = f32((Math.floor(rows / 128) + groups) * k);
          const from = i === 0 ? null : keptScales.address;
          const o = i32(offsets).address;
          const type = i === 0 ? 0 : codes[format];
          native().fp8QuantizeColumns(q.address, scales.address, address, from, o, groups, k, 1, 1e-4, type);
          return { bytes: q.bytes, scales: scales.values };
        });
        expect(b, `${isa} ${k}`).toEqual(a);
      }
    });
  });

  test("gradient blocks have one scale for 128 rows of an expert and 128 columns", () => {
    onEveryIsa((isa) => {
      const k = 130;
      const x = stored(activations(3, rows, k), 1);
      const q = u8(rows * k);
      const scales = f32(rows * 2);
      const o = i32(offsets).address;
      native().fp8QuantizeGradientBlocks(q.address, scales.address, x.address, o, groups, k, 0, 1e-4, 1);
      for (const [, first, count] of tilesOf(offsets))
        for (const [t, at, n] of [
          [0, 0, 128],
          [1, 128, 2],
        ] as const) {
          const cells = Array.from({ length: count * n }, (_, i) => (first + Math.floor(i / n)) * k + at + (i % n));
          const block = cells.map((cell) => x.rounded[cell]!);
          const scale = scaleOf(block, false);
          for (let r = first; r < first + count; r++) expect(scales.values[r * 2 + t], isa).toBe(scale);
          expect(
            cells.map((cell) => q.bytes[cell]),
            `${isa} ${first}`,
          ).toEqual(block.map((value) => quantize(value, scale, "e4m3")));
        }
    });
  });
});

test("weights: the block of H6's values, and blocks of 128 of each expert by itself", () => {
  onEveryIsa((isa) => {
    const [groups, n, k] = [3, 150, 140];
    const w = f32(noise(4, groups * n * k, 0.1));
    w.values.fill(0, 0, 128 * k); // the first block and its neighbour are zero
    const q = u8(groups * n * k);
    const scales = f32(groups * 4);
    const rowScales = f32(groups * n * 2);
    native().fp8QuantizeWeights(q.address, scales.address, rowScales.address, w.address, groups, n, k);
    for (let g = 0; g < groups; g++)
      for (let block = 0; block < 4; block++) {
        const [top, left] = [(block >> 1) * 128, (block & 1) * 128];
        const cells: number[] = [];
        for (let i = top; i < Math.min(n, top + 128); i++)
          for (let j = left; j < Math.min(k, left + 128); j++) cells.push((g * n + i) * k + j);
        const amax = Math.max(...cells.map((cell) => Math.abs(w.values[cell]!)));
        const scale = amax === 0 ? 1 : Math.fround(amax / 448);
        expect(scales.values[g * 4 + block], `${isa} ${g} ${block}`).toBe(scale);
        for (let i = top; i < Math.min(n, top + 128); i++)
          expect(rowScales.values[(g * n + i) * 2 + (block & 1)]).toBe(scale);
        expect(cells.every((cell) => q.bytes[cell] === quantize(w.values[cell]!, scale, "e4m3"))).toBe(true);
      }
    // One matrix has the bytes of the published layout's quantiser.
    const [bytes, blocks] = [u8(n * k), f32(4)];
    native().quantizeFp8Blocks(bytes.address, blocks.address, w.address + n * k * 4, n, k, 128, 0);
    expect(bytes.bytes).toEqual(q.bytes.subarray(n * k, 2 * n * k));
    expect(blocks.values).toEqual(scales.values.subarray(4, 8));
  });
});

test("nothing to quantise writes nothing", () => {
  const [q, s] = [u8([9]), f32([5])];
  const none = i32([0, 0]).address;
  native().fp8QuantizeRows(q.address, s.address, null, 0, 5, 2, 0, 1e-4, 1);
  native().fp8QuantizeColumns(q.address, s.address, null, null, none, 1, 5, 0, 1e-4, 1);
  native().fp8QuantizeGradientBlocks(q.address, s.address, null, none, 1, 5, 0, 1e-4, 1);
  native().fp8QuantizeWeights(q.address, s.address, null, null, 0, 5, 5);
  expect([q.bytes[0], s.values[0]]).toEqual([9, 5]);
});
