/** The tokenizer beside a model's weights. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ModelConfig } from "../model/config.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";

/** Null for a directory without tokenizer.json. @throws RangeError for one that does not fit the model */
export function openTokenizer(directory: string, { vocabSize }: Pick<ModelConfig, "vocabSize">): Tokenizer | null {
  if (!existsSync(join(directory, "tokenizer.json"))) return null;
  const tokenizer = Tokenizer.fromDirectory(directory);
  if (tokenizer.vocabSize <= vocabSize) return tokenizer;
  throw new RangeError(
    `${directory}: the tokenizer has ${tokenizer.vocabSize} ids, the model's vocab_size is ${vocabSize}`,
  );
}
