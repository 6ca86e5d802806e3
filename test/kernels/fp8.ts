/** The formats and quantisers of FP8 training as slow, obvious code on numbers: the oracle of the kernel tests. */
import { native } from "../../src/tensor/native.js";

/** Every finite value of a format with its code, the non-negative ones, in order. */
function table(exponentBits: number, mantissaBits: number, codes: number): number[] {
  const bias = 2 ** (exponentBits - 1) - 1;
  return Array.from({ length: codes }, (_, code) => {
    const exponent = code >> mantissaBits;
    const mantissa = code & (2 ** mantissaBits - 1);
    return exponent === 0
      ? mantissa * 2 ** (1 - bias - mantissaBits)
      : (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
  });
}
const formats = {
  e4m3: { values: table(4, 3, 0x7f), nan: 0x7f, sign: 0x80 },
  e5m6: { values: table(5, 6, 0x7c0), nan: 0x7e0, sign: 0x800 },
} as const;
export type Format = keyof typeof formats;

/** The code of the nearest value, the even code on ties, the largest value beyond it: by search. */
export function encode(x: number, format: Format): number {
  const { values, nan, sign } = formats[format];
  if (Number.isNaN(x)) return nan;
  const size = Math.abs(x);
  const negative = x < 0 || Object.is(x, -0) ? sign : 0;
  let low = 0;
  let high = values.length - 1;
  if (size >= values[high]!) return high | negative;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle]! <= size) low = middle;
    else high = middle;
  }
  const [down, up] = [size - values[low]!, values[high]! - size];
  const code = down < up || (down === up && low % 2 === 0) ? low : high;
  return code | negative;
}

export function decode(code: number, format: Format): number {
  const { values, sign } = formats[format];
  const size = values[code & (sign - 1)] ?? Number.NaN;
  return code & sign ? -size : size;
}

/** s = amax / 448 in float32 with amax at least the floor, or the power of two at or above it; NaN for a tile with NaN or infinity. */
export function scaleOf(values: readonly number[], isPowerOfTwo: boolean, floor = 1e-4): number {
  if (values.some((value) => !Number.isFinite(value))) return Number.NaN;
  const amax = Math.max(Math.fround(floor), ...values.map(Math.abs));
  const scale = Math.fround(amax / 448);
  return isPowerOfTwo ? 2 ** Math.ceil(Math.log2(scale)) : scale;
}

/** The stored code of x under a scale, divided in float32. */
export function quantize(x: number, scale: number, format: Format): number {
  return encode(Math.fround(x / scale), format);
}

export interface Bytes {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export function u8(source: ArrayLike<number> | number): Bytes {
  const length = typeof source === "number" ? source : source.length;
  const block = native().alloc(length + 64);
  const bytes = new Uint8Array(block.buffer, 0, length);
  if (typeof source !== "number") bytes.set(source);
  return { address: block.address, bytes };
}

export const rowBytes = (k: number, format: Format): number => (format === "e5m6" ? Math.ceil(k / 2) * 3 : k);

/** Codes of rows as they are stored. */
export function unpack(bytes: Uint8Array, rows: number, k: number, format: Format): number[] {
  if (format === "e4m3") return [...bytes.subarray(0, rows * k)];
  const stride = rowBytes(k, format);
  return Array.from({ length: rows * k }, (_, i) => {
    const [row, column] = [Math.floor(i / k), i % k];
    const at = row * stride + (column >> 1) * 3;
    return column % 2 === 0 ? bytes[at]! | ((bytes[at + 1]! & 15) << 8) : (bytes[at + 1]! >> 4) | (bytes[at + 2]! << 4);
  });
}

/** [expert, first row, rows, row of the scales] of every tile of 128 rows. */
export function tilesOf(offsets: ArrayLike<number>): [number, number, number, number][] {
  const tiles: [number, number, number, number][] = [];
  for (let e = 0; e + 1 < offsets.length; e++)
    for (let i = 0, r = offsets[e]!; r < offsets[e + 1]!; i++, r += 128)
      tiles.push([e, r, Math.min(128, offsets[e + 1]! - r), Math.floor(offsets[e]! / 128) + e + i]);
  return tiles;
}
