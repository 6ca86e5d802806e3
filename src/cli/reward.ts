/** `fathom reward`: trains a model to score answers. */
import { Command, Option } from "commander";
import type { Pooling } from "../model/valueHead.js";
import type { Calibration, ValidationEvent } from "../train/events.js";
import { act, grouped, numberOption, type Outcome, table } from "./output.js";
import { addPreferenceOptions, defaultBatch, type PreferenceFlags, preferenceData } from "./preferenceOptions.js";

interface RewardFlags extends PreferenceFlags {
  readonly centring?: number;
  readonly margin?: number;
  readonly bias?: boolean;
  readonly pooling?: Pooling;
}

const rates = { learningRate: 1e-4, minLearningRate: 1e-5 };
/** Longer answers are left out. */
const longest = 1024;

export function rewardCommand(): Command {
  const command = new Command("reward").description(
    "Train a reward model: a fine-tuned model with a head that scores answers.",
  );
  addPreferenceOptions(
    command,
    { ...rates, length: longest },
    {
      data: "prompts with a chosen and a rejected answer, or with one answer and a label: JSONL, JSON, CSV or Parquet",
      each: "records",
    },
  )
    .addOption(numberOption("--centring <x>", "keeps scores around 0, say 0.01 (default 0)", 0, 100))
    .addOption(
      numberOption("--margin <x>", "lead of chosen answers, where the data has no margin (default 0)", 0, 1000),
    )
    .option("--bias", "give the head a bias, for data with labels")
    .addOption(
      new Option(
        "--pooling <how>",
        "score of the last token, or the sum of a value for each token of the answer, which learns sooner (default last)",
      ).choices(["last", "sum"]),
    )
    .addHelpText(
      "after",
      `
Example, after that of \`fathom sft\`, on right and wrong answers made here:
  fathom data generate --family add-subtract --split train --count 2000 --plain --form preference --out pairs.jsonl
  fathom reward --model runs/sums --data pairs.jsonl --plain-as chat --out runs/scores`,
    );
  return act<RewardFlags>(command, (_, flags) => run(flags));
}

async function run(given: RewardFlags): Promise<Outcome> {
  const { inStage } = await import("./stageSession.js");
  const { stageSettings } = await import("./stageOptions.js");
  const { printer } = await import("./progress.js");
  const { loadPreferences } = await import("../posttrain/data/chatData.js");
  const { defaultStageSettings } = await import("../posttrain/settings.js");
  const { reward } = await import("../posttrain/preference/reward.js");
  const { answersOf, defaultRewardLoss } = await import("../posttrain/preference/rewardLoss.js");
  const { filesOf, lastValidation } = await import("./recordFiles.js");
  return inStage(given, "reward", async (flags, { directory, config, tokenizer }, session) => {
    const { isFirst } = session;
    const defaults = defaultStageSettings(config);
    const maxLength = Math.min(longest, config.maxPositionEmbeddings);
    const settings = stageSettings(flags, { ...defaults, ...rates, maxLength });
    const { training, validation, report, paths } = await preferenceData(
      flags,
      { tokenizer, settings, isFirst },
      loadPreferences,
      (item) => answersOf(item).reduce((sum, { ids }) => sum + ids.length, 0),
    );
    session.trains("reward");
    const events = reward({
      run: flags.out,
      base: directory,
      config,
      settings,
      options: {
        centring: flags.centring ?? defaultRewardLoss.centring,
        margin: flags.margin ?? defaultRewardLoss.margin,
        hasBias: flags.bias ?? false,
        pooling: flags.pooling ?? "last",
        epochs: flags.epochs ?? 1,
        itemsPerStep: flags.batch ?? defaultBatch,
      },
      tokenizer,
      records: filesOf(paths),
      asked: { ...flags },
      grid: session.grid,
      resumeFrom: session.resumeFrom?.path ?? null,
      items: training,
      validation,
      signal: session.signal,
    });
    const print = printer();
    for (;;) {
      const { value, done } = await events.next();
      if (!done) {
        if (isFirst) print(value);
        continue;
      }
      const last = lastValidation(flags.out, "reward");
      const heldOut = last && {
        loss: last.valLoss,
        ...last.preference,
        calibration: last.calibration ?? null,
        lengthCorrelation: last.lengthCorrelation ?? null,
      };
      const text = [summary(value, last), ...(last?.calibration ? [calibrationTable(last.calibration)] : [])];
      const result = { ...value, heldOut, data: report };
      return { result, text: text.join("\n\n"), isInterrupted: value.reason === "stopped" };
    }
  });
}

function summary(
  result: {
    readonly run: string;
    readonly steps: number;
    readonly tokens: number;
    readonly trainLoss: number | null;
    readonly tokensPerSecond: number;
  },
  last: ValidationEvent | null,
): string {
  const { rewards, scores } = last?.preference ?? {};
  return table([
    ["run", result.run],
    ["steps", grouped(result.steps)],
    ["tokens", grouped(result.tokens)],
    ["training loss", result.trainLoss?.toFixed(4) ?? "not measured"],
    ["held-out loss", last?.valLoss.toFixed(4) ?? "not measured"],
    ["held-out answers in order", rewards ? `${(100 * rewards.accuracy).toFixed(1)} %` : "not measured"],
    ["held-out margin", rewards?.margin?.toFixed(4) ?? "not measured"],
    ["scores", scores ? `${scores.min.toFixed(3)} to ${scores.max.toFixed(3)}, mean ${scores.mean.toFixed(3)}` : "-"],
    ["calibration error", last?.calibration?.error.toFixed(4) ?? "not measured"],
    ["correlation of score and length", last?.lengthCorrelation?.toFixed(3) ?? "not measured"],
    ["tokens per second", grouped(result.tokensPerSecond)],
  ]);
}

function calibrationTable({ bins }: Calibration): string {
  return table([
    ["confidence", "answers", "mean", "right"],
    ...bins.map(({ from, to, count, confidence, right }) => [
      `${from.toFixed(2)}-${to.toFixed(2)}`,
      grouped(count),
      confidence?.toFixed(3) ?? "-",
      right?.toFixed(3) ?? "-",
    ]),
  ]);
}
