/** `fathom distill score`: what each candidate is worth, by rule and, where one is named, by a judge. */

import { join } from "node:path";
import { Command } from "commander";
import { type DistillPrompt, files } from "../posttrain/distill/records.js";
import type { ScoreResult } from "../posttrain/distill/score.js";
import { directoryArgument, inDirectory } from "./distillDirectory.js";
import { openRules, type RuleFlags, withRuleOptions } from "./distillRules.js";
import { addExpertOptions, type ExpertFlags, openExpert, samplingOf } from "./expertOptions.js";
import { act, grouped, integerOption, type Outcome, say } from "./output.js";

export interface ScoreFlags extends ExpertFlags, RuleFlags {
  readonly judge?: string;
  readonly votes?: number;
  readonly again?: boolean;
}

const temperature = 0.6;

export function scoreCandidatesCommand(): Command {
  const command = new Command("score")
    .description("Score the answers that have no score: by the rule of each question, and by a judge if one is named.")
    .argument(...directoryArgument)
    .addOption(integerOption("--votes <n>", "opinions of the judge on each answer; most decide (default 1)", 1, 64))
    .option("--again", "score all of them, from the beginning");
  withRuleOptions(addExpertOptions(command, "judge", "a model that judges beside the rules", temperature)).addHelpText(
    "after",
    `
An answer is right if every verifier that can tell says so.

Examples, after fathom distill sample:
  fathom distill score distilled
  fathom distill score distilled --judge http://127.0.0.1:8000`,
  );
  return act<ScoreFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, "prompts", (stoppable) => score(directory, flags, stoppable())),
  );
}

async function score(directory: string, flags: ScoreFlags, signal: AbortSignal): Promise<Outcome> {
  const { isStopped, ...result } = await giveScores(directory, flags, signal);
  const { candidates, scored, correct, wrong, untold } = result;
  const text =
    `${join(directory, files.candidates)}: ${grouped(candidates)} answers, ${grouped(scored)} scored now: ` +
    `${grouped(correct)} right, ${grouped(wrong)} wrong, ${grouped(untold)} that no verifier can tell`;
  return { result: { directory, ...result }, text, isInterrupted: isStopped };
}

/** The step itself. */
export async function giveScores(directory: string, flags: ScoreFlags, signal: AbortSignal): Promise<ScoreResult> {
  const { judgeVerifier } = await import("../posttrain/distill/judgeVerifier.js");
  const { Judge } = await import("../posttrain/judge/judge.js");
  const { readPrompts } = await import("../posttrain/distill/records.js");
  const { scoreCandidates } = await import("../posttrain/distill/score.js");
  const { rewardNames, verdictOf } = await import("../posttrain/distill/scoring.js");
  const prompts = readPrompts(join(directory, files.prompts));
  await using judge = flags.judge === undefined ? null : await openExpert({ ...flags, model: flags.judge }, signal);
  await using rules = await openRules(flags, prompts);
  const judging = { ...samplingOf(flags, temperature), votes: flags.votes ?? 1 };
  const verifiers = [...rules.verifiers, ...(judge ? [judgeVerifier(new Judge(judge, judging))] : [])];
  const names = (prompt: DistillPrompt): string[] => rewardNames(verifiers, prompt);
  const options = { names, again: flags.again ?? false, atOnce: judge?.atOnce ?? rules.atOnce };
  let told = performance.now();
  const progress = (done: number, wanted: number): void => {
    if (performance.now() - told < 2000) return;
    told = performance.now();
    say(`${grouped(done)} of ${grouped(wanted)} scored`);
  };
  return await scoreCandidates(
    join(directory, files.candidates),
    prompts,
    (prompt, candidate, stop) => verdictOf(verifiers, prompt, candidate, stop),
    options,
    signal,
    progress,
  );
}
