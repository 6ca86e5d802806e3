/**
 * A contiguous row-major array in native memory with one owner. Model code treats activations as [rows, columns]; what the columns mean
 * (heads, halves of a fused projection) is said by the op that reads them, so no views are needed on the hot path.
 */
import type { Allocation, Arena } from "./arena.js";
import { bytesPerElement, type Dtype, dtypeCode } from "./dtype.js";
import { type Block, type DtypeCode, native } from "./native.js";

export type Shape = readonly number[];

export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

/** Rows in the stored form of FP8 linears, one scale for each 128 values of a row (ops/fp8.ts). */
export interface QuantizedRows {
  /** [rows, columns] float8_e4m3fn, or float12_e5m6, whose rows end with a whole pair of values */
  readonly data: Tensor;
  /** [rows, ceil(columns / 128)] float32 */
  readonly scales: Tensor;
  readonly isPowerOfTwo: boolean;
  /** Dropped with the values it was made of, which are computed anew in the backward. */
  readonly isDropped: boolean;
}

/** Views of whole blocks, for reading single values. */
const wordsOf = new WeakMap<Block, Int32Array>();

export class Tensor {
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly size: number;
  /** Gradient of the same shape, while a backward pass needs it; see Tape. */
  grad: Tensor | null = null;
  /** The same values as FP8 linears read them, made once for all that do; freed by its own owner. */
  quantized: QuantizedRows | null = null;
  /** Whether a recorded backward reads the values; others can be dropped once they were used. */
  isReadInBackward = false;
  readonly #arena: Arena | null;
  #allocation: Allocation | null;
  readonly #viewOffset: number;

  private constructor(shape: Shape, dtype: Dtype, allocation: Allocation, arena: Arena | null, viewOffset: number) {
    this.shape = shape;
    this.dtype = dtype;
    this.size = sizeOf(shape);
    this.#allocation = allocation;
    this.#arena = arena;
    this.#viewOffset = viewOffset;
  }

  /** Uninitialised memory of the arena, owned by the tensor until `free`. */
  static empty(arena: Arena, shape: Shape, dtype: Dtype): Tensor {
    const bytes = sizeOf(shape) * bytesPerElement[dtype];
    return new Tensor(shape, dtype, arena.take(bytes), arena, 0);
  }

  static zeros(arena: Arena, shape: Shape, dtype: Dtype): Tensor {
    const bytes = sizeOf(shape) * bytesPerElement[dtype];
    return new Tensor(shape, dtype, arena.takeZeroed(bytes), arena, 0);
  }

  static fromFloats(arena: Arena, shape: Shape, values: ArrayLike<number>, dtype: Dtype = "float32"): Tensor {
    if (values.length !== sizeOf(shape)) {
      throw new RangeError(`tensor [${shape.join(", ")}] takes ${sizeOf(shape)} values, got ${values.length}`);
    }
    const tensor = Tensor.empty(arena, shape, "float32");
    tensor.floats().set(values);
    if (dtype === "float32") return tensor;
    const converted = tensor.converted(arena, dtype);
    tensor.free();
    return converted;
  }

  static fromInts(arena: Arena, values: ArrayLike<number>): Tensor {
    const tensor = Tensor.empty(arena, [values.length], "int32");
    tensor.ints().set(values);
    return tensor;
  }

  /** Memory that someone else keeps alive (a mapped file): never freed here. */
  static over(allocation: Allocation, shape: Shape, dtype: Dtype): Tensor {
    const bytes = sizeOf(shape) * bytesPerElement[dtype];
    if (bytes > allocation.bytes) throw new RangeError(`internal: tensor of ${bytes} bytes over ${allocation.bytes}`);
    return new Tensor(shape, dtype, allocation, null, 0);
  }

  /** A part of this tensor from element `start` on; not an owner, valid while this tensor is. */
  view(start: number, shape: Shape): Tensor {
    if (start < 0 || start + sizeOf(shape) > this.size) {
      throw new RangeError(`internal: view of [${shape.join(", ")}] at ${start} leaves [${this.shape.join(", ")}]`);
    }
    return new Tensor(shape, this.dtype, this.#alive(), null, this.#viewOffset + start * bytesPerElement[this.dtype]);
  }

  /** The rows from `begin` on, as a view. */
  rowsFrom(begin: number, rows: number): Tensor {
    return this.view(begin * this.columns, [rows, this.columns]);
  }

  get isFreed(): boolean {
    return this.#allocation === null;
  }

  get address(): number {
    const allocation = this.#alive();
    return allocation.block.address + allocation.offset + this.#viewOffset;
  }

  get code(): DtypeCode {
    return dtypeCode(this.dtype);
  }

  get rows(): number {
    return this.shape[0] ?? 1;
  }

  /** Elements per row: the product of all extents but the first. */
  get columns(): number {
    return this.rows === 0 ? sizeOf(this.shape.slice(1)) : this.size / this.rows;
  }

  /** The live memory as floats. @throws TypeError for another dtype */
  floats(): Float32Array {
    if (this.dtype !== "float32") throw new TypeError(`internal: ${this.dtype} tensor read as float32`);
    const [buffer, offset] = this.#place();
    return new Float32Array(buffer, offset, this.size);
  }

  ints(): Int32Array {
    if (this.dtype !== "int32") throw new TypeError(`internal: ${this.dtype} tensor read as int32`);
    const [buffer, offset] = this.#place();
    return new Int32Array(buffer, offset, this.size);
  }

  /** One value of an int32 tensor, without a view of its memory being made for it. */
  intAt(index: number): number {
    if (this.dtype !== "int32") throw new TypeError(`internal: ${this.dtype} tensor read as int32`);
    if (index < 0 || index >= this.size) throw new RangeError(`internal: element ${index} of ${this.size}`);
    const { block, offset } = this.#alive();
    let words = wordsOf.get(block);
    if (!words) {
      words = new Int32Array(block.buffer, 0, Math.floor(block.buffer.byteLength / 4));
      wordsOf.set(block, words);
    }
    return words[(offset + this.#viewOffset) / 4 + index] ?? 0;
  }

  get byteLength(): number {
    return this.size * bytesPerElement[this.dtype];
  }

  bytes(): Uint8Array {
    const [buffer, offset] = this.#place();
    return new Uint8Array(buffer, offset, this.byteLength);
  }

  /** A copy as numbers, whatever floating type it has. */
  toFloats(): Float32Array {
    if (this.dtype === "float32") return this.floats().slice();
    const block = native().alloc(this.size * 4);
    native().convert(block.address, this.address, this.size, 0, this.code);
    return new Float32Array(block.buffer, 0, this.size);
  }

  /** A new tensor of the arena with the values in another floating type. */
  converted(arena: Arena, dtype: Dtype): Tensor {
    const result = Tensor.empty(arena, this.shape, dtype);
    native().convert(result.address, this.address, this.size, result.code, this.code);
    return result;
  }

  fill(value: number): void {
    if (this.dtype === "float32") native().fill(this.address, value, this.size);
    else if (value === 0) this.bytes().fill(0);
    else throw new TypeError(`internal: fill of ${this.dtype} with ${value}`);
  }

  /** Gives memory and gradient back; a second call does nothing. */
  free(): void {
    this.grad?.free();
    this.grad = null;
    if (this.#allocation && this.#arena) this.#arena.give(this.#allocation);
    this.#allocation = null;
  }

  /** Takes memory again after `free`, for values that are computed anew in the backward pass. */
  revive(): void {
    if (!this.#arena || this.#allocation)
      throw new Error("internal: revive of a tensor that is alive or does not own memory");
    this.#allocation = this.#arena.take(this.size * bytesPerElement[this.dtype]);
  }

  #alive(): Allocation {
    if (!this.#allocation) throw new Error(`internal: use of a freed tensor [${this.shape.join(", ")}]`);
    return this.#allocation;
  }

  #place(): [ArrayBuffer, number] {
    const allocation = this.#alive();
    return [allocation.block.buffer, allocation.offset + this.#viewOffset];
  }
}
