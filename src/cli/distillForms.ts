/** `fathom distill forms`: each question with a concise answer, and with a system prompt and one that thinks. */

import { join } from "node:path";
import { Command } from "commander";
import type { FormsReport } from "../posttrain/distill/forms.js";
import { files } from "../posttrain/distill/records.js";
import { directoryArgument, inDirectory } from "./distillDirectory.js";
import { openRules, type RuleFlags, withRuleOptions } from "./distillRules.js";
import { addExpertOptions, type ExpertFlags, openExpert, samplePrinter, samplingOf } from "./expertOptions.js";
import { act, grouped, type Outcome } from "./output.js";

export interface FormsFlags extends ExpertFlags, RuleFlags {
  readonly teacher?: string;
  readonly system?: string;
}

const temperature = 0.6;

export function formsCommand(): Command {
  const command = new Command("forms")
    .description(
      "Make the samples that an expert learns from: A answers concisely, B is told to reflect and thinks first.",
    )
    .argument(...directoryArgument)
    .option("--system <text>", "system prompt of form B (default: one that asks for reflection and verification)");
  withRuleOptions(
    addExpertOptions(command, "teacher", "who answers questions that were not generated", temperature),
  ).addHelpText(
    "after",
    `
Examples, after fathom distill prompts distilled --family add-subtract --count 400 --plain:
  fathom distill forms distilled
  fathom distill forms distilled --teacher http://127.0.0.1:8000`,
  );
  return act<FormsFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, "prompts", (stoppable) => forms(directory, flags, stoppable())),
  );
}

async function forms(directory: string, flags: FormsFlags, signal: AbortSignal): Promise<Outcome> {
  const { report, isStopped } = await makeForms(directory, flags, signal);
  if (report === null) return { result: { directory }, text: "", isInterrupted: isStopped };
  const gone = Object.entries(report.dropped).map(([reason, count]) => `${grouped(count)} ${reason}`);
  const path = join(directory, files.forms);
  const text = `${path}: ${grouped(report.A)} A and ${grouped(report.B)} B of ${grouped(report.prompts)} prompts; dropped ${gone.join(", ") || "none"}`;
  return { result: { directory, ...report }, text, isInterrupted: isStopped };
}

/** The step itself. @returns null: the signal came before there was a form for each prompt */
export async function makeForms(
  directory: string,
  flags: FormsFlags,
  signal: AbortSignal,
): Promise<{ readonly report: FormsReport | null; readonly isStopped: boolean }> {
  const { reflectionPrompt, teacherTasks } = await import("../posttrain/distill/forms.js");
  const { problemFormsStep, reasoningPrompts, teacherFormsStep } = await import("../posttrain/distill/steps.js");
  const system = flags.system ?? reflectionPrompt;
  if (system.trim() === "") throw new RangeError("--system: expected a text; without one the two forms are one");
  if (flags.teacher === undefined) return { report: problemFormsStep(directory, system), isStopped: false };
  const { sampleCandidates, taskIds } = await import("../posttrain/distill/sample.js");
  const { verdictOf } = await import("../posttrain/distill/scoring.js");
  const prompts = reasoningPrompts(directory);
  await using teacher = await openExpert({ ...flags, model: flags.teacher }, signal);
  await using rules = await openRules(flags, prompts);
  const options = samplingOf(flags, temperature);
  const tasks = teacherTasks(prompts, system);
  const path = join(directory, files.teacher);
  const { isStopped } = await sampleCandidates(path, tasks, teacher, options, signal, samplePrinter());
  if (isStopped) return { report: null, isStopped };
  const wanted = new Set(taskIds(tasks, teacher, options.seed));
  const report = await teacherFormsStep(directory, prompts, wanted, (prompt, candidate) =>
    verdictOf(rules.verifiers, prompt, candidate, signal),
  );
  return { report, isStopped };
}
