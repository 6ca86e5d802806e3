/**
 * Encodes many documents, or a large one, with several threads. Ids and their order are those of `Tokenizer.encode`,
 * whatever the number of threads: small documents travel together, a large one is cut where no id changes.
 */
import { type EncodedBatch, encodeWith, type TokenizerFiles } from "./encodeTasks.js";
import { TaskPool } from "./taskPool.js";
import { cutText, joinTexts, type TextBatch, type Texts, utf8Bytes } from "./textBatches.js";
import type { Tokenizer } from "./tokenizer.js";

export class EncodePool {
  readonly #tokenizer: Tokenizer;
  readonly #pool: TaskPool<TokenizerFiles, TextBatch, EncodedBatch>;

  /**
   * @param threads 1 encodes in this thread
   * @throws RangeError unless threads is a positive integer
   */
  constructor(tokenizer: Tokenizer, threads: number) {
    this.#tokenizer = tokenizer;
    const files = { json: tokenizer.json, config: tokenizer.config };
    const here = (): ReturnType<typeof encodeWith> => encodeWith(tokenizer);
    this.#pool = new TaskPool(new URL("./encodeWorker.js", import.meta.url), here, files, threads);
  }

  /** Threads at work; 1 when the sources run uncompiled. */
  get threads(): number {
    return this.#pool.size;
  }

  /**
   * Ids of each document, in the order of the documents; never special tokens. Reads ahead by a few MB for each thread.
   * Bytes that are no UTF-8, and lone surrogates, count as U+FFFD.
   */
  async *encodeAll(documents: Texts): AsyncGenerator<Int32Array, void, undefined> {
    const joiner = new PartJoiner();
    const running: { readonly batch: Batch; readonly answer: Promise<EncodedBatch> }[] = [];
    for await (const batch of batchesOf(documents, this.#tokenizer)) {
      const joined = joinTexts(batch.texts);
      const answer = this.#pool.run(joined, [joined.bytes.buffer]);
      answer.catch(() => {}); // reported where its turn comes
      running.push({ batch, answer });
      if (running.length < this.#pool.size * batchesPerThread) continue;
      const oldest = running.shift()!;
      yield* joiner.documents(oldest.batch, await oldest.answer);
    }
    for (const { batch, answer } of running) yield* joiner.documents(batch, await answer);
  }

  /** Ids of one document. */
  async encode(text: string | Uint8Array): Promise<Int32Array> {
    for await (const ids of this.encodeAll([text])) return ids;
    throw new Error("internal: a document came back without ids");
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.#pool.close();
  }
}

/** Texts of a task; `isLast[i]` is false where the document goes on in the next text. */
interface Batch {
  readonly texts: readonly Uint8Array[];
  readonly isLast: readonly boolean[];
}

const batchBytes = 1 << 19;
const batchesPerThread = 3;

async function* batchesOf(documents: Texts, tokenizer: Tokenizer): AsyncGenerator<Batch, void, undefined> {
  let texts: Uint8Array[] = [];
  let isLast: boolean[] = [];
  let size = 0;
  for await (const document of documents) {
    const findBorder = (bytes: Uint8Array, from: number): number => tokenizer.safeBorder(bytes, from);
    for (const part of cutText(utf8Bytes(document), batchBytes, findBorder)) {
      texts.push(part.bytes);
      isLast.push(part.isLast);
      size += part.bytes.length;
      if (size < batchBytes && texts.length < mostTexts) continue;
      yield { texts, isLast };
      texts = [];
      isLast = [];
      size = 0;
    }
  }
  if (texts.length > 0) yield { texts, isLast };
}

const mostTexts = 4096;

/** Puts the parts of cut documents together again. */
class PartJoiner {
  #open: Int32Array[] = [];

  *documents(batch: Batch, { ids, ends }: EncodedBatch): Generator<Int32Array, void, undefined> {
    let from = 0;
    for (const [i, to] of ends.entries()) {
      const part = ids.slice(from, to);
      from = to;
      if (!batch.isLast[i] || this.#open.length > 0) this.#open.push(part);
      if (!batch.isLast[i]) continue;
      yield this.#open.length === 0 ? part : concatenated(this.#open);
      this.#open = [];
    }
  }
}

function concatenated(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
