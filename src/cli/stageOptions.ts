/** Options that every stage after pre-training has, and what they make of its settings. */
import { type Command, Option } from "commander";
import type { StageSettings } from "../posttrain/settings.js";
import { type ComputeDtype, type TrainPrecision, trainPrecisions } from "../tensor/dtype.js";
import { modelHelp } from "./modelPath.js";
import { integerOption, numberOption, threadsOption } from "./output.js";

export interface StageFlags {
  readonly model?: string;
  readonly out: string;
  readonly resume?: boolean;
  readonly learningRate?: number;
  readonly minLearningRate?: number;
  readonly warmupSteps?: number;
  readonly schedule?: StageSettings["shape"];
  readonly gamma?: number;
  readonly alpha?: number;
  readonly lambda?: number;
  readonly length?: number;
  readonly microBatchTokens?: number;
  readonly weightDecay?: number;
  readonly clip?: number;
  readonly momentDtype?: ComputeDtype;
  readonly recompute?: boolean;
  readonly onNonFinite?: "skip" | "stop";
  readonly steps?: number;
  readonly saveEvery?: number;
  readonly keepLast?: number;
  readonly validateEvery?: number;
  readonly seed?: number;
  readonly dtype?: TrainPrecision;
  readonly threads?: number;
}

/** What a stage's defaults are told as in its help. */
export interface StageDefaults {
  readonly learningRate: number;
  readonly minLearningRate: number;
  /** Default 2048. */
  readonly length?: number;
}

export function addStageOptions(
  command: Command,
  { learningRate, minLearningRate, length = 2048 }: StageDefaults,
): Command {
  return command
    .option("--model <model>", `the model to begin with: ${modelHelp}`)
    .requiredOption("--out <dir>", "the run directory")
    .option("--resume", "go on with the run in --out; options not given are those of its beginning")
    .addOption(numberOption("--learning-rate <x>", `peak (default ${learningRate})`, 0, 1))
    .addOption(numberOption("--min-learning-rate <x>", `where it falls to (default ${minLearningRate})`, 0, 1))
    .addOption(integerOption("--warmup-steps <n>", "steps of linear warm-up (default 0)", 0, 2 ** 31))
    .addOption(
      new Option("--schedule <shape>", "how the rate falls (default cosine)").choices(["cosine", "linear", "constant"]),
    )
    .addOption(numberOption("--gamma <x>", "speed of the routing bias (default 0: it stays)", 0, 1))
    .addOption(numberOption("--alpha <x>", "sequence-wise balance loss (default 0.0001)", 0, 1))
    .addOption(integerOption("--length <tokens>", `most tokens of a record (default ${length})`, 2, 2 ** 24))
    .addOption(
      integerOption("--micro-batch-tokens <n>", "tokens that go through the model at once (default 4096)", 2, 2 ** 30),
    )
    .addOption(numberOption("--weight-decay <x>", "AdamW's (default 0)", 0, 10))
    .addOption(numberOption("--clip <norm>", "gradient norm to clip at, 0 = never (default 1)", 0, 1e6))
    .addOption(new Option("--moment-dtype <type>", "AdamW's moments").choices(["float32", "bfloat16"]))
    .option("--recompute", "compute norms and up-projections again in the backward: less memory, more time")
    .addOption(new Option("--on-non-finite <what>", "a loss or gradient that is not finite").choices(["skip", "stop"]))
    .addOption(integerOption("--steps <n>", "end after so many optimizer steps", 1, 2 ** 31))
    .addOption(
      integerOption("--save-every <steps>", "steps between checkpoints (default 200), 0 = at the end", 0, 2 ** 31),
    )
    .addOption(integerOption("--keep-last <n>", "checkpoints to keep beside the best (default 2)", 1, 2 ** 31))
    .addOption(integerOption("--validate-every <steps>", "steps between evaluations (default 100)", 0, 2 ** 31))
    .addOption(integerOption("--seed <n>", "of order and samples (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .addOption(new Option("--dtype <type>", "arithmetic (default: the model's)").choices([...trainPrecisions]))
    .addOption(threadsOption());
}

export function stageSettings(flags: StageFlags, defaults: StageSettings): StageSettings {
  const d = defaults;
  const learningRate = flags.learningRate ?? d.learningRate;
  const maxLength = flags.length ?? d.maxLength;
  return {
    ...d,
    adamw: {
      ...d.adamw,
      weightDecay: flags.weightDecay ?? d.adamw.weightDecay,
      maxGradNorm: flags.clip ?? d.adamw.maxGradNorm,
      momentDtype: flags.momentDtype ?? d.adamw.momentDtype,
    },
    learningRate,
    minLearningRate: flags.minLearningRate ?? (d.minLearningRate / d.learningRate) * learningRate,
    warmupSteps: flags.warmupSteps ?? d.warmupSteps,
    shape: flags.schedule ?? d.shape,
    gamma: flags.gamma ?? d.gamma,
    alpha: flags.alpha ?? d.alpha,
    lambda: flags.lambda ?? d.lambda,
    maxLength,
    microBatchTokens: flags.microBatchTokens ?? Math.max(d.microBatchTokens, maxLength),
    recompute: flags.recompute ?? d.recompute,
    onNonFinite: flags.onNonFinite ?? d.onNonFinite,
    maxSteps: flags.steps ?? d.maxSteps,
    saveEvery: flags.saveEvery ?? d.saveEvery,
    keepLast: flags.keepLast ?? d.keepLast,
    validateEvery: flags.validateEvery ?? d.validateEvery,
    seed: flags.seed ?? d.seed,
    dtype: flags.dtype ?? d.dtype,
  };
}
