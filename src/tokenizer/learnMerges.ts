/**
 * Byte-level BPE, the learning half: from distinct pieces and how often each occurs, again and again the most frequent
 * pair of neighbouring tokens becomes a token (of equally frequent pairs the one with the lower left id, then the lower
 * right id). Sennrich et al. 2016; merges equal those of the BpeTrainer of Hugging Face `tokenizers`.
 *
 * All pieces lie one after the other in one array of symbols, and the places of a pair form a linked list through it.
 * Replacing a pair visits its own places alone, so the whole run costs about as much as it replaces, whatever the length
 * of the pieces.
 */
import { bytesByCharacter } from "./byteAlphabet.js";
import { PairTable } from "./pairTable.js";

/** Distinct pieces: piece i is arena[offsets[i], offsets[i + 1]) and occurs counts[i] times. */
export interface PieceCounts {
  readonly size: number;
  readonly arena: Uint8Array;
  readonly offsets: Int32Array;
  readonly counts: Float64Array;
}

export interface LearnedMerge {
  readonly left: Uint8Array;
  readonly right: Uint8Array;
  /** Occurrences of the pair in the text when it was merged. */
  readonly count: number;
}

/**
 * Yields merges, best first, until `maxNewTokens` tokens are made or no pair occurs `minFrequency` times.
 * The ids that decide ties count from the 256 bytes (in the order of a new vocabulary) upwards.
 */
export function* learnMerges(
  pieces: PieceCounts,
  maxNewTokens: number,
  minFrequency: number,
): Generator<LearnedMerge, void, undefined> {
  const corpus = new Corpus(pieces);
  const tokens: Uint8Array[] = bytesByCharacter.map((byte) => Uint8Array.of(byte));
  const idOf = new Map<string, number>();
  for (let made = 0; made < maxNewTokens; ) {
    const pair = corpus.popMostFrequent(minFrequency);
    if (pair < 0) return;
    const count = corpus.count(pair);
    const left = tokens[corpus.left(pair)]!;
    const right = tokens[corpus.right(pair)]!;
    const joined = Buffer.concat([left, right]);
    const name = joined.toString("latin1");
    const known = idOf.get(name); // two merges may build the same bytes from other parts
    const id = known ?? tokens.length;
    if (known === undefined) {
      idOf.set(name, id);
      tokens.push(joined);
      made++;
    }
    if (corpus.merge(pair, id)) yield { left, right, count };
  }
}

/** The symbols of all pieces and an index of where each pair stands. */
class Corpus {
  readonly #symbols: Int32Array; // token id at each place; a merged token stands at the place of its first byte
  readonly #pieceOf: Int32Array;
  readonly #counts: Float64Array; // by piece
  // Neighbours inside a piece, -1 at its ends.
  readonly #before: Int32Array;
  readonly #after: Int32Array;
  // The pair that begins at a place (-1 for none) and its neighbours among the places of that pair.
  readonly #pairAt: Int32Array;
  readonly #earlier: Int32Array;
  readonly #later: Int32Array;
  readonly #pairs = new PairTable(1 << 16);
  // By pair.
  #first = new Int32Array(0);
  #last = new Int32Array(0);
  #pairCounts = new Float64Array(0);
  #touched = new Int32Array(0); // step in which the pair last gained places
  #isMerged = new Uint8Array(0);
  readonly #heap = new CountHeap(this.#pairs);
  #gained: number[] = [];
  #step = 0;

  constructor(pieces: PieceCounts) {
    const length = pieces.offsets[pieces.size]!;
    const ids = new Int32Array(256);
    bytesByCharacter.forEach((byte, id) => {
      ids[byte] = id;
    });
    this.#counts = pieces.counts;
    this.#symbols = new Int32Array(length);
    this.#pieceOf = new Int32Array(length);
    this.#before = new Int32Array(length);
    this.#after = new Int32Array(length);
    this.#pairAt = new Int32Array(length).fill(-1);
    this.#earlier = new Int32Array(length);
    this.#later = new Int32Array(length);
    for (let piece = 0; piece < pieces.size; piece++) {
      const from = pieces.offsets[piece]!;
      const to = pieces.offsets[piece + 1]!;
      for (let at = from; at < to; at++) {
        this.#symbols[at] = ids[pieces.arena[at]!]!;
        this.#pieceOf[at] = piece;
        this.#before[at] = at === from ? -1 : at - 1;
        this.#after[at] = at + 1 === to ? -1 : at + 1;
      }
      for (let at = from; at + 1 < to; at++) this.#link(at);
    }
    this.#pushGained();
  }

  left(pair: number): number {
    return this.#pairs.left[pair]!;
  }

  right(pair: number): number {
    return this.#pairs.right[pair]!;
  }

  count(pair: number): number {
    return this.#pairCounts[pair]!;
  }

  /** Takes the most frequent pair out of the queue; -1 when none occurs often enough. */
  popMostFrequent(minFrequency: number): number {
    const heap = this.#heap;
    while (heap.size > 0) {
      const queuedCount = heap.topCount();
      const pair = heap.pop();
      const count = this.#pairCounts[pair]!;
      if (count < 1) continue;
      if (count !== queuedCount) {
        heap.push(pair, count); // other merges have taken some of its places
        continue;
      }
      return count < minFrequency ? -1 : pair;
    }
    return -1;
  }

  /**
   * Replaces every occurrence of the pair by `id`, in each piece from left to right.
   * @returns false when the pair had been merged before (its occurrences came back with a token built twice)
   */
  merge(pair: number, id: number): boolean {
    const isFirst = this.#isMerged[pair] === 0;
    this.#isMerged[pair] = 1;
    this.#step++;
    for (let at = this.#first[pair]!; at >= 0; at = this.#first[pair]!) {
      const next = this.#after[at]!;
      const following = this.#after[next]!;
      const preceding = this.#before[at]!;
      this.#unlink(at);
      if (following >= 0) this.#unlink(next);
      if (preceding >= 0) this.#unlink(preceding);
      this.#symbols[at] = id;
      this.#after[at] = following;
      if (preceding >= 0) this.#link(preceding);
      if (following >= 0) {
        this.#before[following] = at;
        this.#link(at);
      }
    }
    this.#pushGained();
    return isFirst;
  }

  /** Enters the pair that begins at a place. */
  #link(at: number): void {
    const pair = this.#pairs.findOrAdd(this.#symbols[at]!, this.#symbols[this.#after[at]!]!);
    if (pair >= this.#first.length) this.#grow(pair);
    if (this.#pairCounts[pair] === 0) this.#first[pair] = this.#last[pair] = -1;
    const last = this.#last[pair]!;
    this.#pairAt[at] = pair;
    this.#earlier[at] = last;
    this.#later[at] = -1;
    if (last >= 0) this.#later[last] = at;
    else this.#first[pair] = at;
    this.#last[pair] = at;
    this.#pairCounts[pair]! += this.#counts[this.#pieceOf[at]!]!;
    if (this.#touched[pair] !== this.#step) {
      this.#touched[pair] = this.#step;
      this.#gained.push(pair);
    }
  }

  #unlink(at: number): void {
    const pair = this.#pairAt[at]!;
    const earlier = this.#earlier[at]!;
    const later = this.#later[at]!;
    if (earlier >= 0) this.#later[earlier] = later;
    else this.#first[pair] = later;
    if (later >= 0) this.#earlier[later] = earlier;
    else this.#last[pair] = earlier;
    this.#pairAt[at] = -1;
    this.#pairCounts[pair]! -= this.#counts[this.#pieceOf[at]!]!;
  }

  #pushGained(): void {
    for (const pair of this.#gained) {
      if (this.#pairCounts[pair]! > 0) this.#heap.push(pair, this.#pairCounts[pair]!);
    }
    this.#gained = [];
  }

  #grow(pair: number): void {
    const size = Math.max(1 << 16, 2 * pair);
    const copy = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(size).fill(-1);
      to.set(from);
      return to;
    };
    this.#first = copy(this.#first);
    this.#last = copy(this.#last);
    this.#touched = copy(this.#touched);
    const counts = new Float64Array(size);
    counts.set(this.#pairCounts);
    this.#pairCounts = counts;
    const isMerged = new Uint8Array(size);
    isMerged.set(this.#isMerged);
    this.#isMerged = isMerged;
  }
}

/** A heap of pairs: higher count first, then the lower left id, then the lower right id. */
class CountHeap {
  size = 0;
  readonly #pairs: PairTable;
  #entries = new Int32Array(1024);
  #counts = new Float64Array(1024);

  constructor(pairs: PairTable) {
    this.#pairs = pairs;
  }

  topCount(): number {
    return this.#counts[0]!;
  }

  push(pair: number, count: number): void {
    if (this.size === this.#entries.length) {
      const entries = new Int32Array(this.size * 2);
      entries.set(this.#entries);
      this.#entries = entries;
      const counts = new Float64Array(this.size * 2);
      counts.set(this.#counts);
      this.#counts = counts;
    }
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(pair, count, this.#entries[parent]!, this.#counts[parent]!)) break;
      this.#entries[at] = this.#entries[parent]!;
      this.#counts[at] = this.#counts[parent]!;
      at = parent;
    }
    this.#entries[at] = pair;
    this.#counts[at] = count;
  }

  pop(): number {
    const top = this.#entries[0]!;
    const size = --this.size;
    const pair = this.#entries[size]!;
    const count = this.#counts[size]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#entryIsBefore(child + 1, child)) child++;
      if (!this.#isBefore(this.#entries[child]!, this.#counts[child]!, pair, count)) break;
      this.#entries[at] = this.#entries[child]!;
      this.#counts[at] = this.#counts[child]!;
      at = child;
    }
    this.#entries[at] = pair;
    this.#counts[at] = count;
    return top;
  }

  #entryIsBefore(a: number, b: number): boolean {
    return this.#isBefore(this.#entries[a]!, this.#counts[a]!, this.#entries[b]!, this.#counts[b]!);
  }

  #isBefore(a: number, aCount: number, b: number, bCount: number): boolean {
    if (aCount !== bCount) return aCount > bCount;
    const { left, right } = this.#pairs;
    return left[a] !== left[b] ? left[a]! < left[b]! : right[a]! < right[b]!;
  }
}
