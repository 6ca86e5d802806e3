/**
 * Counts how often each piece of the pre-tokenizer occurs: what BPE training reads of a text. Counting is the part that
 * grows with the text, so it runs in worker threads (pieceCountWorker.ts); tables of several threads are added up.
 */
import { ByteMap } from "./byteMap.js";
import type { PieceCounts } from "./learnMerges.js";
import { DeepSeekPretokenizer, type Pretokenizer } from "./pretokenize.js";
import type { TaskRunner } from "./taskPool.js";
import type { TextBatch } from "./textBatches.js";

/** Texts to count, or null for the table. */
export type CountTask = TextBatch | null;

/** A table whose buffers belong to nobody else. */
export interface OwnedPieceCounts extends PieceCounts {
  readonly arena: Uint8Array<ArrayBuffer>;
  readonly offsets: Int32Array<ArrayBuffer>;
  readonly counts: Float64Array<ArrayBuffer>;
}

/** What a worker of the trainer does. */
export function countPieces(): TaskRunner<CountTask, OwnedPieceCounts | null> {
  const counter = new PieceCounter(new DeepSeekPretokenizer());
  return (task) => {
    if (task === null) {
      const answer = counter.result();
      return { answer, transfer: [answer.arena.buffer, answer.offsets.buffer, answer.counts.buffer] };
    }
    counter.addTexts(task);
    return { answer: null };
  };
}

export class PieceCounter {
  readonly #pretokenizer: Pretokenizer;
  #pieces = new ByteMap(1 << 12);
  #counts = new Float64Array(1 << 12);

  constructor(pretokenizer: Pretokenizer) {
    this.#pretokenizer = pretokenizer;
  }

  addTexts(batch: TextBatch): void {
    const pretokenizer = this.#pretokenizer;
    let from = 0;
    for (const to of batch.ends) {
      pretokenizer.begin(batch.bytes, from, to);
      for (let start = from, end = pretokenizer.next(); end >= 0; start = end, end = pretokenizer.next()) {
        this.#add(batch.bytes, start, end, 1);
      }
      from = to;
    }
  }

  addCounts(other: PieceCounts): void {
    for (let i = 0; i < other.size; i++) {
      this.#add(other.arena, other.offsets[i]!, other.offsets[i + 1]!, other.counts[i]!);
    }
  }

  /** What was counted so far, in arrays of exact size, which may be handed to another thread. */
  result(): OwnedPieceCounts {
    const size = this.#pieces.size;
    const offsets = this.#pieces.offsets.slice(0, size + 1);
    return {
      size,
      arena: this.#pieces.arena.slice(0, offsets[size]!),
      offsets,
      counts: this.#counts.slice(0, size),
    };
  }

  #add(bytes: Uint8Array, from: number, to: number, count: number): void {
    const index = this.#pieces.findOrAdd(bytes, from, to);
    if (index >= this.#counts.length) {
      const counts = new Float64Array(this.#counts.length * 2);
      counts.set(this.#counts);
      this.#counts = counts;
    }
    this.#counts[index]! += count;
  }
}
