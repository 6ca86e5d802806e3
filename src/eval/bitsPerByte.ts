/**
 * Log-probabilities of given tokens, and from them bits per byte: how many bits the model needs for each byte of a text, which compares
 * models of any tokenizer with each other and with compressors.
 *
 * A text longer than the window is read in windows that overlap: each gives the log-probabilities of the tokens that the one before has
 * not given, with at least `window - stride` tokens of context.
 */
import { scoringBatch } from "../model/batch.js";
import type { DeepseekV3, OnDispatched } from "../model/deepseekV3.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";

export interface ScoreOptions {
  /** Most tokens a forward pass reads of one text. Default: the model's positions. */
  readonly window?: number;
  /** New tokens per window after the first. Default: half the window. */
  readonly stride?: number;
  /** Tokens per forward pass, over texts. Default 4096. */
  readonly batchTokens?: number;
  /** Sees each MoE layer's routing of each forward pass, whose windows `onWindows` has told before. */
  readonly onDispatched?: OnDispatched;
  readonly onWindows?: (windows: readonly Window[]) => void;
  readonly signal?: AbortSignal;
}

export interface TokenScores {
  /** Natural logarithm of each token's probability given those before; null for the first. */
  readonly logprobs: (number | null)[];
  /** The same by each MTP depth k, which sees only tokens up to k + 1 places before; null where undefined. */
  readonly mtpLogprobs: (number | null)[][];
}

/** Tokens [start, end) of a text; scores of tokens from `fresh` on are taken. */
export interface Window {
  readonly text: number;
  readonly start: number;
  readonly end: number;
  readonly fresh: number;
}

/**
 * @param texts token ids of each text
 * @throws RangeError for an id outside the vocabulary
 */
export async function scoreTokens(
  model: DeepseekV3,
  texts: readonly ArrayLike<number>[],
  options: ScoreOptions = {},
): Promise<TokenScores[]> {
  const { config } = model;
  const window = options.window ?? config.maxPositionEmbeddings;
  const stride = options.stride ?? Math.max(1, Math.floor(window / 2));
  if (window < 2 || stride < 1 || stride > window) {
    throw new RangeError(
      `score: window ${window} and stride ${stride}: expected 1 <= stride <= window and window >= 2`,
    );
  }
  texts.forEach((ids) => {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? -1;
      if (id < 0 || id >= config.vocabSize) {
        throw new RangeError(`score: id ${id} at ${i} is outside the vocabulary [0, ${config.vocabSize})`);
      }
    }
  });
  const depths = model.mtp.length;
  const scores = texts.map(({ length }): TokenScores => {
    const none = (): (number | null)[] => new Array<number | null>(length).fill(null);
    return { logprobs: none(), mtpLogprobs: Array.from({ length: depths }, none) };
  });
  const batchTokens = options.batchTokens ?? 4096;
  for (const batch of groupWindows(
    texts.flatMap((ids, text) => windowsOf(text, ids.length, window, stride)),
    batchTokens,
  )) {
    options.signal?.throwIfAborted();
    options.onWindows?.(batch);
    const sequences = batch.map(
      ({ text, start, end }) => Array.prototype.slice.call(texts[text], start, end) as number[],
    );
    using rows = scoringBatch(model.arena, sequences, depths);
    const heads = await model.tokenLosses(rows, options.onDispatched ?? null);
    let row = 0;
    for (const { text, start, end, fresh } of batch) {
      const score = scores[text];
      heads.forEach((losses, depth) => {
        const to = depth === 0 ? score?.logprobs : score?.mtpLogprobs[depth - 1];
        // Row i of the main head gives token i + 1, of depth k token i + 1 + k.
        for (let at = Math.max(fresh, start + 1 + depth); at < end; at++) {
          if (to) to[at] = -(losses[row + at - start - 1 - depth] ?? Number.NaN);
        }
      });
      row += end - start;
    }
  }
  return scores;
}

function windowsOf(text: number, length: number, window: number, stride: number): Window[] {
  const windows: Window[] = [];
  for (
    let end = Math.min(window, length), fresh = 0;
    fresh < length;
    fresh = end, end = Math.min(end + stride, length)
  ) {
    windows.push({ text, start: Math.max(0, end - window), end, fresh });
  }
  return windows;
}

/** Windows in order, as many to a forward pass as the limit allows. */
function groupWindows(windows: readonly Window[], limit: number): Window[][] {
  const groups: Window[][] = [];
  let tokens = Number.POSITIVE_INFINITY;
  for (const window of windows) {
    const size = window.end - window.start;
    if (tokens + size > limit) {
      groups.push([]);
      tokens = 0;
    }
    groups.at(-1)?.push(window);
    tokens += size;
  }
  return groups;
}

export interface BitsPerByte {
  readonly bitsPerByte: number;
  readonly bytes: number;
  readonly tokens: number;
  /** Mean cross-entropy in nats, main head; and of each MTP depth over the tokens it can see. */
  readonly loss: number;
  readonly mtpLosses: readonly number[];
}

/** The ids whose probabilities make up a document's: its start, then the text. */
export function documentIds(tokenizer: Tokenizer, content: Uint8Array): Int32Array {
  const body = tokenizer.encodeBytes(content);
  const start = tokenizer.bosTokenId ?? tokenizer.eosTokenId;
  return start === null ? body : Int32Array.from([start, ...body]);
}

/**
 * Bits per byte over whole documents, weighted by their bytes.
 * @param documents UTF-8 contents
 */
export async function bitsPerByte(
  model: DeepseekV3,
  tokenizer: Tokenizer,
  documents: readonly Uint8Array[],
  options: ScoreOptions = {},
): Promise<BitsPerByte> {
  const scores = await scoreTokens(
    model,
    documents.map((content) => documentIds(tokenizer, content)),
    options,
  );
  const bytes = documents.reduce((sum, { length }) => sum + length, 0);
  if (bytes === 0) throw new RangeError("bits per byte: the documents are empty");
  const sums = (values: readonly (readonly (number | null)[])[]): { nats: number; count: number } => {
    let nats = 0;
    let count = 0;
    for (const row of values) {
      for (const value of row) {
        if (value === null) continue;
        nats -= value;
        count++;
      }
    }
    return { nats, count };
  };
  const main = sums(scores.map(({ logprobs }) => logprobs));
  const mtp = model.mtp.map((_, k) => sums(scores.map(({ mtpLogprobs }) => mtpLogprobs[k] ?? [])));
  return {
    bitsPerByte: main.nats / Math.LN2 / bytes,
    bytes,
    tokens: main.count,
    loss: main.count > 0 ? main.nats / main.count : 0,
    mtpLosses: mtp.map(({ nats, count }) => (count > 0 ? nats / count : 0)),
  };
}
