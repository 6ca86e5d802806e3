/** A text written on by a model, or the gap between two texts filled. */
import { promptIds } from "../tokenizer/promptIds.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Model } from "./request.js";
import { requestOf, type TextOptions } from "./textOptions.js";
import { type Completion, CompletionCounter, TextStream } from "./textStream.js";

export interface CompleteOptions extends TextOptions {
  /** Text after the gap: the model writes what belongs between prompt and suffix. Needs the prompt as text. */
  readonly suffix?: string;
}

export interface CompletedText extends Completion {
  readonly text: string;
}

/**
 * @param prompt text, which becomes the beginning of a document; or token ids, taken as they are
 * @throws RangeError for options that do not exist or do not go together, or a text when the model has no tokenizer; for values out of
 *   range with the first piece
 */
export function completeText(
  model: Model,
  prompt: string | ArrayLike<number>,
  options: CompleteOptions = {},
): TextStream<string, CompletedText> {
  const { suffix, ...others } = options;
  const request = requestOf("generate", idsOf("generate", model, prompt, suffix ?? null), others);
  const counter = new CompletionCounter(request.logprobs !== undefined);
  const texts: string[] = [];
  async function* pieces(): AsyncGenerator<string, void> {
    for await (const text of counter.read(model, request, options.signal)) {
      texts.push(text);
      yield text;
    }
  }
  return new TextStream(pieces(), () => ({ text: texts.join(""), ...counter.completion() }));
}

/** @throws RangeError for a prompt without tokens, or a suffix to ids */
export function idsOf(
  where: string,
  { info, tokenizer }: Model,
  prompt: string | ArrayLike<number>,
  suffix: string | null,
): ArrayLike<number> {
  if (typeof prompt !== "string" && suffix !== null) {
    throw new RangeError(`${where}: suffix needs the prompt as text, got token ids`);
  }
  const ids =
    typeof prompt === "string" ? promptIds(tokenizerOf(where, info.directory, tokenizer), prompt, suffix) : prompt;
  if (ids.length === 0) throw new RangeError(`${where}: the prompt has no tokens; give at least one`);
  return ids;
}

/** @throws RangeError if there is none */
export function tokenizerOf(where: string, directory: string, tokenizer: Tokenizer | null): Tokenizer {
  if (tokenizer) return tokenizer;
  throw new RangeError(`${where}: ${directory} has no tokenizer.json; give token ids instead of text`);
}
