/** `fathom grpo`: reinforcement learning on questions whose answers can be scored. */
import { Command, InvalidArgumentError, Option } from "commander";
import type { TrainResult } from "../train/events.js";
import { type AdapterFlags, withAdapterOptions } from "./adapterOptions.js";
import { withReadingOptions } from "./dataReading.js";
import { addPolicyOptions, type PolicyFlags } from "./grpoOptions.js";
import type { QuestionFlags } from "./grpoQuestions.js";
import { act, grouped, integerOption, numberOption, type Outcome, repeated, table } from "./output.js";
import { addStageOptions, type StageFlags } from "./stageOptions.js";

export interface GrpoFlags extends StageFlags, AdapterFlags, PolicyFlags, QuestionFlags {}

export function grpoCommand(): Command {
  const command = new Command("grpo").description("Reinforcement learning with group-relative advantages (GRPO).");
  const stage = addStageOptions(command, { learningRate: 1e-6, minLearningRate: 1e-6 });
  addPolicyOptions(withReadingOptions(withAdapterOptions(stage)))
    .option(
      "--data <path>",
      "prompts with columns for the rewards: JSONL, JSON, CSV, Parquet; may be repeated",
      repeated,
    )
    .option("--validation-data <path>", "measure on these prompts, as --data; may be repeated", repeated)
    .addOption(
      numberOption(
        "--validation-fraction <x>",
        "share of --data to measure on instead of learning (default 0)",
        0,
        0.9,
      ),
    )
    .option(
      "--reward <name>",
      "built-in (boxed, exact, code, ...), a file of yours, model:DIR, judge:MODEL or judge:URL; may be repeated",
      repeated,
    )
    .addOption(
      new Option("--reward-weights <w,...>", "of the rewards in their order (default 1 each)").argParser((text) => {
        const weights = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
        if (!weights.every(Number.isFinite)) throw new InvalidArgumentError("expected numbers, separated by commas.");
        return weights;
      }),
    )
    .addOption(
      new Option("--combination <how>", "of several rewards (default sum-then-normalize)").choices([
        "sum-then-normalize",
        "normalize-then-sum",
      ]),
    )
    .addOption(
      new Option("--on-reward-failure <what>", "a reward that throws, hangs or gives no number (default stop)").choices(
        ["stop", "null", "zero"],
      ),
    )
    .addOption(integerOption("--judge-votes <n>", "opinions of a judge on each answer (default 1)", 1, 64))
    .option("--answer-column <name>", "column with the right answer (default answer, gold or solution)")
    .option("--confirm-run-unsafe-code", "let rewards run the programs that the model writes, in the sandbox")
    .option("--problems <family>", "ask problems made here: add-subtract, dates, ...; may be repeated", repeated)
    .addOption(integerOption("--level <n>", "one level of them alone, from 1 (default: all in turn)", 1, 9))
    .option("--plain", "one form of question per kind, for very small models")
    .addOption(
      integerOption("--eval-problems <n>", "most held-out questions to measure on (default 200), 0 = none", 0, 1000),
    )
    .addOption(
      integerOption(
        "--eval-samples <k>",
        "answers sampled to each of them, for mean@k, best@k and maj@k (default 0: the greedy one alone)",
        0,
        128,
      ),
    )
    .addHelpText(
      "after",
      `
Example, after fathom sft on the same family:
  fathom grpo --model runs/sums --problems add-subtract --plain --learning-rate 1e-4 --max-new-tokens 64 --out runs/sums-rl`,
    );
  return act<GrpoFlags>(command, (_, flags) => runGrpo(flags));
}

/** @param deadline time in performance.now() at which to end as if the steps were done */
export async function runGrpo(given: GrpoFlags, deadline?: number): Promise<Outcome> {
  const { grpo } = await import("../posttrain/grpo/grpo.js");
  const { defaultStageSettings } = await import("../posttrain/settings.js");
  const { policyOptions } = await import("./grpoOptions.js");
  const { questionsOf } = await import("./grpoQuestions.js");
  const { printer } = await import("./progress.js");
  const { filesOf, lastEvaluation } = await import("./recordFiles.js");
  const { ratesFor, stageAdapter } = await import("./adapterOptions.js");
  const { stageSettings } = await import("./stageOptions.js");
  const { inStage } = await import("./stageSession.js");
  return inStage(given, "grpo", async (flags, base, session) => {
    const { directory, config, tokenizer } = base;
    const adapter = stageAdapter(flags, base);
    const options = policyOptions(flags);
    const defaults = { ...defaultStageSettings(config), learningRate: 1e-6, minLearningRate: 1e-6, alpha: 0 };
    const { steps: _, ...rates } = flags; // The policy's options hold the number of steps.
    const settings = stageSettings(rates, ratesFor(adapter, { ...defaults, validateEvery: 25 }));
    const questions = await questionsOf(flags, tokenizer, settings, options);
    session.trains("grpo");
    const events = grpo({
      run: flags.out,
      base: directory,
      adapter,
      config,
      settings,
      options,
      tokenizer,
      records: flags.data ? filesOf([...flags.data, ...(flags.validationData ?? [])]) : [],
      asked: { ...flags },
      grid: session.grid,
      resumeFrom: session.resumeFrom?.path ?? null,
      prompts: questions.prompts,
      scorer: questions.scorer,
      evaluate: questions.evaluate,
      ...(deadline === undefined ? {} : { deadline }),
      signal: session.signal,
    });
    const print = printer();
    try {
      for (;;) {
        const { value, done } = await events.next();
        if (done) return outcome(value, lastEvaluation(flags.out, "grpo")?.figures ?? {});
        if (session.isFirst) print(value);
      }
    } finally {
      await questions.close();
    }
  });
}

function outcome(value: TrainResult, figures: Readonly<Record<string, number>>): Outcome {
  const text = table([
    ["run", value.run],
    ["steps", grouped(value.steps)],
    ["tokens of answers", grouped(value.tokens)],
    ...Object.entries(figures).map(([name, figure]) => [`held-out ${name}`, figure.toFixed(3)]),
    ["tokens per second", grouped(value.tokensPerSecond)],
  ]);
  return { result: { ...value, evaluation: figures }, text, isInterrupted: value.reason === "stopped" };
}
