/**
 * Trains a byte-level BPE tokenizer with DeepSeek-V3's pre-tokenizer, control tokens and file layout: pieces are counted
 * in worker threads, then merges are learned from the table (learnMerges.ts). The result depends on the texts alone, not
 * on their order, their grouping or the number of threads.
 * Deviation: DeepSeek's random splitting of combined punctuation tokens belongs to the training data (section 4.1 of the
 * report), not to the vocabulary; see `Tokenizer.splitCombined`.
 */
import { type LearnedMerge, learnMerges, type PieceCounts } from "./learnMerges.js";
import { buildTokenizerConfig, buildTokenizerJson } from "./newTokenizer.js";
import { type CountTask, countPieces, type OwnedPieceCounts, PieceCounter } from "./pieceCounts.js";
import { DeepSeekPretokenizer } from "./pretokenize.js";
import { numFixedTokens } from "./specialTokens.js";
import { checkThreads, TaskPool } from "./taskPool.js";
import { cutText, joinTexts, type Texts, utf8Bytes } from "./textBatches.js";
import { Tokenizer } from "./tokenizer.js";

export interface TrainTokenizerOptions {
  /** Ids of the vocabulary, control tokens included. Text with too few repeated pairs gives fewer. */
  readonly vocabSize: number;
  /** A pair must occur this often to become a token. Default 2. */
  readonly minFrequency?: number;
  /** single: no token holds two digits, which makes arithmetic far easier to learn for a small model. Default merged, as DeepSeek-V3. */
  readonly digits?: "merged" | "single";
  /** Threads that count. Default 1. */
  readonly threads?: number;
  readonly signal?: AbortSignal | null;
}

/** `bytes` and `documents` read so far, then `merges` learned of `maxMerges`; the last event carries the tokenizer. */
export type TokenizerTrainingEvent =
  | { readonly stage: "count"; readonly documents: number; readonly bytes: number }
  | { readonly stage: "merge"; readonly merges: number; readonly maxMerges: number; readonly count: number }
  | { readonly stage: "done"; readonly tokenizer: Tokenizer; readonly summary: TokenizerTrainingSummary };

export interface TokenizerTrainingSummary {
  readonly documents: number;
  readonly bytes: number;
  readonly distinctPieces: number;
  readonly vocabSize: number;
  /** Occurrences of the last pair that was merged; 0 when none was. */
  readonly lastCount: number;
}

/**
 * Trains a tokenizer and reports progress as events.
 * @param texts documents; no token spans two of them
 * @throws RangeError for a vocabulary smaller than its fixed tokens, no text, a bad number; the signal's reason if aborted
 */
export async function* tokenizerTraining(
  texts: Texts,
  options: TrainTokenizerOptions,
): AsyncGenerator<TokenizerTrainingEvent, void, undefined> {
  const { vocabSize, minFrequency = 2, digits = "merged", threads = 1, signal = null } = options;
  if (!Number.isInteger(vocabSize) || vocabSize < numFixedTokens || vocabSize > mostIds) {
    throw new RangeError(
      `vocabSize must be an integer from ${numFixedTokens} (the bytes and control tokens) to ${mostIds}, got ${vocabSize}`,
    );
  }
  if (!Number.isInteger(minFrequency) || minFrequency < 1) {
    throw new RangeError(`minFrequency must be a positive integer, got ${minFrequency}`);
  }
  checkThreads(threads);

  const read = { documents: 0, bytes: 0 };
  let pieces: PieceCounts | null = null;
  for await (const step of countTexts(texts, threads, signal)) {
    if ("table" in step) pieces = step.table;
    else {
      Object.assign(read, step);
      yield { stage: "count", ...step };
    }
  }
  if (pieces === null || pieces.size === 0) {
    throw new RangeError(`no text to train a tokenizer on: ${read.documents} documents with ${read.bytes} bytes`);
  }

  const maxMerges = vocabSize - numFixedTokens;
  const merges: LearnedMerge[] = [];
  const learned = digits === "single" ? withoutNumbers(pieces) : pieces;
  for (const merge of learnMerges(learned, maxMerges, minFrequency)) {
    merges.push(merge);
    if (merges.length % mergesPerEvent === 0) {
      yield { stage: "merge", merges: merges.length, maxMerges, count: merge.count };
      await new Promise((resume) => setImmediate(resume)); // lets signals and other work in
      signal?.throwIfAborted();
    }
  }
  const tokenizer = Tokenizer.fromJson(buildTokenizerJson(merges), buildTokenizerConfig());
  yield { stage: "merge", merges: merges.length, maxMerges, count: merges.at(-1)?.count ?? 0 };
  const summary = {
    ...read,
    distinctPieces: pieces.size,
    vocabSize: tokenizer.vocabSize,
    lastCount: merges.at(-1)?.count ?? 0,
  };
  yield { stage: "done", tokenizer, summary };
}

/** As `tokenizerTraining`, for callers that want the result; `onProgress` sees each event. */
export async function trainTokenizer(
  texts: Texts,
  options: TrainTokenizerOptions,
  onProgress: (event: TokenizerTrainingEvent) => void = () => {},
): Promise<Tokenizer> {
  let tokenizer: Tokenizer | null = null;
  for await (const event of tokenizerTraining(texts, options)) {
    onProgress(event);
    if (event.stage === "done") tokenizer = event.tokenizer;
  }
  if (tokenizer === null) throw new Error("internal: tokenizer training ended without a result");
  return tokenizer;
}

/** The same pieces, those of digits alone not counted. The pre-tokenizer lets no digit into any other piece. */
function withoutNumbers(pieces: PieceCounts): PieceCounts {
  const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
  const counts = pieces.counts.map((count, i) => {
    for (let at = pieces.offsets[i] ?? 0; at < (pieces.offsets[i + 1] ?? 0); at++) {
      if (!isDigit(pieces.arena[at])) return count;
    }
    return 0;
  });
  return { ...pieces, counts };
}

const mostIds = 1 << 24;
const mergesPerEvent = 256;
const batchBytes = 1 << 20;
const batchesPerThread = 2;

type CountStep = { readonly documents: number; readonly bytes: number } | { readonly table: PieceCounts };

/** Yields progress, then the table of all pieces. */
async function* countTexts(
  texts: Texts,
  threads: number,
  signal: AbortSignal | null,
): AsyncGenerator<CountStep, void, undefined> {
  const pool = new TaskPool<null, CountTask, OwnedPieceCounts | null>(
    new URL("./pieceCountWorker.js", import.meta.url),
    countPieces,
    null,
    threads,
  );
  const borders = new DeepSeekPretokenizer();
  const waiting = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | null = null;
  try {
    let documents = 0;
    let bytes = 0;
    let batch: Uint8Array[] = [];
    let size = 0;
    const send = async (): Promise<void> => {
      const joined = joinTexts(batch);
      batch = [];
      size = 0;
      const task = pool
        .run(joined, [joined.bytes.buffer])
        .then(
          () => {},
          (error: unknown) => {
            failure ??= { error };
          },
        )
        .finally(() => waiting.delete(task));
      waiting.add(task);
      while (waiting.size >= pool.size * batchesPerThread) await Promise.race(waiting);
      if (failure !== null) throw failure.error;
    };
    for await (const text of texts) {
      signal?.throwIfAborted();
      const document = utf8Bytes(text);
      documents++;
      bytes += document.length;
      for (const part of cutText(document, batchBytes, (all, from) => borders.safeBorder(all, from, all.length))) {
        batch.push(part.bytes);
        size += part.bytes.length;
        if (size < batchBytes) continue;
        await send();
        yield { documents, bytes };
      }
    }
    if (batch.length > 0) await send();
    await Promise.all(waiting);
    yield { documents, bytes };

    const tables = await Promise.all(Array.from({ length: pool.size }, (_, thread) => pool.run(null, [], thread)));
    if (failure !== null) throw (failure as { readonly error: unknown }).error;
    const [first, ...others] = tables.filter((table) => table !== null);
    if (others.length === 0 && first !== undefined) {
      yield { table: first };
      return;
    }
    const all = new PieceCounter(borders);
    for (const table of tables) if (table !== null) all.addCounts(table);
    yield { table: all.result() };
  } finally {
    await pool.close();
  }
}
