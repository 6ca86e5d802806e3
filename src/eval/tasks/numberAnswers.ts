/**
 * Answers that are a number at the end of written reasoning, as GSM8K and its kin have them; evaluation.md 3.19. Each task has two
 * pipelines: the strict one wants the phrase that its shots end with, the flexible one takes the last number anywhere. Results give both,
 * since a chat model may score .20 by the one and .78 by the other.
 */
import type { FilterPipeline } from "../taskFile.js";

/** What may stand behind an answer of a model that goes on in the form of a chat. */
export const endTokens: readonly string[] = ["</s>", "<|im_end|>"];

/** @param regexPattern its first group is the number */
export function strictMatch(regexPattern: string): FilterPipeline {
  return { name: "strict-match", filter: [{ function: "regex", regexPattern }, { function: "take_first" }] };
}

/** The last number; two or more of digits, points, commas and dollars also count as one, so "17." keeps its point here. */
export const flexibleExtract: FilterPipeline = {
  name: "flexible-extract",
  filter: [
    { function: "regex", groupSelect: -1, regexPattern: "(-?[$0-9.,]{2,})|(-?[0-9]+)" },
    { function: "take_first" },
  ],
};
