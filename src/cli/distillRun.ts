/**
 * `fathom distill run`: one domain from a base model to a student, every step of it. What is there is looked at first: a directory with prompts or
 * forms made otherwise keeps them, and a run that was stopped goes on.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { files } from "../posttrain/distill/records.js";
import type { DistillReport } from "../posttrain/distill/report.js";
import type { Accuracy } from "../posttrain/grpo/problems.js";
import { directoryArgument, inDirectory } from "./distillDirectory.js";
import { collectInto } from "./distillPrompts.js";
import { type RuleFlags, withRuleOptions } from "./distillRules.js";
import { selectionText } from "./distillSelect.js";
import { modelHelp } from "./modelPath.js";
import { act, integerOption, numberOption, type Outcome, repeated, say, table, threadsOption } from "./output.js";

interface RunFlags extends RuleFlags {
  readonly model?: string;
  readonly student?: string;
  readonly family?: readonly string[];
  readonly count?: number;
  readonly level?: number;
  readonly plain?: boolean;
  readonly learningRate?: number;
  readonly epochs?: number;
  readonly batch?: number;
  readonly length?: number;
  readonly rlSteps?: number;
  readonly rlLearningRate?: number;
  readonly rlWarmupSteps?: number;
  readonly rlPrompts?: number;
  readonly group?: number;
  readonly temperature?: number;
  readonly maxNewTokens?: number;
  readonly samples?: number;
  readonly perPrompt?: number;
  readonly dropSolved?: boolean;
  readonly validationFraction?: number;
  readonly evalProblems?: number;
  readonly seed?: number;
  readonly threads?: number;
}

export function distillRunCommand(): Command {
  const command = new Command("run")
    .description(
      "All steps for one domain: an expert is taught and trained by reward, its best answers teach a student.",
    )
    .argument(...directoryArgument)
    .option("--model <model>", `the model that the expert begins with: ${modelHelp}`)
    .option("--student <model>", "the model that the student begins with (default: the expert's)")
    .option("--family <name>", "problems made here: add-subtract, dates, ...; may be repeated", repeated)
    .addOption(integerOption("--count <n>", "how many of them (default 1000)", 1, 100_000_000))
    .addOption(integerOption("--level <n>", "one level of them alone, from 1 (default: all in turn)", 1, 9))
    .option("--plain", "one form of question per kind, for very small models")
    .addOption(numberOption("--learning-rate <x>", "of expert and student (default 0.000005)", 0, 1))
    .addOption(integerOption("--epochs <n>", "times that each goes through its records (default 2)", 1, 1e6))
    .addOption(integerOption("--batch <records>", "records a step (default 32)", 1, 2 ** 24))
    .addOption(integerOption("--length <tokens>", "most tokens of a record (default 2048)", 2, 2 ** 24))
    .addOption(integerOption("--rl-steps <n>", "steps of reinforcement learning (default 100), 0 = none", 0, 2 ** 31))
    .addOption(numberOption("--rl-learning-rate <x>", "its learning rate (default 0.000001)", 0, 1))
    .addOption(integerOption("--rl-warmup-steps <n>", "steps until it is reached (default 0)", 0, 2 ** 31))
    .addOption(integerOption("--rl-prompts <n>", "questions a step (default 16)", 1, 2 ** 20))
    .addOption(integerOption("--group <n>", "answers to each question of a step (default 8)", 2, 128))
    .addOption(
      numberOption("--temperature <x>", "of the expert's answers, there and as candidates (default 1)", 0.01, 100),
    )
    .addOption(integerOption("--max-new-tokens <n>", "longest answer (default 256)", 1, 2 ** 24))
    .addOption(integerOption("--samples <n>", "candidates of each question (default 4)", 1, 10_000))
    .addOption(integerOption("--per-prompt <k>", "most answers to keep of a question (default 1)", 1, 1000))
    .option("--drop-solved", "leave out questions that were answered rightly each time")
    .addOption(numberOption("--validation-fraction <x>", "share of prompts to hold out (default 0.05)", 0, 0.9))
    .addOption(integerOption("--eval-problems <n>", "held-out problems to measure on (default 200), 0 = none", 0, 1000))
    .addOption(integerOption("--seed <n>", "of everything (default 1)", 0, 2 ** 50))
    .addOption(threadsOption());
  withRuleOptions(command).addHelpText(
    "after",
    `
Options not given again are those of the beginning.

Example, after fathom quickstart:
  fathom distill run distilled --model runs/quickstart --family add-subtract --count 10000 --plain \\
    --learning-rate 1.5e-3 --batch 24 --rl-learning-rate 1e-4 --rl-warmup-steps 10 --rl-prompts 32 --rl-steps 20 \\
    --samples 2 --max-new-tokens 208`,
  );
  return act<RunFlags>(command, ([directory = ""], flags) =>
    inDirectory(directory, "nothing", (stoppable) => run(directory, flags, stoppable())),
  );
}

type StageName = keyof typeof import("./distillStages.js").stageFolders;
/** What is measured: each stage as it is asked without a system prompt, and the experts also with that of form B, which makes them reflect. */
const measurements = {
  expert: "expert",
  expertReflecting: "expert, told to reflect",
  policy: "policy",
  policyReflecting: "policy, told to reflect",
  student: "student",
} as const;
type Measurement = keyof typeof measurements;

/** What distill.json holds: how the run was begun, the stages that are done, and how good each is. */
interface RunState {
  readonly version: 1;
  readonly asked: RunFlags;
  readonly finished: readonly StageName[];
  readonly accuracy: Readonly<Partial<Record<Measurement, Accuracy>>>;
}

async function run(directory: string, given: RunFlags, signal: AbortSignal): Promise<Outcome> {
  const path = join(directory, "distill.json");
  const { readState, writeState } = await import("./distillState.js");
  let state = readState<RunState>(path, given) ?? { version: 1, asked: given, finished: [], accuracy: {} };
  const flags = state.asked;
  const { model } = flags;
  if (model === undefined) throw new RangeError("give the model that the expert begins with: --model PATH");
  if (!existsSync(join(directory, files.prompts)) && !flags.family) {
    throw new RangeError("give questions: --family NAME, or collect them with fathom distill prompts first");
  }
  writeState(path, state);
  const note = (change: Partial<RunState>): void => {
    state = { ...state, ...change };
    writeState(path, state);
  };
  const report = await allSteps(directory, { ...flags, model }, signal, {
    isFinished: (stage) => state.finished.includes(stage),
    finish: (stage) => note({ finished: [...state.finished, stage] }),
    isMeasured: (stage) => state.accuracy[stage] !== undefined,
    measured: (accuracy) => note({ accuracy: { ...state.accuracy, ...accuracy } }),
  });
  if (report === null) return { result: { directory, ...state }, text: "", isInterrupted: true };
  const lines = [
    ...(report.selection ? [selectionText(report.selection)] : []),
    accuracyText(state.accuracy),
    join(directory, files.page),
  ];
  return { result: { directory, ...state, report }, text: lines.filter((line) => line !== "").join("\n") };
}

interface Progress {
  readonly isFinished: (stage: StageName) => boolean;
  readonly finish: (stage: StageName) => void;
  readonly isMeasured: (stage: StageName) => boolean;
  readonly measured: (accuracy: RunState["accuracy"]) => void;
}

/** @returns null if the signal came before the end */
async function allSteps(
  directory: string,
  flags: RunFlags & { readonly model: string },
  signal: AbortSignal,
  progress: Progress,
): Promise<DistillReport | null> {
  const { makeForms } = await import("./distillForms.js");
  const { writeDistillReport } = await import("./distillReport.js");
  const { drawSamples } = await import("./distillSample.js");
  const { giveScores } = await import("./distillScore.js");
  const { chooseAnswers, mixOptions } = await import("./distillSelect.js");
  const { measureModel, stageFolders, trainExpert, trainPolicy, trainStudent } = await import("./distillStages.js");
  const { mixStep, systemOfForms } = await import("../posttrain/distill/steps.js");
  const { seed = 1, threads, length, rlSteps = 100, maxNewTokens = 256, temperature = 1 } = flags;
  const evaluation = await evaluationOf(flags);
  const rules = optional({ confirmRunUnsafeCode: flags.confirmRunUnsafeCode, verifier: flags.verifier });
  const common = { directory, seed, ...optional({ length, threads }) };
  const supervised = {
    ...common,
    learningRate: flags.learningRate ?? 5e-6,
    epochs: flags.epochs ?? 2,
    batch: flags.batch ?? 32,
  };
  const stage = async (name: StageName, train: () => Promise<boolean>): Promise<boolean> => {
    if (!progress.isFinished(name)) {
      say(`--- ${name}`);
      if (signal.aborted || !(await train())) return false;
      progress.finish(name);
    }
    if (evaluation && !progress.isMeasured(name)) {
      const folder = join(directory, stageFolders[name]);
      const system = name === "student" ? null : await systemOfForms(directory);
      const systems = system === null ? [null] : [null, system];
      const [plain, reflecting] = await measureModel(folder, evaluation, systems, maxNewTokens, threads);
      progress.measured({ [name]: plain, ...(reflecting ? { [`${name}Reflecting`]: reflecting } : {}) });
    }
    return !signal.aborted;
  };
  if (!existsSync(join(directory, files.prompts))) await collectInto(directory, flags);
  if (!existsSync(join(directory, files.forms))) await makeForms(directory, flags, signal);
  if (!(await stage("expert", () => trainExpert({ ...supervised, base: flags.model })))) return null;
  const expert = join(directory, stageFolders.expert);
  if (rlSteps > 0) {
    const policy = {
      ...common,
      base: expert,
      learningRate: flags.rlLearningRate ?? 1e-6,
      warmupSteps: flags.rlWarmupSteps ?? 0,
      steps: rlSteps,
      promptsPerStep: flags.rlPrompts ?? 16,
      groupSize: flags.group ?? 8,
      temperature,
      maxNewTokens,
      evaluation,
      rules,
    };
    if (!(await stage("policy", () => trainPolicy(policy)))) return null;
  }
  const sampler = rlSteps > 0 ? join(directory, stageFolders.policy) : expert;
  say("--- candidates");
  const asked = {
    model: sampler,
    seed,
    temperature,
    maxNewTokens,
    samples: flags.samples ?? 4,
    ...optional({ threads }),
  };
  if ((await drawSamples(directory, asked, signal)).isStopped) return null;
  if ((await giveScores(directory, rules, signal)).isStopped) return null;
  await chooseAnswers(directory, flags);
  await mixStep(directory, mixOptions({ seed, ...optional({ validationFraction: flags.validationFraction }) }));
  if (!(await stage("student", () => trainStudent({ ...supervised, base: flags.student ?? flags.model })))) return null;
  return writeDistillReport(directory, 3);
}

/** Held-out problems of the families that the prompts are of; null: they are of none, or nothing is to be measured. */
async function evaluationOf({
  family,
  level,
  plain,
  seed,
  evalProblems = 200,
}: RunFlags): Promise<import("./distillStages.js").PolicyChoice["evaluation"]> {
  const { familyNamed } = await import("../eval/problems/families.js");
  if (!family || evalProblems === 0) return null;
  const phrasing = plain ? "plain" : "varied";
  return {
    choice: { families: family.map(familyNamed), level: level ?? null, phrasing, seed: seed ?? 1 },
    count: evalProblems,
  };
}

function accuracyText(accuracy: RunState["accuracy"]): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const rows = Object.entries(measurements).flatMap(([key, name]) => {
    const each = accuracy[key as Measurement];
    return each ? [[name, percent(each.accuracy), each.length.toFixed(1), percent(each.truncated)]] : [];
  });
  return rows.length === 0 ? "" : table([["held-out problems", "right", "tokens", "cut"], ...rows]);
}

/** Without what is undefined. */
function optional<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
