/**
 * What a model reads before it writes, in the order of training: the start of a document, or both sides of a gap. DeepSeek-V3 report,
 * section 2.2: fill in the middle with prefix, suffix, middle.
 */
import type { FimIds, Tokenizer } from "./tokenizer.js";

/**
 * Ids of a text as the beginning of a document; with a suffix, of the gap between the two. Neither becomes a control token.
 * @throws RangeError for a suffix when the tokenizer has no fill-in-the-middle tokens
 */
export function promptIds(tokenizer: Tokenizer, prompt: string, suffix: string | null): Int32Array {
  const start = startIds(tokenizer);
  if (suffix === null) return joinIds([start, tokenizer.encode(prompt)]);
  const { fim } = tokenizer;
  if (!fim) throw new RangeError("suffix: the tokenizer has no fill-in-the-middle tokens; give a prompt alone");
  return gapIds(start, fim, tokenizer.encode(prompt), tokenizer.encode(suffix));
}

/** What stands before every document. */
export function startIds({ bosTokenId }: Tokenizer): readonly number[] {
  return bosTokenId === null ? [] : [bosTokenId];
}

/** What stands around a gap; the middle follows. */
export function gapIds(
  start: ArrayLike<number>,
  fim: FimIds,
  before: ArrayLike<number>,
  after: ArrayLike<number>,
): Int32Array {
  return joinIds([start, [fim.begin], before, [fim.hole], after, [fim.end]]);
}

export function joinIds(parts: readonly ArrayLike<number>[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
