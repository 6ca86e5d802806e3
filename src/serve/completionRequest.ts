/** POST /v1/completions, DeepSeek's /beta/completions and llama.cpp's /infill: text to text, and the middle between two; infrastructure.md 7.2, 7.4. */
import { z } from "zod";
import { limits } from "./limits.js";
import { tokenIds } from "./readBody.js";
import { samplingFields } from "./samplingFields.js";

const model = z.string().max(limits.nameCharacters).nullish();

export const completionRequest = z.object({
  model,
  prompt: z.union([
    z.string(),
    z.array(z.string()).min(1).max(limits.prompts),
    tokenIds,
    z.array(tokenIds).min(1).max(limits.prompts),
  ]),
  /** Text after the gap: what is written belongs between prompt and suffix. */
  suffix: z.string().nullish(),
  ...samplingFields,
  echo: z.boolean().nullish(),
  logprobs: z.number().int().min(0).max(limits.logprobs).nullish(),
  best_of: z.number().int().min(1).max(limits.choices).nullish(),
});

export type CompletionRequest = z.infer<typeof completionRequest>;

export const infillRequest = z.object({
  model,
  input_prefix: z.string(),
  input_suffix: z.string(),
  /** Other files, for the model to read before. */
  input_extra: z
    .array(z.object({ filename: z.string().max(limits.stopCharacters).nullish(), text: z.string() }))
    .max(limits.infillFiles)
    .nullish(),
  /** Written after the prefix. */
  prompt: z.string().nullish(),
  /** llama.cpp's name for max_tokens; -1: as many as fit. */
  n_predict: z.number().int().min(-1).max(limits.maxTokens).nullish(),
  ...samplingFields,
});

export type InfillRequest = z.infer<typeof infillRequest>;
