/** `fathom distill sample`: several answers of an expert to each question. */

import { join } from "node:path";
import { Command } from "commander";
import { files } from "../posttrain/distill/records.js";
import type { SampleResult } from "../posttrain/distill/sample.js";
import { directoryArgument, inDirectory } from "./distillDirectory.js";
import { addExpertOptions, type ExpertFlags, openExpert, samplePrinter, samplingOf } from "./expertOptions.js";
import { act, grouped, integerOption, type Outcome } from "./output.js";

export interface SampleFlags extends ExpertFlags {
  readonly samples?: number;
  readonly system?: string;
}

const temperature = 1;

export function sampleCommand(): Command {
  const command = new Command("sample")
    .description("Ask an expert each question several times; answers are kept as they come, and asked for once.")
    .argument(...directoryArgument)
    .addOption(integerOption("--samples <n>", "answers to each question (default 4)", 1, 10_000))
    .option("--system <text>", "system prompt of the expert (default: none, as in its reinforcement learning)");
  addExpertOptions(command, "model", "the expert", temperature).addHelpText(
    "after",
    `
Questions of the domain general are not asked: fathom distill generate-chat is for those.

Examples, after fathom distill prompts distilled --family add-subtract --count 400 --plain:
  fathom distill sample distilled --model runs/quickstart --samples 4 --max-new-tokens 64
  fathom distill sample distilled --model http://127.0.0.1:8000 --endpoint-model quickstart`,
  );
  return act<SampleFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, "prompts", (stoppable) => sample(directory, flags, stoppable())),
  );
}

async function sample(directory: string, flags: SampleFlags, signal: AbortSignal): Promise<Outcome> {
  const { isStopped, ...result } = await drawSamples(directory, flags, signal);
  const path = join(directory, files.candidates);
  const text = `${path}: ${grouped(result.done)} of ${grouped(result.wanted)} answers, ${grouped(result.written)} of them new`;
  return { result: { directory, ...result }, text, isInterrupted: isStopped };
}

/** The step itself. */
export async function drawSamples(directory: string, flags: SampleFlags, signal: AbortSignal): Promise<SampleResult> {
  const { sampleCandidates, sampleTasks } = await import("../posttrain/distill/sample.js");
  const { reasoningPrompts } = await import("../posttrain/distill/steps.js");
  const tasks = sampleTasks(reasoningPrompts(directory), flags.samples ?? 4, flags.system ?? null);
  await using expert = await openExpert(flags, signal);
  const path = join(directory, files.candidates);
  return await sampleCandidates(path, tasks, expert, samplingOf(flags, temperature), signal, samplePrinter());
}
