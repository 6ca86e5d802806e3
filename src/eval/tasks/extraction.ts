/** Pipelines and settings that several benchmarks share: an answer found by a function, and how chat models are asked. */
import { invalidAnswer } from "../metrics/invalidAnswer.js";
import type { FilterPipeline, GenerationKwargs } from "../taskFile.js";

/**
 * What `find` makes of each answer; where it finds nothing the answer is invalid, which counts as wrong and is reported.
 * @param name of the pipeline in results
 */
export function extraction(find: (answer: string) => string | null, name = "none"): FilterPipeline {
  const apply = (answers: readonly string[]): string[] => answers.map((answer) => find(answer) ?? invalidAnswer);
  return { name, filter: [{ function: "custom", apply, fallback: invalidAnswer }] };
}

/** The report's chat evaluation: an answer ends where the model ends it, after at most 8,192 tokens (evaluation.md 1). */
export const chatGeneration: GenerationKwargs = { until: [], maxGenToks: 8192 };
