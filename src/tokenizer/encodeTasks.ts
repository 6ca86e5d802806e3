/** What a worker of `EncodePool` does: text in, token ids out. */
import { IdBuffer } from "./bpe.js";
import type { TaskRunner } from "./taskPool.js";
import type { TextBatch } from "./textBatches.js";
import { Tokenizer } from "./tokenizer.js";

/** The files of a tokenizer, as `Tokenizer` holds them. */
export interface TokenizerFiles {
  readonly json: unknown;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Ids of the texts of a batch, one after the other: text i has ids[ends[i - 1], ends[i]). */
export interface EncodedBatch {
  readonly ids: Int32Array<ArrayBuffer>;
  readonly ends: readonly number[];
}

export function encodeTexts(files: TokenizerFiles): TaskRunner<TextBatch, EncodedBatch> {
  return encodeWith(Tokenizer.fromJson(files.json, files.config));
}

export function encodeWith(tokenizer: Tokenizer): TaskRunner<TextBatch, EncodedBatch> {
  return (batch) => {
    const out = new IdBuffer(Math.max(16, batch.bytes.length >> 1));
    const ends: number[] = [];
    let from = 0;
    for (const to of batch.ends) {
      tokenizer.encodeBytesInto(batch.bytes.subarray(from, to), out);
      ends.push(out.length);
      from = to;
    }
    const ids = out.toArray();
    return { answer: { ids, ends }, transfer: [ids.buffer] };
  };
}
