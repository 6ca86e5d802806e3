/** Buffers of recorded kernel calls: inputs and outputs of noise in both storage types. */
import { noise } from "../kernels/memory.js";
import { type ElementType, input, type Operand, output } from "./calls.js";

export type Storage = 0 | 1;
export const storages: readonly Storage[] = [0, 1];
export const nameOf = (type: Storage): ElementType => (type === 0 ? "f32" : "bf16");

let seed = 1000;
/** Begins the stream of numbers anew, so that every recording is the same. */
export function restart(): void {
  seed = 1000;
}
export const fresh = (length: number, size = 1): Float32Array => noise(seed++, length, size);
export const given = (length: number, type: Storage = 0, size = 1): Operand => input(fresh(length, size), nameOf(type));
/** An output that starts as noise; sums may differ by their order, bf16 by two units of the last place. */
export function made(length: number, type: Storage = 0, absolute = type === 0 ? 4e-6 : 2 ** -7): Operand {
  return output(fresh(length), nameOf(type), absolute, type === 0 ? 4e-6 : 2 ** -7);
}
export const madeInts = (length: number): Operand => output(new Int32Array(length).fill(77), "i32", 0, 0);
