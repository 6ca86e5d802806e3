/** `fathom distill report`: report.json as it stands, and a page to read with samples of what was kept and what was not. */

import { join } from "node:path";
import { Command } from "commander";
import { asCandidate, type Candidate, type DroppedPrompt, files } from "../posttrain/distill/records.js";
import type { DistillReport } from "../posttrain/distill/report.js";
import type { CandidateReason, DomainSelection } from "../posttrain/distill/select.js";
import type { AnswerSample, DomainFigures, DroppedSample } from "../report/distillation.js";
import { directoryArgument, inDirectory } from "./distillDirectory.js";
import { selectionText } from "./distillSelect.js";
import { act, grouped, integerOption, type Outcome } from "./output.js";

interface ReportFlags {
  readonly samples?: number;
}

export function distillReportCommand(): Command {
  const command = new Command("report")
    .description("Write report.json and report.html: pass rates, what was left out and why, lengths, samples.")
    .argument(...directoryArgument)
    .addOption(integerOption("--samples <n>", "answers of each kind to show (default 3)", 0, 100))
    .addHelpText("after", "\nExample, after fathom distill select:\n  fathom distill report distilled");
  return act<ReportFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, "prompts", () => report(directory, flags)),
  );
}

async function report(directory: string, { samples = 3 }: ReportFlags): Promise<Outcome> {
  const made = await writeDistillReport(directory, samples);
  const page = join(directory, files.page);
  const lines = [...(made.selection ? [selectionText(made.selection)] : []), join(directory, files.report), page];
  return { result: { directory, page, ...made }, text: lines.join("\n") };
}

/** The step itself. */
export async function writeDistillReport(directory: string, samples: number): Promise<DistillReport> {
  const { writeFileAtomic } = await import("../files/atomic.js");
  const { updateReport } = await import("../posttrain/distill/report.js");
  const { reviewTally } = await import("../posttrain/distill/steps.js");
  const { renderDistillation } = await import("../report/distillation.js");
  const made = updateReport(directory, { review: await reviewTally(directory) });
  writeFileAtomic(
    join(directory, files.page),
    renderDistillation({
      title: `Fathom: distillation in ${directory}`,
      facts: factsOf(made),
      droppedPrompts: made.prompts?.dropped ?? {},
      droppedSamples: await droppedPrompts(directory, samples),
      domains: Object.entries(made.selection?.domains ?? {}).map(([domain, each]) => figuresOf(domain, each)),
      samples: made.selection ? await answerSamples(directory, made.selection.examples, samples) : [],
    }),
  );
  return made;
}

function factsOf({ prompts, forms, review, sft }: DistillReport): [string, string][] {
  const facts: [string, string][] = [];
  if (prompts) {
    const { read, kept, against } = prompts;
    const named = Object.entries(kept).map(([domain, count]) => `${grouped(count)} ${domain}`);
    facts.push(["prompts", `${named.join(", ")}, of ${grouped(read)} read`]);
    facts.push(["held against", `${grouped(against.documents)} documents, by runs of ${against.ngram} words`]);
  }
  if (forms)
    facts.push(["forms", `${grouped(forms.A)} A and ${grouped(forms.B)} B of ${grouped(forms.prompts)} prompts`]);
  if (review) {
    const { accepted, edited, rejected, waiting } = review;
    facts.push([
      "reviewed",
      `${grouped(accepted)} accepted, ${grouped(edited)} edited, ${grouped(rejected)} rejected, ${grouped(waiting)} waiting`,
    ]);
  }
  if (sft) facts.push(["data set", `${grouped(sft.training)} records, ${grouped(sft.validation)} to validate on`]);
  return facts;
}

function figuresOf(domain: string, each: DomainSelection): DomainFigures {
  return {
    domain,
    prompts: each.prompts,
    answers: each.candidates,
    passRate: each.passRate,
    passRates: each.passRates,
    keptPrompts: each.kept.prompts,
    keptRecords: each.kept.records,
    droppedPrompts: { ...each.dropped.prompts },
    droppedAnswers: { ...each.dropped.candidates },
    before: each.lengths.before,
    after: each.lengths.after,
  };
}

/** Some of those left out, contaminated ones first. */
async function droppedPrompts(directory: string, count: number): Promise<DroppedSample[]> {
  const { readLog } = await import("../posttrain/ask/jsonLog.js");
  const contaminated: DroppedPrompt[] = [];
  const others: DroppedPrompt[] = [];
  for await (const { value } of readLog(join(directory, files.dropped))) {
    const each = value as unknown as DroppedPrompt;
    const kind = each.reason === "contaminated" ? contaminated : others;
    if (kind.length < count) kind.push(each);
  }
  return [...contaminated, ...others].slice(0, count).map((each) => ({
    reason: each.reason,
    prompt: each.prompt,
    because: each.ngram !== undefined ? `"${each.ngram}" is in ${each.met_in}` : (each.same_as ?? each.source),
  }));
}

async function answerSamples(
  directory: string,
  examples: Readonly<Partial<Record<CandidateReason, readonly string[]>>>,
  count: number,
): Promise<AnswerSample[]> {
  const { readLog } = await import("../posttrain/ask/jsonLog.js");
  const { readPrompts } = await import("../posttrain/distill/records.js");
  const prompts = new Map(readPrompts(join(directory, files.prompts)).map(({ id, prompt }) => [id, prompt]));
  const reasonOf = new Map(
    Object.entries(examples).flatMap(([reason, ids]) => ids.slice(0, count).map((id) => [id, reason] as const)),
  );
  const kept: AnswerSample[] = [];
  for await (const { value } of readLog(join(directory, files.selected))) {
    if (kept.length >= count) break;
    const { messages, meta } = value as {
      messages: { content: string }[];
      meta: { prompt_id: string; length: number };
    };
    const [prompt = "", answer = ""] = messages.slice(-2).map(({ content }) => content);
    kept.push({ reason: null, prompt, answer, facts: `${meta.prompt_id}, ${grouped(meta.length)} tokens` });
  }
  const found = new Map<string, Candidate>();
  for await (const { value, at } of readLog(join(directory, files.candidates))) {
    const candidate = asCandidate(value, at);
    if (reasonOf.has(candidate.id)) found.set(candidate.id, candidate);
  }
  const left = [...reasonOf].flatMap(([id, reason]): AnswerSample[] => {
    const candidate = found.get(id);
    if (!candidate) return [];
    const { prompt_id, model, token_count, completion } = candidate;
    const facts = `${prompt_id}, ${model}, ${grouped(token_count)} tokens`;
    return [{ reason, prompt: prompts.get(prompt_id) ?? "", answer: completion, facts }];
  });
  return [...kept, ...left];
}
