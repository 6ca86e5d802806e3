/**
 * The safetensors container (model.md B5): a length, a JSON header, the bytes of the tensors. Reading maps the file, so opening is free and
 * memory is what is touched. A file from outside is believed in nothing: every entry must lie where its size says, without holes or
 * overlaps, and errors name file, tensor and offset.
 *
 * Writing is a stream: a tensor's bytes are asked for when their turn comes. Wider elements come first, so that every tensor starts at a
 * multiple of its element's size, as the reference implementation arranges them; otherwise the order is the caller's.
 */
import { constants, isUtf8 } from "node:buffer";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { writeFileAtomic } from "../files/atomic.js";
import { isObject } from "../files/json.js";
import type { Allocation } from "../tensor/arena.js";
import { type Block, native } from "../tensor/native.js";
import { parseStrictJson } from "./strictJson.js";

const elementBytes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
} as const;

/** Element types of the format, by their names in a header. */
export type FileDtype = keyof typeof elementBytes;

/** As the reference implementation limits it. */
const maxHeaderBytes = 100_000_000;

export interface TensorEntry {
  readonly name: string;
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads and checks a header.
 * @param size bytes of the file @param read gives bytes [begin, end) of it @param file its name, for errors
 * @throws RangeError for anything that the format does not allow
 */
export function parseHeader(
  size: number,
  read: (begin: number, end: number) => Uint8Array,
  file: string,
): SafetensorsHeader {
  const refuse = (what: string): RangeError => new RangeError(`${file}: ${what}`);
  if (size < 8) throw refuse(`${size} bytes, expected at least 8: not a safetensors file`);
  const lengthBytes = read(0, 8);
  const length = Number(new DataView(lengthBytes.buffer, lengthBytes.byteOffset, 8).getBigUint64(0, true));
  if (length > maxHeaderBytes) {
    throw refuse(`header of ${length} bytes, expected at most ${maxHeaderBytes}: not a safetensors file`);
  }
  const base = 8 + length;
  if (base > size) throw refuse(`header ends at byte ${base}, the file at ${size}: truncated`);
  const header = read(8, base);
  if (header[0] !== 0x7b) throw refuse('the header at byte 8 does not begin with "{"');
  if (!isUtf8(header)) throw refuse("the header is not UTF-8");
  let json: unknown;
  try {
    json = parseStrictJson(Buffer.from(header.buffer, header.byteOffset, header.length).toString("utf8"));
  } catch (error) {
    throw refuse(`header: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(json)) throw refuse("the header is not a JSON object");
  const metadata = new Map<string, string>();
  const entries = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(json)) {
    if (name !== "__metadata__") {
      entries.set(name, parseEntry(name, value, base, file));
      continue;
    }
    if (!isObject(value)) throw refuse("__metadata__ is not an object");
    for (const [key, text] of Object.entries(value)) {
      if (typeof text !== "string") throw refuse(`__metadata__: ${key} must be a string, got ${JSON.stringify(text)}`);
      metadata.set(key, text);
    }
  }
  checkLayout([...entries.values()], base, size, file);
  return { entries, metadata };
}

function parseEntry(name: string, value: unknown, base: number, file: string): TensorEntry {
  const where = `${file}: ${name}`;
  if (!isObject(value)) throw new RangeError(`${where}: expected an object with dtype, shape and data_offsets`);
  const { dtype, shape, data_offsets: offsets, ...others } = value;
  const other = Object.keys(others)[0];
  if (other !== undefined) throw new RangeError(`${where}: unknown key ${other}`);
  if (!isFileDtype(dtype)) {
    const known = Object.keys(elementBytes).join(", ");
    throw new RangeError(`${where}: dtype must be one of ${known}, got ${JSON.stringify(dtype)}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw new RangeError(`${where}: shape must be a list of whole numbers, got ${JSON.stringify(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw new RangeError(`${where}: data_offsets must be two whole numbers, got ${JSON.stringify(offsets)}`);
  }
  const [begin = 0, end = 0] = offsets;
  const bytes = byteLength({ dtype, shape });
  if (!Number.isSafeInteger(bytes) || end - begin !== bytes) {
    const found = `data_offsets [${begin}, ${end}] give ${end - begin}`;
    throw new RangeError(`${where}: ${dtype} [${shape.join(", ")}] takes ${bytes} bytes, ${found}`);
  }
  return { name, dtype, shape, begin: base + begin, end: base + end };
}

function isFileDtype(value: unknown): value is FileDtype {
  return typeof value === "string" && Object.hasOwn(elementBytes, value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** The tensors must fill the rest of the file, each byte once. */
function checkLayout(entries: TensorEntry[], begin: number, size: number, file: string): void {
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = begin;
  for (const entry of entries) {
    if (entry.begin !== at) {
      const what = entry.begin < at ? "overlaps the tensor before it" : "leaves a hole before it";
      throw new RangeError(`${file}: ${entry.name} ${what}: starts at byte ${entry.begin}, expected ${at}`);
    }
    at = entry.end;
  }
  if (at !== size) {
    const what = at > size ? "truncated" : "bytes that belong to no tensor";
    throw new RangeError(`${file}: the tensors end at byte ${at}, the file at ${size}: ${what}`);
  }
}

/**
 * An open file. It is mapped, unless it is longer than an array may be (4 GiB in Node 20); then tensors are read when they are asked for.
 */
export class SafetensorsFile {
  readonly path: string;
  readonly header: SafetensorsHeader;
  readonly #map: Block | null;

  /** @param longestMap largest file that is mapped @throws RangeError for a file that is missing, or not one of this format */
  constructor(path: string, longestMap: number = constants.MAX_LENGTH) {
    this.path = path;
    const status = statSync(path, { throwIfNoEntry: false });
    if (!status) throw new RangeError(`${path}: no such file`);
    if (!status.isFile()) throw new RangeError(`${path}: not a file`);
    const { size } = status;
    this.#map = size >= 8 && size <= longestMap ? native().mapFile(path) : null;
    this.watch(true);
    this.header = parseHeader(size, (begin, end) => this.bytes({ begin, end }), path);
    if (this.damage !== null) throw new RangeError(this.damage);
    this.watch(false);
  }

  /** Gives `use` the address of bytes [begin, end) of the file, for kernels; it is valid during the call. */
  at({ begin, end }: Pick<TensorEntry, "begin" | "end">, use: (address: number) => void): void {
    if (this.#map) {
      use(this.#map.address + begin);
      return;
    }
    const block = native().alloc(end - begin);
    this.#read(begin, new Uint8Array(block.buffer, 0, end - begin));
    use(block.address);
    native().release(block.address, block.bytes);
  }

  /** Bytes [begin, end) in place, for tensors that live as long as they like; null where the file is not mapped. */
  place({ begin, end }: Pick<TensorEntry, "begin" | "end">): Allocation | null {
    return this.#map && { block: this.#map, offset: begin, bytes: end - begin };
  }

  /** Whether a map of a file that is cut short meanwhile is marked as damaged and reads as zeros; else, as at first, that ends the process. */
  watch(isWatched: boolean): void {
    if (this.#map) native().watchMap(this.#map.address, isWatched);
  }

  /** Of a file that is watched: what is wrong with it, once something is. */
  get damage(): string | null {
    if (!this.#map || !native().isMapDamaged(this.#map.address)) return null;
    return `${this.path}: cut short or unreadable since it was opened`;
  }

  /** Says that bytes [begin, end) are not needed soon: they stop counting as this process's memory until they are read again. */
  forget({ begin, end }: Pick<TensorEntry, "begin" | "end">): void {
    if (this.#map) native().forget(this.#map.address + begin, end - begin);
  }

  /** Bytes [begin, end), in place where the file is mapped. */
  bytes({ begin, end }: Pick<TensorEntry, "begin" | "end">): Uint8Array {
    if (this.#map) return new Uint8Array(this.#map.buffer, begin, end - begin);
    const bytes = new Uint8Array(end - begin);
    this.#read(begin, bytes);
    return bytes;
  }

  #read(begin: number, into: Uint8Array): void {
    const fd = openSync(this.path, "r");
    try {
      for (let done = 0; done < into.length; ) {
        const read = readSync(fd, into, done, Math.min(1 << 30, into.length - done), begin + done);
        if (read === 0) throw new RangeError(`${this.path}: ends at byte ${begin + done}: truncated`);
        done += read;
      }
    } finally {
      closeSync(fd);
    }
  }
}

/** A tensor to write; its bytes are asked for when their turn comes, in pieces of any size. */
export interface TensorSource {
  readonly name: string;
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  readonly chunks: () => Iterable<Uint8Array>;
}

export function byteLength(tensor: Pick<TensorEntry, "dtype" | "shape">): number {
  return tensor.shape.reduce((product, extent) => product * extent, elementBytes[tensor.dtype]);
}

/** Writes a whole file or none, a tensor at a time. @throws the system's error, for instance of a full disk */
export function writeSafetensors(path: string, tensors: readonly TensorSource[]): void {
  const ordered = [...tensors].sort((a, b) => elementBytes[b.dtype] - elementBytes[a.dtype]);
  writeFileAtomic(path, fileChunks(path, ordered));
}

function* fileChunks(path: string, tensors: readonly TensorSource[]): Iterable<Uint8Array> {
  yield encodeHeader(tensors);
  for (const tensor of tensors) {
    const expected = byteLength(tensor);
    let given = 0;
    for (const chunk of tensor.chunks()) {
      given += chunk.length;
      yield chunk;
    }
    if (given !== expected) throw new Error(`internal: ${path}: ${tensor.name} gave ${given} of ${expected} bytes`);
  }
}

/** Length and JSON, filled up with spaces to a multiple of 8 so that the data is aligned. `format: pt` is what older readers ask for. */
function encodeHeader(tensors: readonly TensorSource[]): Uint8Array {
  const header = new Map<string, unknown>([["__metadata__", { format: "pt" }]]);
  let at = 0;
  for (const { name, dtype, shape } of tensors) {
    if (header.has(name)) throw new Error(`internal: tensor ${name} is written twice`);
    const end = at + byteLength({ dtype, shape });
    header.set(name, { dtype, shape, data_offsets: [at, end] });
    at = end;
  }
  // Object.fromEntries would move names that look like numbers to the front.
  const members = Array.from(header, ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const text = Buffer.from(`{${members.join(",")}}`, "utf8");
  const length = Math.ceil(text.length / 8) * 8;
  const result = Buffer.alloc(8 + length, " ");
  result.writeBigUInt64LE(BigInt(length));
  text.copy(result, 8);
  return result;
}
