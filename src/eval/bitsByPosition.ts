/**
 * How well a model predicts a token by where the token stands in the window: what tells whether a longer window is of use. A model that
 * makes use of it gets better with every position, one that was never trained there gets worse (YaRN, Peng et al. 2023, figures 1 and 2).
 *
 * Windows are whole and do not overlap, cut from documents that are at least as long, each in one forward pass. Documents count the same
 * for every model that is compared: the windows depend on texts and tokenizer alone.
 */
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { documentIds, scoreTokens } from "./bitsPerByte.js";

export interface PositionOptions {
  /** Tokens of a window. */
  readonly window: number;
  /** Positions are summed up in ranges of this many, the last perhaps shorter. Default: a sixteenth of the window. */
  readonly bucketWidth?: number;
  /** Most windows to score, taken over the documents by turns. Default: 64. */
  readonly maxWindows?: number;
  readonly signal?: AbortSignal;
}

/** Tokens at positions [from, to) of all windows. */
export interface PositionBucket {
  readonly from: number;
  readonly to: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly bitsPerToken: number;
  readonly bitsPerByte: number;
}

/**
 * The windows to score: the first of every document that has one, then the second of each, and so on.
 * @param documents UTF-8 contents
 * @returns ids of each, all `window` long; none if every document is shorter
 */
export function positionWindows(
  tokenizer: Tokenizer,
  documents: readonly Uint8Array[],
  { window, maxWindows = 64 }: Pick<PositionOptions, "window" | "maxWindows">,
): Int32Array[] {
  if (!Number.isInteger(window) || window < 2)
    throw new RangeError(`window must be a whole number from 2, got ${window}`);
  const found: { readonly round: number; readonly ids: Int32Array }[] = [];
  for (const content of documents) {
    // A token is at least a byte; the one before the text has none.
    if (content.length + 1 < window) continue;
    const ids = documentIds(tokenizer, content);
    for (let start = 0, round = 0; start + window <= ids.length; start += window, round++) {
      found.push({ round, ids: ids.subarray(start, start + window) });
    }
  }
  return found
    .sort((a, b) => a.round - b.round)
    .slice(0, maxWindows)
    .map(({ ids }) => ids);
}

/**
 * @param windows of `positionWindows`
 * @throws RangeError for an id outside the model's vocabulary
 */
export async function bitsByPosition(
  model: DeepseekV3,
  tokenizer: Tokenizer,
  windows: readonly Int32Array[],
  options: PositionOptions,
): Promise<PositionBucket[]> {
  const { window, signal } = options;
  const width = options.bucketWidth ?? Math.ceil(window / 16);
  if (!Number.isInteger(width) || width < 1)
    throw new RangeError(`bucket width must be a whole number from 1, got ${width}`);
  const count = Math.ceil(window / width);
  const sums = Array.from({ length: count }, () => ({ tokens: 0, bytes: 0, bits: 0 }));
  const scores = await scoreTokens(model, windows, { window, batchTokens: window, ...(signal ? { signal } : {}) });
  for (const [w, { logprobs }] of scores.entries()) {
    for (const [position, logprob] of logprobs.entries()) {
      const sum = sums[Math.floor(position / width)];
      const id = windows[w]?.[position];
      if (logprob === null || !sum || id === undefined) continue;
      sum.tokens++;
      sum.bytes += tokenizer.isSpecial(id) ? 0 : tokenizer.idToBytes(id).length;
      sum.bits -= logprob / Math.LN2;
    }
  }
  return sums.map(({ tokens, bytes, bits }, i) => ({
    from: i * width,
    to: Math.min(window, (i + 1) * width),
    tokens,
    bytes,
    bitsPerToken: tokens > 0 ? bits / tokens : 0,
    bitsPerByte: bytes > 0 ? bits / bytes : 0,
  }));
}

/** Bits per token and per byte over the buckets that begin at `from` or later (and end by `to`). */
export function meanBits(
  buckets: readonly PositionBucket[],
  from: number,
  to = Number.POSITIVE_INFINITY,
): { readonly tokens: number; readonly bitsPerToken: number; readonly bitsPerByte: number } {
  let [tokens, bytes, bits] = [0, 0, 0];
  for (const bucket of buckets) {
    if (bucket.from < from || bucket.to > to) continue;
    tokens += bucket.tokens;
    bytes += bucket.bytes;
    bits += bucket.bitsPerToken * bucket.tokens;
  }
  return { tokens, bitsPerToken: tokens > 0 ? bits / tokens : 0, bitsPerByte: bytes > 0 ? bits / bytes : 0 };
}
