/** What kernel tests share: native arrays, the instruction sets of this machine, comparison that says where and how much. */
import { type DtypeCode, type Isa, native } from "../../src/tensor/native.js";

export const isas: readonly Isa[] = native().isas().split(",") as Isa[];

export interface F32Array {
  readonly address: number;
  readonly values: Float32Array;
}
export interface I32Array {
  readonly address: number;
  readonly values: Int32Array;
}

/** Native f32 memory filled from `source` (or zeros for a length), padded so that reading past the end shows as garbage, not a crash. */
export function f32(source: ArrayLike<number> | number): F32Array {
  const length = typeof source === "number" ? source : source.length;
  const block = native().alloc(length * 4 + 64);
  const values = new Float32Array(block.buffer, 0, length);
  if (typeof source !== "number") values.set(source);
  return { address: block.address, values };
}

export function i32(source: ArrayLike<number> | number): I32Array {
  const length = typeof source === "number" ? source : source.length;
  const block = native().alloc(length * 4 + 64);
  const values = new Int32Array(block.buffer, 0, length);
  if (typeof source !== "number") values.set(source);
  return { address: block.address, values };
}

export function f64(source: ArrayLike<number>): { readonly address: number; readonly values: Float64Array } {
  const block = native().alloc(source.length * 8 + 64);
  const values = new Float64Array(block.buffer, 0, source.length);
  values.set(source);
  return { address: block.address, values };
}

/** An array stored as f32 (type 0) or bf16 (type 1): `read()` gives numbers, `rounded` the source after the storage rounding. */
export interface Stored {
  readonly address: number;
  readonly type: DtypeCode;
  readonly rounded: Float32Array;
  read(): Float32Array;
}

export function stored(source: ArrayLike<number> | number, type: DtypeCode): Stored {
  const length = typeof source === "number" ? source : source.length;
  if (type === 0) {
    const array = f32(source);
    return { address: array.address, type, rounded: array.values.slice(), read: () => array.values.slice() };
  }
  const block = native().alloc(length * 2 + 64);
  const bits = new Uint16Array(block.buffer, 0, length);
  if (typeof source !== "number") for (let i = 0; i < length; i++) bits[i] = bf16Bits(source[i]!);
  const read = (): Float32Array => Float32Array.from(bits, bf16Value);
  return { address: block.address, type, rounded: read(), read };
}

const word = new Uint32Array(1);
const real = new Float32Array(word.buffer);

/** Nearest even, written independently of the kernels. */
export function bf16Bits(value: number): number {
  real[0] = value;
  const bits = word[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  const upper = bits >>> 16;
  const rest = bits & 0xffff;
  return rest > 0x8000 || (rest === 0x8000 && (upper & 1) === 1) ? (upper + 1) & 0xffff : upper;
}

export function bf16Value(bits: number): number {
  word[0] = bits << 16;
  return real[0]!;
}

/** A repeatable stream of numbers in [-1, 1), unrelated to the library's generator. */
export function noise(seed: number, length: number, size = 1): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2147483648 - 1) * size;
  });
}

/** @throws with the largest difference, its index and both values if any |a - b| > absolute + relative * |b|, or a NaN differs */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  absolute: number,
  relative: number,
  what = "",
): void {
  if (actual.length !== expected.length)
    throw new Error(`${what}: ${actual.length} values, expected ${expected.length}`);
  let worst = 0;
  let at = -1;
  for (let i = 0; i < expected.length; i++) {
    const excess = Math.abs(actual[i]! - expected[i]!) - absolute - relative * Math.abs(expected[i]!);
    if (!(excess <= 0) && !(Number.isNaN(actual[i]!) && Number.isNaN(expected[i]!)) && !(excess < worst)) {
      worst = excess;
      at = i;
    }
  }
  if (at >= 0)
    throw new Error(
      `${what}: [${at}] is ${actual[at]}, expected ${expected[at]} (within ${absolute} + ${relative} * |expected|)`,
    );
}

/** Runs `body` once per instruction set of this machine and puts the best one back. */
export function onEveryIsa(body: (isa: Isa) => void): void {
  const best = native().isa();
  try {
    for (const isa of isas) {
      native().selectIsa(isa);
      body(isa);
    }
  } finally {
    native().selectIsa(best);
  }
}
