/** `fathom distill select`, `pairs` and `mix`: the best answers, right ones beside wrong ones, and the data set of best and reviewed answers. */

import { join } from "node:path";
import { Command } from "commander";
import { files } from "../posttrain/distill/records.js";
import type { SelectionReport, SelectOptions } from "../posttrain/distill/select.js";
import { directoryArgument, inDirectory } from "./distillDirectory.js";
import { act, grouped, integerOption, numberOption, type Outcome, table } from "./output.js";

export interface SelectFlags {
  readonly perPrompt?: number;
  readonly dropSolved?: boolean;
  readonly languageShare?: number;
  readonly repetitionShare?: number;
  readonly repetitionWords?: number;
}

export function selectCommand(): Command {
  const command = new Command("select")
    .description(
      "Choose among the answers to each question: right, whole, well-formed, one language, no loops; then the shortest.",
    )
    .argument(...directoryArgument)
    .addOption(integerOption("--per-prompt <k>", "most answers to keep of a question (default 1)", 1, 1000))
    .option("--drop-solved", "leave out questions that were answered rightly each time")
    .addOption(
      numberOption("--language-share <x>", "least share of words in the question's script (default 0.9)", 0, 1),
    )
    .addOption(
      numberOption("--repetition-share <x>", "share of word runs said before that is a loop (default 0.2)", 0, 1),
    )
    .addOption(integerOption("--repetition-words <n>", "words of such a run (default 10)", 1, 1000))
    .addHelpText("after", "\nExample, after fathom distill score:\n  fathom distill select distilled --per-prompt 2");
  return act<SelectFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, "prompts", () => select(directory, flags)),
  );
}

async function select(directory: string, flags: SelectFlags): Promise<Outcome> {
  const report = await chooseAnswers(directory, flags);
  return {
    result: { directory, ...report },
    text: `${selectionText(report)}\n${join(directory, files.selected)}: ready`,
  };
}

/** The step itself. */
export async function chooseAnswers(directory: string, flags: SelectFlags): Promise<SelectionReport> {
  const { defaultSelect } = await import("../posttrain/distill/select.js");
  const { selectStep } = await import("../posttrain/distill/steps.js");
  const d = defaultSelect;
  const options: SelectOptions = {
    perPrompt: flags.perPrompt ?? d.perPrompt,
    dropsSolved: flags.dropSolved ?? d.dropsSolved,
    languageShare: flags.languageShare ?? d.languageShare,
    repetitionShare: flags.repetitionShare ?? d.repetitionShare,
    repetitionNgram: flags.repetitionWords ?? d.repetitionNgram,
  };
  return selectStep(directory, options);
}

export function selectionText({ domains, orphans }: SelectionReport): string {
  const rows = Object.entries(domains).map(([domain, each]) => [
    domain,
    grouped(each.prompts),
    grouped(each.candidates),
    each.passRate === null ? "-" : `${(100 * each.passRate).toFixed(1)} %`,
    grouped(each.kept.prompts),
    grouped(each.kept.records),
    each.lengths.before.mean.toFixed(1),
    each.lengths.after.mean.toFixed(1),
  ]);
  const head = ["domain", "prompts", "answers", "right", "prompts kept", "records", "tokens before", "after"];
  const lines = [table([head, ...rows])];
  for (const [domain, { dropped }] of Object.entries(domains)) {
    const reasons = Object.entries({ ...dropped.candidates }).map(([reason, count]) => `${grouped(count)} ${reason}`);
    const prompts = Object.entries(dropped.prompts).map(([reason, count]) => `${grouped(count)} ${reason}`);
    lines.push(
      `${domain}: answers left out: ${reasons.join(", ") || "none"}; prompts: ${prompts.join(", ") || "none"}`,
    );
  }
  if (orphans > 0) lines.push(`${grouped(orphans)} answers are to prompts that are no longer there`);
  return lines.join("\n");
}

interface PairsFlags {
  readonly perPrompt?: number;
}

export function pairsCommand(): Command {
  const command = new Command("pairs")
    .description("Put a right and a wrong answer to the same question side by side, for a reward model or DPO.")
    .argument(...directoryArgument)
    .addOption(integerOption("--per-prompt <k>", "most pairs of a question (default 4)", 1, 1000))
    .addHelpText(
      "after",
      `
Example, after fathom distill score:
  fathom distill pairs distilled
  fathom reward --model runs/quickstart-sft --data distilled/pairs.jsonl --learning-rate 5e-4 --out runs/scores`,
    );
  return act<PairsFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, "prompts", () => pairs(directory, flags)),
  );
}

async function pairs(directory: string, { perPrompt = 4 }: PairsFlags): Promise<Outcome> {
  const { pairsStep } = await import("../posttrain/distill/steps.js");
  const report = await pairsStep(directory, perPrompt);
  const without = Object.entries(report.dropped).map(([reason, count]) => `${grouped(count)} ${reason}`);
  const text = `${join(directory, files.pairs)}: ${grouped(report.pairs)} pairs of ${grouped(report.prompts)} questions; without: ${without.join(", ") || "none"}`;
  return { result: { directory, ...report }, text };
}

export interface MixFlags {
  readonly seed?: number;
  readonly validationFraction?: number;
}

export function mixCommand(): Command {
  const command = new Command("mix")
    .description("Mix the chosen answers and the records that a person accepted into the data set of a student.")
    .argument(...directoryArgument)
    .addOption(integerOption("--seed <n>", "of order and split (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .addOption(numberOption("--validation-fraction <x>", "share of prompts to hold out (default 0.05)", 0, 0.9))
    .addHelpText(
      "after",
      `
Example, after fathom distill select:
  fathom distill mix distilled
  fathom sft --model runs/quickstart --data distilled/sft.jsonl --validation-data distilled/sft.validation.jsonl \\
    --learning-rate 1e-3 --out runs/student`,
    );
  return act<MixFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, "directory", () => mix(directory, flags)),
  );
}

async function mix(directory: string, flags: MixFlags): Promise<Outcome> {
  const { mixStep } = await import("../posttrain/distill/steps.js");
  const report = await mixStep(directory, mixOptions(flags));
  const forms = Object.entries(report.byForm).map(([form, count]) => `${grouped(count)} ${form}`);
  const [training, validation] = [files.sft, files.validation].map((name) => join(directory, name));
  const text = `${training}: ${grouped(report.training)} records\n${validation}: ${grouped(report.validation)} records\n${forms.join(", ")}`;
  return { result: { directory, ...report }, text };
}

export function mixOptions(flags: MixFlags): { readonly seed: number; readonly validationFraction: number } {
  return { seed: flags.seed ?? 1, validationFraction: flags.validationFraction ?? 0.05 };
}
