/** Prompts to ask: each once, and none that models are measured on. post-training.md 2.4, step 1. */
import type { ContaminationIndex } from "./contamination.js";
import type { UnusablePrompt } from "./filePrompts.js";
import { isGenerated } from "./problemPrompts.js";
import type { DistillPrompt, Domain, DroppedPrompt } from "./records.js";
import { normalised } from "./words.js";

export interface Collected {
  readonly prompts: readonly DistillPrompt[];
  readonly dropped: readonly DroppedPrompt[];
}

/** What became of the prompts, for the report. */
export interface PromptsReport {
  readonly read: number;
  readonly kept: Readonly<Partial<Record<Domain, number>>>;
  readonly dropped: Readonly<Partial<Record<DroppedPrompt["reason"], number>>>;
  /** What they were held against. */
  readonly against: { readonly ngram: number; readonly documents: number };
}

/** @throws RangeError if two different prompts have one id */
export async function collectPrompts(
  source: AsyncIterable<DistillPrompt | UnusablePrompt> | Iterable<DistillPrompt | UnusablePrompt>,
  index: ContaminationIndex,
): Promise<Collected> {
  const prompts: DistillPrompt[] = [];
  const dropped: DroppedPrompt[] = [];
  const byText = new Map<string, string>();
  const ids = new Map<string, string>();
  for await (const each of source) {
    if (each.prompt === null) {
      dropped.push({ ...each, prompt: "", reason: "no single question" });
      continue;
    }
    const { id, prompt } = each;
    const known = { id, prompt, source: each.source };
    const text = normalised(prompt);
    // A family that has been gone through begins again, in other words.
    const same = byText.get(text) ?? (isGenerated(each) && ids.has(id) ? id : undefined);
    if (same !== undefined) {
      dropped.push({ ...known, reason: "duplicate", same_as: same });
      continue;
    }
    byText.set(text, id);
    if (ids.has(id)) {
      throw new RangeError(
        `two prompts have the id ${id}: in ${ids.get(id)} and in ${each.source}; name the files (--from NAME=FILE)`,
      );
    }
    ids.set(id, each.source);
    const met = index.find(prompt, isGenerated(each));
    if (met) dropped.push({ ...known, reason: "contaminated", ngram: met.ngram, met_in: met.source });
    else prompts.push(each);
  }
  return { prompts, dropped };
}

export function promptsReport({ prompts, dropped }: Collected, index: ContaminationIndex): PromptsReport {
  return {
    read: prompts.length + dropped.length,
    kept: countsOf(prompts.map(({ domain }) => domain)),
    dropped: countsOf(dropped.map(({ reason }) => reason)),
    against: { ngram: index.n, documents: index.numDocuments },
  };
}

/** How often each name occurs, in the order of their first. */
export function countsOf<T extends string>(names: readonly T[]): Partial<Record<T, number>> {
  const counts: Partial<Record<T, number>> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
