/** Prompts to ask: each once, and none that models are measured on. post-training.md 2.4, step 1. */
import { ContaminationIndex, type EvaluationDocument } from "./contamination.js";
import type { UnusablePrompt } from "./filePrompts.js";
import { isGenerated } from "./problemPrompts.js";
import type { DistillPrompt, Domain, DroppedPrompt } from "./records.js";
import { normalised } from "./words.js";

export interface Collected {
  readonly prompts: readonly DistillPrompt[];
  readonly dropped: readonly DroppedPrompt[];
  /** What they were held against. */
  readonly against: { readonly ngram: number; readonly documents: number };
}

/** What became of the prompts, for the report. */
export interface PromptsReport {
  readonly read: number;
  readonly kept: Readonly<Partial<Record<Domain, number>>>;
  readonly dropped: Readonly<Partial<Record<DroppedPrompt["reason"], number>>>;
  readonly against: Collected["against"];
}

/**
 * @param documents what must not be met; read once
 * @param n words of a run that is too much in common
 * @throws RangeError if two different prompts have one id
 */
export async function collectPrompts(
  source: AsyncIterable<DistillPrompt | UnusablePrompt> | Iterable<DistillPrompt | UnusablePrompt>,
  documents: AsyncIterable<EvaluationDocument> | Iterable<EvaluationDocument>,
  n: number,
): Promise<Collected> {
  const { prompts: different, dropped } = await withoutDuplicates(source);
  const index = new ContaminationIndex(n);
  for (const [i, prompt] of different.entries()) index.add(i, prompt.prompt, isGenerated(prompt));
  for await (const document of documents) index.pass(document);
  const prompts = different.filter(({ id, prompt, source: from }, i) => {
    const met = index.meetingOf(i);
    if (met === null) return true;
    dropped.push({ id, prompt, source: from, reason: "contaminated", ngram: met.ngram, met_in: met.source });
    return false;
  });
  return { prompts, dropped, against: { ngram: n, documents: index.numDocuments } };
}

async function withoutDuplicates(
  source: AsyncIterable<DistillPrompt | UnusablePrompt> | Iterable<DistillPrompt | UnusablePrompt>,
): Promise<{ readonly prompts: readonly DistillPrompt[]; readonly dropped: DroppedPrompt[] }> {
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
    const text = normalised(prompt);
    // A family that has been gone through begins again, in other words.
    const same = byText.get(text) ?? (isGenerated(each) && ids.has(id) ? id : undefined);
    if (same !== undefined) {
      dropped.push({ id, prompt, source: each.source, reason: "duplicate", same_as: same });
      continue;
    }
    if (ids.has(id)) {
      throw new RangeError(
        `two prompts have the id ${id}: in ${ids.get(id)} and in ${each.source}; name the files (--from NAME=FILE)`,
      );
    }
    byText.set(text, id);
    ids.set(id, each.source);
    prompts.push(each);
  }
  return { prompts, dropped };
}

export function promptsReport({ prompts, dropped, against }: Collected): PromptsReport {
  return {
    read: prompts.length + dropped.length,
    kept: countsOf(prompts.map(({ domain }) => domain)),
    dropped: countsOf(dropped.map(({ reason }) => reason)),
    against,
  };
}

/** How often each name occurs, in the order of their first. */
export function countsOf<T extends string>(names: readonly T[]): Partial<Record<T, number>> {
  const counts: Partial<Record<T, number>> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
