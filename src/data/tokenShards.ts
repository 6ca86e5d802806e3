/**
 * Token ids on disk: a source is a list of shard files, each a header, the ids (16 or 32 bits) and where its documents start.
 *
 *   bytes 0-7    "FTHMTOKS"          8-11  version 1       12-15  bits per id, 16 or 32
 *   bytes 16-23  number of ids      24-31  number of documents (both u64, little endian, as everything)
 *   bytes 32-    ids, padded with zeros to a multiple of 8; then documents + 1 starts (u64), the last one the number of ids
 *
 * Ids are read by position and kept by the system's page cache. Deviation: reads instead of a mapping, which Node.js does not offer; a row
 * of a thousand ids costs a few microseconds, far below its training step.
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { writeFileAtomic } from "../files/atomic.js";

const magic = "FTHMTOKS";
const version = 1;
const headerBytes = 32;

export interface ShardInfo {
  /** Name inside the data directory. */
  readonly file: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly documents: number;
  readonly tokens: number;
}

/** Bits that hold every id of a vocabulary. */
export function idBits(vocabSize: number): 16 | 32 {
  return vocabSize <= 1 << 16 ? 16 : 32;
}

/**
 * Writes one shard, whole or not at all.
 * @param documents ids of each document
 */
export function writeShard(path: string, bits: 16 | 32, documents: readonly Int32Array[]): Omit<ShardInfo, "file"> {
  const tokens = documents.reduce((sum, { length }) => sum + length, 0);
  const idBytes = tokens * (bits / 8);
  const ids = new Uint8Array(Math.ceil(idBytes / 8) * 8);
  const values = bits === 16 ? new Uint16Array(ids.buffer, 0, tokens) : new Uint32Array(ids.buffer, 0, tokens);
  const starts = new BigUint64Array(documents.length + 1);
  let at = 0;
  documents.forEach((document, d) => {
    values.set(document, at);
    at += document.length;
    starts[d + 1] = BigInt(at);
  });
  const header = Buffer.alloc(headerBytes);
  header.write(magic, 0, "latin1");
  header.writeUInt32LE(version, 8);
  header.writeUInt32LE(bits, 12);
  header.writeBigUInt64LE(BigInt(tokens), 16);
  header.writeBigUInt64LE(BigInt(documents.length), 24);
  const pieces = [header, ids, new Uint8Array(starts.buffer)];
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  writeFileAtomic(path, pieces);
  const sizeBytes = pieces.reduce((sum, { length }) => sum + length, 0);
  return { sizeBytes, sha256: hash.digest("hex"), documents: documents.length, tokens };
}

/** One open shard. */
class Shard {
  readonly path: string;
  readonly tokens: number;
  /** [documents + 1] positions in this shard */
  readonly documentStarts: Float64Array;
  readonly #fd: number;
  readonly #bits: 16 | 32;

  /** @throws RangeError naming the file and what is wrong */
  constructor(path: string) {
    this.path = path;
    try {
      this.#fd = openSync(path, "r");
    } catch (error) {
      throw new RangeError(`${path}: cannot be read (${error instanceof Error ? error.message : String(error)})`);
    }
    try {
      const size = fstatSync(this.#fd).size;
      if (size < headerBytes) throw new RangeError(`${path}: ${size} bytes are too few for a token shard's header`);
      const header = this.#bytes(0, headerBytes);
      const found = header.toString("latin1", 0, 8);
      if (found !== magic) throw new RangeError(`${path}: not a token shard: begins with ${JSON.stringify(found)}`);
      const foundVersion = header.readUInt32LE(8);
      if (foundVersion !== version) {
        throw new RangeError(`${path}: token shard of version ${foundVersion}, expected ${version}`);
      }
      const bits = header.readUInt32LE(12);
      if (bits !== 16 && bits !== 32) throw new RangeError(`${path}: ${bits} bits per id, expected 16 or 32`);
      this.#bits = bits;
      const tokens = header.readBigUInt64LE(16);
      const documents = header.readBigUInt64LE(24);
      const idBytes = ((tokens * BigInt(bits / 8) + 7n) / 8n) * 8n;
      const expected = BigInt(headerBytes) + idBytes + (documents + 1n) * 8n;
      if (expected !== BigInt(size)) {
        throw new RangeError(
          `${path}: ${size} bytes, expected ${expected} for ${tokens} ids of ${documents} documents. Cut short?`,
        );
      }
      this.tokens = Number(tokens);
      const table = this.#bytes(headerBytes + Number(idBytes), (Number(documents) + 1) * 8);
      this.documentStarts = Float64Array.from({ length: Number(documents) + 1 }, (_, d) =>
        Number(table.readBigUInt64LE(8 * d)),
      );
      this.documentStarts.forEach((start, d) => {
        const before = d === 0 ? 0 : (this.documentStarts[d - 1] ?? 0);
        if (d === 0 ? start !== 0 : start < before) throw new RangeError(`${path}: document ${d} starts at ${start}`);
      });
      if (this.documentStarts.at(-1) !== this.tokens) {
        throw new RangeError(`${path}: documents end at ${this.documentStarts.at(-1)}, expected ${this.tokens}`);
      }
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  read(start: number, out: Int32Array): void {
    const width = this.#bits / 8;
    const bytes = this.#bytes(headerBytes + start * width, out.length * width);
    if (this.#bits === 16) for (let i = 0; i < out.length; i++) out[i] = bytes.readUInt16LE(2 * i);
    else for (let i = 0; i < out.length; i++) out[i] = bytes.readInt32LE(4 * i);
  }

  sha256(): string {
    const hash = createHash("sha256");
    const { size } = fstatSync(this.#fd);
    for (let at = 0; at < size; at += 1 << 22) hash.update(this.#bytes(at, Math.min(1 << 22, size - at)));
    return hash.digest("hex");
  }

  close(): void {
    closeSync(this.#fd);
  }

  #bytes(position: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const count = readSync(this.#fd, buffer, done, length - done, position + done);
      if (count === 0)
        throw new RangeError(`${this.path}: ends at byte ${position + done}; cut short while it was open`);
      done += count;
    }
    return buffer;
  }
}

/** The token stream of a list of shards, documents one after the other. */
export class TokenStream implements Disposable {
  readonly numTokens: number;
  /** [documents + 1] positions in the stream */
  readonly documentStarts: Float64Array;
  readonly #shards: Shard[] = [];
  /** [shards + 1] */
  readonly #shardStarts: number[] = [0];

  /**
   * @param paths shard files in order
   * @throws RangeError naming a file that is missing, cut short or no shard
   */
  constructor(paths: readonly string[]) {
    let documents = 0;
    try {
      for (const path of paths) {
        const shard = new Shard(path);
        this.#shards.push(shard);
        this.#shardStarts.push(this.#shardStarts.at(-1)! + shard.tokens);
        documents += shard.documentStarts.length - 1;
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    this.numTokens = this.#shardStarts.at(-1)!;
    this.documentStarts = new Float64Array(documents + 1);
    let at = 0;
    this.#shards.forEach((shard, s) => {
      const base = this.#shardStarts[s]!;
      for (let d = 0; d + 1 < shard.documentStarts.length; d++) {
        this.documentStarts[at++] = base + shard.documentStarts[d]!;
      }
    });
    this.documentStarts[at] = this.numTokens;
  }

  get numDocuments(): number {
    return this.documentStarts.length - 1;
  }

  /** Fills `out` with the ids from position `start` on. @throws RangeError past the end */
  read(start: number, out: Int32Array): void {
    if (!(start >= 0 && start + out.length <= this.numTokens)) {
      throw new RangeError(`tokens [${start}, ${start + out.length}) are outside the stream of ${this.numTokens}`);
    }
    for (let done = 0; done < out.length; ) {
      const shard = this.#shardAt(start + done);
      const base = this.#shardStarts[shard]!;
      const take = Math.min(out.length - done, this.#shardStarts[shard + 1]! - start - done);
      this.#shards[shard]!.read(start + done - base, out.subarray(done, done + take));
      done += take;
    }
  }

  /** Ids of document `index`. */
  document(index: number): Int32Array {
    const start = this.documentStarts[index];
    const end = this.documentStarts[index + 1];
    if (start === undefined || end === undefined) {
      throw new RangeError(`document ${index} is outside [0, ${this.numDocuments})`);
    }
    const out = new Int32Array(end - start);
    this.read(start, out);
    return out;
  }

  /** @throws RangeError naming the shard whose content is not what its manifest says */
  verify(shards: readonly ShardInfo[]): void {
    this.#shards.forEach((shard, s) => {
      const found = shard.sha256();
      const expected = shards[s]?.sha256;
      if (found !== expected) throw new RangeError(`${shard.path}: sha-256 is ${found}, expected ${expected}`);
    });
  }

  [Symbol.dispose](): void {
    for (const shard of this.#shards.splice(0)) shard.close();
  }

  /** The shard that holds a position: the last one that starts at or before it. */
  #shardAt(position: number): number {
    let low = 0;
    let high = this.#shards.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#shardStarts[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
