/**
 * Exact match with things to ignore: what most generative benchmarks are scored by. Evaluation specification, 7.3; worked cases 13.8.
 *
 * The order matters and is the reference's: listed regexes are removed first, from both sides, then case, then ASCII punctuation, then
 * ASCII digits.
 */
import { removeAsciiPunctuation } from "./asciiPunctuation.js";

export interface ExactMatchOptions {
  /** Removed wherever they match, in this order. */
  readonly regexesToIgnore?: readonly RegExp[];
  readonly ignoreCase?: boolean;
  readonly ignorePunctuation?: boolean;
  readonly ignoreNumbers?: boolean;
}

/** Whether the prediction equals one of the gold answers. */
export function exactMatch(predicted: string, golds: readonly string[], options: ExactMatchOptions = {}): boolean {
  const ours = normalized(predicted, options);
  return golds.some((gold) => normalized(gold, options) === ours);
}

/** Text without what is to be ignored; votes are counted over this form too. */
export function normalized(text: string, options: ExactMatchOptions): string {
  let result = text;
  for (const regex of options.regexesToIgnore ?? []) {
    // Without `g` only the first occurrence would go, which no benchmark means.
    result = result.replaceAll(regex.global ? regex : new RegExp(regex, `${regex.flags}g`), "");
  }
  if (options.ignoreCase) result = result.toLowerCase();
  if (options.ignorePunctuation) result = removeAsciiPunctuation(result);
  if (options.ignoreNumbers) result = result.replace(/[0-9]/g, "");
  return result;
}
