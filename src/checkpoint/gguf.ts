/**
 * The container of llama.cpp, version 3: a header of typed key-value pairs, a table of tensors with their extents in reverse order, then the
 * tensors, each at a multiple of 32 bytes. Written piece by piece, so that memory is that of the largest tensor.
 */
import { type FileContent, writeFileAtomic } from "../files/atomic.js";

/** What the tables of the format call the types that we write. */
export const ggufTypes = { f32: 0, f16: 1, q8_0: 8, bf16: 30 } as const;
export type GgufType = keyof typeof ggufTypes;

export type GgufValue =
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly bool: boolean }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly i32s: readonly number[] };

export interface GgufTensor {
  readonly name: string;
  /** Row-major, as everywhere here; the file lists the last extent first. */
  readonly shape: readonly number[];
  readonly type: GgufType;
  /** The tensor's bytes in order; made when its turn to be written comes. */
  readonly pieces: () => Iterable<Uint8Array>;
}

const alignment = 32;
/** Values that share a scale in Q8_0, and the bytes of such a block: a float16 and as many int8. */
export const q8Block = 32;
export const q8BlockBytes = 34;

export function ggufBytes(type: GgufType, elements: number): number {
  switch (type) {
    case "f32":
      return 4 * elements;
    case "f16":
    case "bf16":
      return 2 * elements;
    case "q8_0":
      return (elements / q8Block) * q8BlockBytes;
    default:
      return type satisfies never;
  }
}

/** @returns bytes of the file @throws the system's error; nothing is left behind */
export function writeGguf(
  path: string,
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): number {
  const head = new Bytes();
  head.raw(new TextEncoder().encode("GGUF"));
  head.u32(3);
  head.u64(tensors.length);
  head.u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    head.text(key);
    head.value(value);
  }
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    head.text(name);
    head.u32(shape.length);
    for (const extent of [...shape].reverse()) head.u64(extent);
    head.u32(ggufTypes[type]);
    head.u64(offset);
    offset = aligned(offset + ggufBytes(type, product(shape)));
  }
  head.raw(new Uint8Array(aligned(head.length) - head.length));
  writeFileAtomic(path, pieces(head.bytes(), tensors));
  return head.length + offset;
}

function* pieces(head: Uint8Array, tensors: readonly GgufTensor[]): Iterable<FileContent> {
  yield head;
  for (const { name, shape, type, pieces } of tensors) {
    let written = 0;
    for (const piece of pieces()) {
      written += piece.byteLength;
      yield piece;
    }
    const expected = ggufBytes(type, product(shape));
    if (written !== expected) throw new Error(`internal: ${name} gave ${written} bytes, expected ${expected}`);
    if (written % alignment !== 0) yield new Uint8Array(aligned(written) - written);
  }
}

const product = (shape: readonly number[]): number => shape.reduce((size, extent) => size * extent, 1);
const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** A growing little-endian buffer. */
class Bytes {
  #data = new Uint8Array(1 << 16);
  length = 0;

  bytes(): Uint8Array {
    return this.#data.subarray(0, this.length);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#data.set(bytes, this.length);
    this.length += bytes.length;
  }

  u32(value: number): void {
    this.#number(4, (view, at) => view.setUint32(at, value, true));
  }

  u64(value: number): void {
    this.#number(8, (view, at) => view.setBigUint64(at, BigInt(value), true));
  }

  text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    this.raw(bytes);
  }

  /** The type's number, then the value. */
  value(value: GgufValue): void {
    if ("u32" in value) {
      this.u32(4);
      this.u32(value.u32);
    } else if ("f32" in value) {
      this.u32(6);
      this.#number(4, (view, at) => view.setFloat32(at, value.f32, true));
    } else if ("bool" in value) {
      this.u32(7);
      this.raw(Uint8Array.of(value.bool ? 1 : 0));
    } else if ("text" in value) {
      this.u32(8);
      this.text(value.text);
    } else if ("texts" in value) {
      this.u32(9);
      this.u32(8);
      this.u64(value.texts.length);
      for (const text of value.texts) this.text(text);
    } else {
      this.u32(9);
      this.u32(5);
      this.u64(value.i32s.length);
      for (const number of value.i32s) this.#number(4, (view, at) => view.setInt32(at, number, true));
    }
  }

  #number(bytes: number, set: (view: DataView, at: number) => void): void {
    this.#room(bytes);
    set(new DataView(this.#data.buffer), this.length);
    this.length += bytes;
  }

  #room(bytes: number): void {
    if (this.length + bytes <= this.#data.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#data.length, this.length + bytes));
    larger.set(this.bytes());
    this.#data = larger;
  }
}
