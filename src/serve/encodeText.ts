/** What the thread for long texts does: text in, token ids out. */
import { type EncodeOptions, Tokenizer } from "../tokenizer/tokenizer.js";
import type { Answerer } from "./sideThread.js";

/** The files of a tokenizer, as `Tokenizer` holds them. */
export interface TokenizerData {
  readonly json: unknown;
  readonly config: Readonly<Record<string, unknown>>;
}

export interface EncodeTask {
  readonly text: string;
  readonly options: EncodeOptions;
}

export function textEncoder({ json, config }: TokenizerData): Answerer<EncodeTask, Int32Array> {
  const tokenizer = Tokenizer.fromJson(json, config);
  return ({ text, options }) => tokenizer.encode(text, options);
}
