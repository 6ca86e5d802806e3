/**
 * Byte-level BPE, the encoding half: the bytes of a piece become token ids by merging, again and again, the pair of lowest
 * rank (of equal pairs the leftmost). A heap of candidate pairs over a linked list makes that n log n, also for a piece
 * of a megabyte; what short pieces encode to is remembered, since text repeats itself.
 * Source: Sennrich et al. 2016; the order of merges is that of Hugging Face `tokenizers`, ids are identical.
 */
import { ByteMap } from "./byteMap.js";
import { PairTable } from "./pairTable.js";
import type { Pretokenizer } from "./pretokenize.js";

/** What `BpeModel` needs from a tokenizer file, already checked. */
export interface BpeTables {
  /** Bytes of each ordinary token by id; null for ids that text never becomes. */
  readonly tokenBytes: readonly (Uint8Array | null)[];
  /** Ids of left part, right part and result of each merge, best rank first: 3 numbers a merge. */
  readonly merges: Int32Array;
  /** Take a piece that is itself a token as that token, without merging. */
  readonly ignoreMerges: boolean;
}

const longestCachedPiece = 64; // bytes
const mostCachedPieces = 1 << 18;

export class BpeEncoder {
  readonly #pretokenizer: Pretokenizer;
  readonly #byteIds = new Int32Array(256).fill(-1);
  readonly #pairs: PairTable;
  readonly #ranks: Int32Array;
  readonly #merged: Int32Array;
  readonly #wholePieces: ByteMap | null = null;
  readonly #wholePieceIds: number[] = [];
  #cache = new ByteMap();
  #cachedFrom = new Int32Array(1025); // ids of cached piece i: cachedIds[cachedFrom[i], cachedFrom[i + 1])
  #cachedIds = new Int32Array(4096);
  #heap = new RankHeap();
  #symbols = new Int32Array(256);
  #before = new Int32Array(256);
  #after = new Int32Array(256);

  constructor(tables: BpeTables, pretokenizer: Pretokenizer) {
    this.#pretokenizer = pretokenizer;
    tables.tokenBytes.forEach((bytes, id) => {
      if (bytes?.length === 1) this.#byteIds[bytes[0]!] = id;
    });
    const count = tables.merges.length / 3;
    this.#pairs = new PairTable(count);
    this.#ranks = new Int32Array(count);
    this.#merged = new Int32Array(count);
    for (let rank = 0; rank < count; rank++) {
      const index = this.#pairs.findOrAdd(tables.merges[3 * rank]!, tables.merges[3 * rank + 1]!);
      this.#ranks[index] = rank; // a pair listed twice keeps its last rank, as in the reference
      this.#merged[index] = tables.merges[3 * rank + 2]!;
    }
    if (tables.ignoreMerges) {
      const whole = new ByteMap(tables.tokenBytes.length);
      tables.tokenBytes.forEach((bytes, id) => {
        if (bytes !== null && bytes.length > 0) this.#wholePieceIds[whole.findOrAdd(bytes, 0, bytes.length)] = id;
      });
      this.#wholePieces = whole;
    }
  }

  /** Appends the ids of bytes[from, to), whole and valid UTF-8, to `out`. */
  encode(bytes: Uint8Array, from: number, to: number, out: IdBuffer): void {
    const pretokenizer = this.#pretokenizer;
    pretokenizer.begin(bytes, from, to);
    for (let start = from, end = pretokenizer.next(); end >= 0; start = end, end = pretokenizer.next()) {
      const length = end - start;
      if (length === 1) out.push(this.#byteIds[bytes[start]!]!);
      else if (length > longestCachedPiece) this.#encodePiece(bytes, start, end, out);
      else this.#encodeCached(bytes, start, end, out);
    }
  }

  /** Appends the ids of one piece, however it would be cut otherwise. */
  encodePiece(bytes: Uint8Array, out: IdBuffer): void {
    if (bytes.length > 0) this.#encodePiece(bytes, 0, bytes.length, out);
  }

  #encodeCached(bytes: Uint8Array, from: number, to: number, out: IdBuffer): void {
    const cache = this.#cache;
    const known = cache.size;
    const index = cache.findOrAdd(bytes, from, to);
    if (index < known) {
      const end = this.#cachedFrom[index + 1]!;
      for (let i = this.#cachedFrom[index]!; i < end; i++) out.push(this.#cachedIds[i]!);
      return;
    }
    const start = out.length;
    this.#encodePiece(bytes, from, to, out);
    if (index >= mostCachedPieces) {
      cache.clear();
      return;
    }
    const at = this.#cachedFrom[index]!;
    const end = at + out.length - start;
    if (index + 1 >= this.#cachedFrom.length) this.#cachedFrom = grown(this.#cachedFrom, index + 2);
    if (end > this.#cachedIds.length) this.#cachedIds = grown(this.#cachedIds, end);
    for (let i = start, j = at; j < end; i++, j++) this.#cachedIds[j] = out.ids[i]!;
    this.#cachedFrom[index + 1] = end;
  }

  #encodePiece(bytes: Uint8Array, from: number, to: number, out: IdBuffer): void {
    if (this.#wholePieces !== null) {
      const whole = this.#wholePieces.find(bytes, from, to);
      if (whole >= 0) {
        out.push(this.#wholePieceIds[whole]!);
        return;
      }
    }
    const length = to - from;
    if (length > this.#symbols.length) {
      const capacity = length * 2;
      this.#symbols = new Int32Array(capacity);
      this.#before = new Int32Array(capacity);
      this.#after = new Int32Array(capacity);
    }
    const symbols = this.#symbols;
    const before = this.#before;
    const after = this.#after;
    const heap = this.#heap;
    for (let i = 0; i < length; i++) {
      symbols[i] = this.#byteIds[bytes[from + i]!]!;
      before[i] = i - 1;
      after[i] = i + 1;
    }
    for (let i = 0; i + 1 < length; i++) this.#consider(symbols[i]!, symbols[i + 1]!, i);

    while (heap.size > 0) {
      const top = heap.pop();
      const at = top % positions;
      const rank = (top - at) / positions;
      const next = after[at]!;
      if (symbols[at]! < 0 || next >= length) continue; // merged away since
      const pair = this.#pairs.find(symbols[at]!, symbols[next]!);
      if (pair < 0 || this.#ranks[pair] !== rank) continue; // another pair stands here by now
      symbols[at] = this.#merged[pair]!;
      symbols[next] = -1;
      const following = after[next]!;
      after[at] = following;
      if (following < length) {
        before[following] = at;
        this.#consider(symbols[at]!, symbols[following]!, at);
      }
      const preceding = before[at]!;
      if (preceding >= 0) this.#consider(symbols[preceding]!, symbols[at]!, preceding);
    }
    for (let at = 0; at < length; at = after[at]!) out.push(symbols[at]!);
    if (length > 1 << 16) {
      this.#symbols = new Int32Array(256); // do not keep the memory of one monster
      this.#before = new Int32Array(256);
      this.#after = new Int32Array(256);
      this.#heap = new RankHeap();
    }
  }

  #consider(left: number, right: number, at: number): void {
    const pair = this.#pairs.find(left, right);
    if (pair >= 0) this.#heap.push(this.#ranks[pair]! * positions + at);
  }
}

/** A growing list of token ids. */
export class IdBuffer {
  ids: Int32Array<ArrayBuffer>;
  length = 0;

  constructor(capacity = 1024) {
    this.ids = new Int32Array(capacity);
  }

  push(id: number): void {
    if (this.length === this.ids.length) this.ids = grown(this.ids, this.length + 1);
    this.ids[this.length++] = id;
  }

  /** A copy of the ids so far. */
  toArray(): Int32Array<ArrayBuffer> {
    return this.ids.slice(0, this.length);
  }
}

/** A heap entry is rank * positions + position, exact in a double: the order is by rank, then from left to right. */
const positions = 2 ** 31;

class RankHeap {
  size = 0;
  #entries = new Float64Array(256);

  push(entry: number): void {
    if (this.size === this.#entries.length) {
      const entries = new Float64Array(this.size * 2);
      entries.set(this.#entries);
      this.#entries = entries;
    }
    const entries = this.#entries;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (entries[parent]! <= entry) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): number {
    const entries = this.#entries;
    const top = entries[0]!;
    const last = entries[--this.size]!;
    const size = this.size;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && entries[child + 1]! < entries[child]!) child++;
      if (entries[child]! >= last) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = last;
    return top;
  }
}

function grown(array: Int32Array<ArrayBuffer>, atLeast: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(atLeast, array.length * 2));
  larger.set(array);
  return larger;
}
