/**
 * The steps of a working directory: each reads the files of those before it, replaces its own as a whole, and notes in report.json what it came to.
 * Sampling and scoring, which take long, have files of their own (sample.ts, score.ts). post-training.md 2.4.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../files/atomic.js";
import { JsonLog, readLog } from "../ask/jsonLog.js";
import { splitThought } from "../data/thoughts.js";
import { collectPrompts, countsOf, type PromptsReport, promptsReport } from "./collect.js";
import type { EvaluationDocument } from "./contamination.js";
import type { UnusablePrompt } from "./filePrompts.js";
import { formatProblem } from "./format.js";
import { type FormReason, type FormsReport, problemForms, teacherForms } from "./forms.js";
import { type MixOptions, type MixReport, mixRecords } from "./mix.js";
import { type PairsReport, writePairs } from "./pairs.js";
import {
  asCandidate,
  type Candidate,
  type DistillPrompt,
  type DroppedPrompt,
  files,
  readPrompts,
  type SftRecord,
} from "./records.js";
import { updateReport } from "./report.js";
import { type ReviewTally, readReview, tallyOf, waitingRecord } from "./review.js";
import type { Verdict } from "./scoring.js";
import { type SelectionReport, type SelectOptions, selectCandidates } from "./select.js";
import { writeSelected } from "./selected.js";

/** Replaces the prompts; see `collectPrompts`. @throws RangeError for prompts that contradict each other, or if none is left */
export async function promptsStep(
  directory: string,
  source: AsyncIterable<DistillPrompt | UnusablePrompt> | Iterable<DistillPrompt | UnusablePrompt>,
  documents: AsyncIterable<EvaluationDocument> | Iterable<EvaluationDocument>,
  n: number,
): Promise<{ readonly report: PromptsReport; readonly dropped: readonly DroppedPrompt[] }> {
  const collected = await collectPrompts(source, documents, n);
  const report = promptsReport(collected);
  if (collected.prompts.length === 0) {
    throw new RangeError(`no prompt is left of ${report.read}: ${JSON.stringify(report.dropped)}`);
  }
  writeLines(join(directory, files.dropped), collected.dropped);
  updateReport(directory, { prompts: report });
  writeLines(join(directory, files.prompts), collected.prompts);
  return { report, dropped: collected.dropped };
}

/** Prompts of a directory that experts answer; what is general is a chat model's, and reviewed by a person. @throws RangeError if there are none */
export function reasoningPrompts(directory: string): DistillPrompt[] {
  const path = join(directory, files.prompts);
  const prompts = readPrompts(path).filter(({ domain }) => domain !== "general");
  if (prompts.length > 0) return prompts;
  throw new RangeError(`${path}: all prompts are general; fathom distill generate-chat answers those`);
}

/** Replaces the forms by those that the problems have themselves. @throws RangeError for a prompt that was not generated */
export function problemFormsStep(directory: string, system: string): FormsReport {
  const prompts = reasoningPrompts(directory);
  return writeForms(
    directory,
    prompts.length,
    prompts.flatMap((prompt) => problemForms(prompt, system)),
    [],
  );
}

/**
 * Replaces the forms by what a teacher has answered (teacher.jsonl).
 * @param wanted ids of the answers that count: others are those of another teacher, or of another time
 * @param judge what the rules say of an answer
 */
export async function teacherFormsStep(
  directory: string,
  prompts: readonly DistillPrompt[],
  wanted: ReadonlySet<string>,
  judge: (prompt: DistillPrompt, candidate: Candidate) => Promise<Verdict>,
): Promise<FormsReport> {
  const answers = new Map<string, Candidate[]>();
  for await (const { value, at } of readLog(join(directory, files.teacher))) {
    const candidate = asCandidate(value, at);
    if (!wanted.has(candidate.id)) continue;
    answers.set(candidate.prompt_id, [...(answers.get(candidate.prompt_id) ?? []), candidate]);
  }
  const records: SftRecord[] = [];
  const dropped: FormReason[] = [];
  for (const prompt of prompts) {
    const own = (answers.get(prompt.id) ?? []).map(async (candidate) => ({
      candidate,
      verdict: await judge(prompt, candidate),
    }));
    const forms = teacherForms(prompt, await Promise.all(own));
    records.push(...forms.records);
    dropped.push(...forms.dropped);
  }
  return writeForms(directory, prompts.length, records, dropped);
}

/** The system prompt of form B, as the expert was taught it; null if no form has one. */
export async function systemOfForms(directory: string): Promise<string | null> {
  for await (const { value } of readLog(join(directory, files.forms))) {
    const [first] = (value as Partial<SftRecord>).messages ?? [];
    if (first?.role === "system") return first.content;
  }
  return null;
}

/** Replaces the selected records. @throws as `selectCandidates` */
export async function selectStep(directory: string, options: SelectOptions): Promise<SelectionReport> {
  const path = join(directory, files.candidates);
  const selection = await selectCandidates(path, reasoningPrompts(directory), options);
  updateReport(directory, { selection: selection.report });
  writeSelected(join(directory, files.selected), path, selection);
  return selection.report;
}

/** Replaces the pairs of right and wrong answers. @throws as `writePairs` */
export async function pairsStep(directory: string, perPrompt: number): Promise<PairsReport> {
  const [target, candidates] = [join(directory, files.pairs), join(directory, files.candidates)];
  const report = await writePairs(target, candidates, reasoningPrompts(directory), perPrompt);
  updateReport(directory, { pairs: report });
  return report;
}

/** Replaces the data set. @throws as `mixRecords` */
export async function mixStep(directory: string, options: MixOptions): Promise<MixReport> {
  const at = (name: string): string => join(directory, name);
  const from = { selected: at(files.selected), review: at(files.review) };
  const report = await mixRecords(from, { training: at(files.sft), validation: at(files.validation) }, options);
  updateReport(directory, { sft: report, review: await reviewTally(directory) });
  return report;
}

/**
 * Puts answers of a chat model into the queue of those to review, without their thoughts; those that are there stay as they are.
 * @param path the log of the answers
 * @returns how many were put in, and how many left out because they were cut or malformed
 */
export async function queueStep(
  directory: string,
  path: string,
  prompts: readonly DistillPrompt[],
): Promise<{ readonly queued: number; readonly unusable: number }> {
  const review = join(directory, files.review);
  const there = await readReview(review);
  const asked = new Map(prompts.map(({ id, prompt }) => [id, prompt]));
  using log = new JsonLog(review);
  let [queued, unusable] = [0, 0];
  for await (const { value, at } of readLog(path)) {
    const { id, prompt_id, system, completion, finish_reason, model } = asCandidate(value, at);
    const question = asked.get(prompt_id);
    if (there.has(id) || question === undefined) continue;
    const { answer } = splitThought({ role: "assistant", content: completion });
    if (finish_reason === "length" || formatProblem(completion, "free") !== null) {
      unusable++;
      continue;
    }
    const messages = [
      ...(system === undefined ? [] : [{ role: "system", content: system }]),
      { role: "user", content: question },
      { role: "assistant", content: answer },
    ];
    log.append([waitingRecord(id, messages, model)]);
    queued++;
  }
  return { queued, unusable };
}

/** The state of the queue; null: there is none. */
export async function reviewTally(directory: string): Promise<ReviewTally | null> {
  const path = join(directory, files.review);
  return existsSync(path) ? tallyOf((await readReview(path)).values()) : null;
}

function writeForms(
  directory: string,
  prompts: number,
  records: readonly SftRecord[],
  dropped: readonly FormReason[],
): FormsReport {
  if (records.length === 0)
    throw new RangeError(`no form is left of ${prompts} prompts: ${JSON.stringify(countsOf(dropped))}`);
  const count = (form: string): number => records.filter(({ meta }) => meta.form === form).length;
  const report = { prompts, A: count("A"), B: count("B"), dropped: countsOf(dropped) };
  updateReport(directory, { forms: report });
  writeLines(join(directory, files.forms), records);
  return report;
}

function writeLines(path: string, records: readonly object[]): void {
  const lines = function* (): Generator<string> {
    for (const record of records) yield `${JSON.stringify(record)}\n`;
  };
  writeFileAtomic(path, lines());
}
