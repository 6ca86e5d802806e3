/**
 * A random checkpoint that can be served: weights of a preset's shape, as many positions as the longest prompt asks for, and a vocabulary in
 * which nearly every id is a short word of letters and digits, so that every token that a random model writes shows in the stream at once.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeRandomModel } from "../../checkpoint/randomModel.js";
import type { ModelConfig } from "../../model/config.js";
import type { ComputeDtype } from "../../tensor/dtype.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../tokenizer/newTokenizer.js";
import { leadingTokens } from "../../tokenizer/specialTokens.js";
import { Tokenizer } from "../../tokenizer/tokenizer.js";

/** Ids that every vocabulary made here has. */
const fixedIds = leadingTokens.length + 256;

/** @param positions at least as many as this @returns bytes of the weights @throws RangeError if the disk has no room */
export function writeServedCheckpoint(
  directory: string,
  preset: ModelConfig,
  positions: number,
  dtype: ComputeDtype,
): number {
  const config = {
    ...preset,
    // Drafting is left out: what is measured is the way from the model to the client.
    numNextnPredictLayers: 0,
    maxPositionEmbeddings: Math.max(preset.maxPositionEmbeddings, positions),
    vocabSize: Math.max(preset.vocabSize, fixedIds),
  };
  const { bytes } = writeRandomModel(directory, config, { dtype, seed: 1, maxShardBytes: 4e9 });
  wordTokenizer(config.vocabSize).save(directory);
  return bytes;
}

/** Whether a model can be seen to write: without a tokenizer its tokens have no text. */
export function writesText(directory: string): boolean {
  return existsSync(join(directory, "tokenizer.json"));
}

const letters = Array.from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", (letter) =>
  Buffer.from(letter),
);

/** Control tokens for the ends of a text, the bytes, then words of two letters, of three, and so on. @param size from 259 ids */
export function wordTokenizer(size: number): Tokenizer {
  const merges: { readonly left: Uint8Array; readonly right: Uint8Array }[] = [];
  let words: readonly Uint8Array[] = letters;
  while (merges.length < size - fixedIds) {
    const longer: Uint8Array[] = [];
    for (const left of words) {
      for (const right of letters) {
        if (merges.length === size - fixedIds) break;
        merges.push({ left, right });
        longer.push(Buffer.concat([left, right]));
      }
    }
    words = longer;
  }
  const json = buildTokenizerJson(merges);
  // Control tokens show no text, so there are none but those that begin and end a text.
  const added = (json.added_tokens as readonly { readonly id: number }[]).filter(({ id }) => id < leadingTokens.length);
  const { chat_template: _, ...config } = buildTokenizerConfig();
  return Tokenizer.fromJson({ ...json, added_tokens: added }, config);
}
