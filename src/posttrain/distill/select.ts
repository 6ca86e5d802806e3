/**
 * Rejection sampling: of each prompt's candidates the right, whole, well-formed ones in one language and without loops, the shortest first, each
 * answer once. post-training.md 2.4, step 4. How often a prompt was answered rightly says whether anything is learned from it: what nobody
 * answers may have a wrong answer itself.
 */
import { createHash } from "node:crypto";
import { type LengthSummary, lengthSummary } from "../../data/lengthSummary.js";
import { type LinePlace, readLog } from "../ask/jsonLog.js";
import { countsOf } from "./collect.js";
import { endingOf, formatProblem } from "./format.js";
import { languageShare, type Script, scriptOf } from "./language.js";
import { asCandidate, type Candidate, type DistillPrompt, type Domain } from "./records.js";
import { completionRepetition } from "./repetition.js";
import { normalised } from "./words.js";

export interface SelectOptions {
  /** k: most records of a prompt. */
  readonly perPrompt: number;
  /** Leave out prompts that were answered rightly each time. */
  readonly dropsSolved: boolean;
  /** Least share of words in the question's script. */
  readonly languageShare: number;
  /** A greater share of n-grams said before is a loop. */
  readonly repetitionShare: number;
  /** n of these: with 10 none of 5,000 right answers with thoughts of the problem families counts as one, with 6 a hundredth of some do. */
  readonly repetitionNgram: number;
}

export const defaultSelect: SelectOptions = {
  perPrompt: 1,
  dropsSolved: false,
  languageShare: 0.9,
  repetitionShare: 0.2,
  repetitionNgram: 10,
};

/** Why a candidate is not selected: what it fails first, in this order. */
export const candidateReasons = [
  ...(["unscored", "wrong", "cut", "format", "language", "repetition", "duplicate", "longer"] as const),
  /** Its prompt is dropped. */
  "solved prompt",
] as const;
export type CandidateReason = (typeof candidateReasons)[number];

/** Why nothing of a prompt is selected. */
export type PromptReason = "not sampled" | "not scored" | "pass rate 0" | "pass rate 1" | "none usable";

/** A candidate as it is judged, without its text. */
export interface JudgedCandidate {
  readonly id: string;
  readonly promptId: string;
  readonly sampleIndex: number;
  readonly correct: boolean | null;
  readonly isWhole: boolean;
  readonly isFormatted: boolean;
  readonly languageShare: number;
  readonly repetitionShare: number;
  readonly length: number;
  /** The same for answers that differ in case and white space alone. */
  readonly textKey: string;
}

export interface PromptSelection {
  /** Best first. */
  readonly selected: readonly string[];
  readonly rejected: readonly { readonly id: string; readonly reason: CandidateReason }[];
  /** Share of right ones among those scored; null: none was. */
  readonly passRate: number | null;
  readonly reason: PromptReason | null;
}

/** Chooses among the candidates of one prompt. */
export function selectOfPrompt(candidates: readonly JudgedCandidate[], options: SelectOptions): PromptSelection {
  const scored = candidates.filter(({ correct }) => correct !== null);
  const right = scored.filter(({ correct }) => correct === true).length;
  const passRate = scored.length === 0 ? null : right / scored.length;
  const isSolved = options.dropsSolved && passRate === 1;
  const selected: string[] = [];
  const rejected: { id: string; reason: CandidateReason }[] = [];
  const texts = new Set<string>();
  for (const candidate of candidates.toSorted(shorterFirst)) {
    const { id, textKey } = candidate;
    const failed = failureOf(candidate, options);
    const reason =
      failed ??
      (isSolved
        ? "solved prompt"
        : texts.has(textKey)
          ? "duplicate"
          : selected.length >= options.perPrompt
            ? "longer"
            : null);
    if (failed === null) texts.add(textKey);
    if (reason === null) selected.push(id);
    else rejected.push({ id, reason });
  }
  return { selected, rejected, passRate, reason: promptReason(candidates.length, passRate, isSolved, selected.length) };
}

/** What the selection came to in one domain. */
export interface DomainSelection {
  readonly prompts: number;
  readonly candidates: number;
  readonly scored: number;
  readonly correct: number;
  /** Mean of the prompts' pass rates. */
  readonly passRate: number | null;
  /** Prompts by pass rate: 0, up to a quarter, a half, three quarters, below 1, and 1. */
  readonly passRates: readonly number[];
  readonly kept: { readonly prompts: number; readonly records: number };
  readonly dropped: {
    readonly prompts: Readonly<Partial<Record<PromptReason, number>>>;
    readonly candidates: Readonly<Partial<Record<CandidateReason, number>>>;
  };
  /** Tokens of all candidates, and of those selected. */
  readonly lengths: { readonly before: LengthSummary; readonly after: LengthSummary };
}

export interface SelectionReport {
  readonly options: SelectOptions;
  readonly domains: Readonly<Partial<Record<Domain, DomainSelection>>>;
  /** Candidates of prompts that are no longer there. */
  readonly orphans: number;
  /** A few candidates of each reason, to look at. */
  readonly examples: Readonly<Partial<Record<CandidateReason, readonly string[]>>>;
}

export interface Selection {
  /** In the order of the prompts, best first; with the place of each in the log. */
  readonly selected: readonly { readonly prompt: DistillPrompt; readonly place: LinePlace }[];
  readonly report: SelectionReport;
}

const maxExamples = 3;

/** @param path the log of candidates @throws RangeError for options out of range, or if there are no candidates */
export async function selectCandidates(
  path: string,
  prompts: readonly DistillPrompt[],
  options: SelectOptions,
): Promise<Selection> {
  checkOptions(options);
  const { byPrompt, orphans, count } = await judgedCandidates(path, prompts, options);
  if (count === 0) throw new RangeError(`${path}: no candidates to select from; fathom distill sample makes them`);
  const tallies = new Map<Domain, DomainTally>();
  const examples: Partial<Record<CandidateReason, string[]>> = {};
  const selected: { prompt: DistillPrompt; place: LinePlace }[] = [];
  for (const prompt of prompts) {
    const candidates = [...(byPrompt.get(prompt.id)?.values() ?? [])];
    const selection = selectOfPrompt(candidates, options);
    const places = new Map(candidates.map(({ id, place }) => [id, place]));
    for (const id of selection.selected) {
      const place = places.get(id);
      if (place) selected.push({ prompt, place });
    }
    for (const { id, reason } of selection.rejected) {
      examples[reason] ??= [];
      if (examples[reason].length < maxExamples) examples[reason].push(id);
    }
    const tally = tallies.get(prompt.domain) ?? new DomainTally();
    tally.add(candidates, selection);
    tallies.set(prompt.domain, tally);
  }
  const domains = Object.fromEntries([...tallies].map(([domain, tally]) => [domain, tally.report()]));
  return { selected, report: { options, domains, orphans, examples } };
}

/** What is looked at in a candidate, of its text and its scores. @param script of the question */
export function judgeCandidate(
  candidate: Candidate,
  prompt: DistillPrompt,
  script: Script | null,
  { repetitionNgram }: Pick<SelectOptions, "repetitionNgram">,
): JudgedCandidate {
  const { id, completion, correct } = candidate;
  return {
    id,
    promptId: prompt.id,
    sampleIndex: candidate.sample_index,
    correct,
    isWhole: candidate.finish_reason === "stop",
    isFormatted: formatProblem(completion, endingOf(prompt)) === null,
    languageShare: languageShare(completion, script),
    repetitionShare: completionRepetition(completion, repetitionNgram),
    length: candidate.token_count,
    textKey: createHash("sha256").update(normalised(completion)).digest("base64url"),
  };
}

type PlacedCandidate = JudgedCandidate & { readonly place: LinePlace };

async function judgedCandidates(
  path: string,
  prompts: readonly DistillPrompt[],
  options: SelectOptions,
): Promise<{
  readonly byPrompt: ReadonlyMap<string, ReadonlyMap<string, PlacedCandidate>>;
  readonly orphans: number;
  readonly count: number;
}> {
  const known = new Map(prompts.map((prompt) => [prompt.id, { prompt, script: scriptOf(prompt.prompt) }]));
  const byPrompt = new Map<string, Map<string, PlacedCandidate>>();
  const orphans = new Set<string>();
  let count = 0;
  for await (const { value, at, offset, bytes } of readLog(path)) {
    const candidate = asCandidate(value, at);
    count++;
    const asked = known.get(candidate.prompt_id);
    if (!asked) {
      orphans.add(candidate.id);
      continue;
    }
    const own = byPrompt.get(candidate.prompt_id) ?? new Map<string, PlacedCandidate>();
    byPrompt.set(candidate.prompt_id, own);
    own.set(candidate.id, {
      ...judgeCandidate(candidate, asked.prompt, asked.script, options),
      place: { offset, bytes },
    });
  }
  return { byPrompt, orphans: orphans.size, count };
}

function failureOf(candidate: JudgedCandidate, options: SelectOptions): CandidateReason | null {
  if (candidate.correct === null) return "unscored";
  if (!candidate.correct) return "wrong";
  if (!candidate.isWhole) return "cut";
  if (!candidate.isFormatted) return "format";
  if (candidate.languageShare < options.languageShare) return "language";
  return candidate.repetitionShare >= options.repetitionShare ? "repetition" : null;
}

function shorterFirst(a: JudgedCandidate, b: JudgedCandidate): number {
  return a.length - b.length || a.sampleIndex - b.sampleIndex || (a.id < b.id ? -1 : 1);
}

function promptReason(
  candidates: number,
  passRate: number | null,
  isSolved: boolean,
  selected: number,
): PromptReason | null {
  if (candidates === 0) return "not sampled";
  if (passRate === null) return "not scored";
  if (passRate === 0) return "pass rate 0";
  if (isSolved) return "pass rate 1";
  return selected === 0 ? "none usable" : null;
}

class DomainTally {
  readonly #candidates: CandidateReason[] = [];
  readonly #prompts: PromptReason[] = [];
  readonly #passRates: number[] = [];
  readonly #before: number[] = [];
  readonly #after: number[] = [];
  #numPrompts = 0;
  #keptPrompts = 0;
  #scored = 0;
  #correct = 0;

  add(candidates: readonly JudgedCandidate[], { selected, rejected, passRate, reason }: PromptSelection): void {
    this.#numPrompts++;
    if (passRate !== null) this.#passRates.push(passRate);
    if (reason === null) this.#keptPrompts++;
    else this.#prompts.push(reason);
    for (const each of rejected) this.#candidates.push(each.reason);
    const chosen = new Set(selected);
    for (const { id, correct, length } of candidates) {
      this.#before.push(length);
      if (chosen.has(id)) this.#after.push(length);
      if (correct !== null) this.#scored++;
      if (correct) this.#correct++;
    }
  }

  report(): DomainSelection {
    const rates = this.#passRates;
    const passRates = [0, 0, 0, 0, 0, 0];
    for (const rate of rates) {
      const place = rate === 1 ? 5 : Math.ceil(rate * 4);
      passRates[place] = (passRates[place] ?? 0) + 1;
    }
    return {
      prompts: this.#numPrompts,
      candidates: this.#before.length,
      scored: this.#scored,
      correct: this.#correct,
      passRate: rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0) / rates.length,
      passRates,
      kept: { prompts: this.#keptPrompts, records: this.#after.length },
      dropped: { prompts: countsOf(this.#prompts), candidates: countsOf(this.#candidates) },
      lengths: {
        before: lengthSummary(Float64Array.from(this.#before)),
        after: lengthSummary(Float64Array.from(this.#after)),
      },
    };
  }
}

function checkOptions({ perPrompt, languageShare: share, repetitionShare, repetitionNgram }: SelectOptions): void {
  const within = (name: string, value: number, low: number, high: number, isWhole = false): void => {
    if (value >= low && value <= high && (!isWhole || Number.isInteger(value))) return;
    throw new RangeError(`${name} must be ${isWhole ? "a whole number " : ""}from ${low} to ${high}, got ${value}`);
  };
  within("records of a prompt", perPrompt, 1, 1000, true);
  within("language share", share, 0, 1);
  within("repetition share", repetitionShare, 0, 1);
  within("words of a repetition", repetitionNgram, 1, 1000, true);
}
