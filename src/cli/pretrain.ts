/** `fathom pretrain`: trains a model from random weights on text, or goes on with a run. */
import { Command, Option } from "commander";
import type { ModelConfig } from "../model/config.js";
import type { Fp8Options } from "../model/fp8.js";
import { type ComputeDtype, type TrainPrecision, trainPrecisions } from "../tensor/dtype.js";
import type { ScheduleOptions } from "../train/schedule.js";
import type { TrainSettings } from "../train/settings.js";
import { act, grouped, integerOption, numberOption, type Outcome, repeated, table, threadsOption } from "./output.js";
import { duration } from "./progress.js";

export interface TrainFlags {
  readonly preset?: string;
  readonly config?: string;
  readonly data?: readonly string[];
  readonly out: string;
  readonly resume?: boolean;
  readonly tokenizer?: string;
  readonly digits?: "merged" | "single";
  readonly steps?: number;
  readonly tokens?: number;
  readonly length?: number;
  readonly batch?: number;
  readonly initialBatch?: number;
  readonly rampTokens?: number;
  readonly microBatch?: number;
  readonly learningRate?: number;
  readonly minLearningRate?: number;
  readonly warmupSteps?: number;
  readonly schedule?: ScheduleOptions["shape"];
  readonly gamma?: number;
  readonly alpha?: number;
  readonly lambda?: number;
  readonly deviceBalance?: number;
  readonly communicationBalance?: number;
  readonly deviceCapacity?: number;
  readonly balanceCounts?: "top" | "routed";
  readonly biasUpdate?: "plain" | "centred";
  readonly weightDecay?: number;
  readonly clip?: number;
  readonly momentDtype?: ComputeDtype;
  readonly ema?: number;
  readonly recompute?: boolean;
  readonly onNonFinite?: "skip" | "stop";
  readonly seed?: number;
  readonly dtype?: TrainPrecision;
  readonly fp8GradientBlocks?: boolean;
  readonly fp8AttentionOutput?: Fp8Options["attentionOutput"];
  readonly fp8AccumulationBits?: "0" | "14";
  readonly fp8Scales?: Fp8Options["powerOfTwoScales"];
  readonly fp8EhProj?: boolean;
  readonly threads?: number;
  readonly expertParallel?: number;
  readonly saveEvery?: number;
  readonly keepLast?: number;
  readonly validateEvery?: number;
  readonly fimRate?: number;
  readonly validationFraction?: number;
  readonly textField?: string;
  readonly strict?: boolean;
  readonly samples?: number;
}

export function pretrainCommand(): Command {
  const command = new Command("pretrain")
    .description("Train a model from random weights, or go on with a run.")
    .option("--preset <name>", "a preset of configs/")
    .option("--config <file>", "a config.json of your own instead")
    .option(
      "--data <[name=]path[:weight]>",
      "text: files, folders, patterns, JSONL, Parquet; may be repeated (code=src:0.6)",
      repeated,
    )
    .requiredOption("--out <dir>", "the run directory")
    .option("--resume", "go on with the run in --out; starts it where there is none")
    .option("--tokenizer <dir>", "use this tokenizer (default: train one on the data)")
    .addOption(
      new Option("--digits <how>", "of the tokenizer trained here: single for small models that calculate").choices([
        "merged",
        "single",
      ]),
    );
  addTrainingOptions(command).addHelpText(
    "after",
    `
Examples:
  one process:     fathom pretrain --preset tiny --data src --out runs/mine
  several ranks:   mpirun -n 2 npx fathom pretrain --preset tiny --data src --out runs/mine
  a tiny run:      fathom pretrain --preset tiny --data src --steps 20 --out runs/try`,
  );
  return act<TrainFlags>(command, (_, flags) => pretrain(flags));
}

/** The options of a training stage, whichever it is. */
export function addTrainingOptions(command: Command): Command {
  const float = (flags: string, text: string, low: number, high: number): Option =>
    numberOption(flags, text, low, high);
  return command
    .addOption(integerOption("--steps <n>", "optimizer steps to train for", 1, 2 ** 31))
    .addOption(integerOption("--tokens <n>", "tokens to train on (default 4000000)", 1, Number.MAX_SAFE_INTEGER))
    .addOption(integerOption("--length <tokens>", "tokens of a sequence (default 256)", 2, 2 ** 24))
    .addOption(integerOption("--batch <sequences>", "sequences a step over all processes (default 16)", 1, 2 ** 24))
    .addOption(
      integerOption("--initial-batch <sequences>", "sequences of the first step, with --ramp-tokens", 1, 2 ** 24),
    )
    .addOption(
      integerOption("--ramp-tokens <n>", "tokens over which the batch grows to --batch (default 0)", 0, 2 ** 50),
    )
    .addOption(
      integerOption(
        "--micro-batch <sequences>",
        "sequences a forward pass (default 8, at most half the batch)",
        1,
        2 ** 24,
      ),
    )
    .addOption(float("--learning-rate <x>", "peak (default 0.002)", 0, 1))
    .addOption(float("--min-learning-rate <x>", "where it falls to (default a tenth)", 0, 1))
    .addOption(integerOption("--warmup-steps <n>", "steps of linear warm-up (default 50)", 0, 2 ** 31))
    .addOption(
      new Option("--schedule <shape>", "v3: the report's, scaled to the run (default)").choices([
        "v3",
        "cosine",
        "linear",
        "constant",
      ]),
    )
    .addOption(float("--gamma <x>", "speed of the routing bias (default 0.001)", 0, 1))
    .addOption(float("--alpha <x>", "sequence-wise balance loss (default 0.0001)", 0, 1))
    .addOption(float("--lambda <x>", "weight of the MTP losses (default 0.3)", 0, 10))
    .addOption(float("--device-balance <x>", "V2's alpha2: balance of the groups of experts (default 0)", 0, 10))
    .addOption(
      float(
        "--device-capacity <x>",
        "V2's token dropping: most of its share a group computes (default all)",
        0.01,
        1e6,
      ),
    )
    .addOption(float("--communication-balance <x>", "V2's alpha3: balance of what groups receive (default 0)", 0, 10))
    .addOption(
      new Option(
        "--balance-counts <kind>",
        "what balance losses count: the best scores (default) or the routed",
      ).choices(["top", "routed"]),
    )
    .addOption(new Option("--bias-update <kind>", "how the routing bias moves").choices(["plain", "centred"]))
    .addOption(float("--weight-decay <x>", "AdamW's (default 0.1)", 0, 10))
    .addOption(float("--clip <norm>", "gradient norm to clip at, 0 = never (default 1)", 0, 1e6))
    .addOption(new Option("--moment-dtype <type>", "AdamW's moments").choices(["float32", "bfloat16"]))
    .addOption(float("--ema <decay>", "keep an exponential moving average of the weights", 0, 0.9999999))
    .option("--recompute", "compute norms and up-projections again in the backward: less memory, more time")
    .addOption(new Option("--on-non-finite <what>", "a loss or gradient that is not finite").choices(["skip", "stop"]))
    .addOption(integerOption("--seed <n>", "of weights and order (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .addOption(
      new Option(
        "--dtype <type>",
        "arithmetic (default: the config's); fp8: linears in E4M3, the rest in bfloat16",
      ).choices([...trainPrecisions]),
    )
    .option("--fp8-gradient-blocks", "FP8: output gradients in blocks of 128 x 128, which the report warns of")
    .addOption(
      new Option("--fp8-attention-output <format>", "FP8: how it is kept (default e5m6)").choices(["e5m6", "e4m3"]),
    )
    .addOption(
      new Option("--fp8-accumulation-bits <n>", "FP8: 14 sums as Hopper does, slowly; 0 = float32 (default)").choices([
        "0",
        "14",
      ]),
    )
    .addOption(
      new Option("--fp8-scales <where>", "FP8: scales that are powers of two (default listed: the report's)").choices([
        "listed",
        "all",
      ]),
    )
    .option("--fp8-eh-proj", "FP8: the MTP projection too")
    .addOption(threadsOption())
    .addOption(
      integerOption("--expert-parallel <n>", "processes that share the experts between them (default 1)", 1, 2 ** 16),
    )
    .addOption(
      integerOption("--save-every <steps>", "steps between checkpoints, 0 = at the end (default 500)", 0, 2 ** 31),
    )
    .addOption(integerOption("--keep-last <n>", "checkpoints to keep (default 2)", 1, 1e6))
    .addOption(
      integerOption("--validate-every <steps>", "steps between evaluations, 0 = at the end (default 200)", 0, 2 ** 31),
    )
    .addOption(float("--fim-rate <x>", "share of documents as fill in the middle (default 0.1)", 0, 1))
    .addOption(float("--validation-fraction <x>", "share of the text to hold out (default 0.02)", 0, 0.9))
    .option("--text-field <name>", "field of JSONL and Parquet that holds the text (default: text, else content)")
    .option("--strict", "refuse binary files and invalid UTF-8 instead of skipping them")
    .addOption(integerOption("--samples <n>", "completions of held-out text to show at the end (default 2)", 0, 1000));
}

/** A preset by name or a file by path; null if neither is given. */
export async function configOf(flags: Pick<TrainFlags, "preset" | "config">): Promise<ModelConfig | null> {
  if (flags.preset !== undefined && flags.config !== undefined)
    throw new RangeError("give --preset or --config, not both");
  if (flags.preset !== undefined) return (await import("../model/presets.js")).loadPreset(flags.preset);
  if (flags.config === undefined) return null;
  const { parseModelConfig } = await import("../model/config.js");
  const { readJson } = await import("../files/json.js");
  return parseModelConfig(readJson(flags.config), flags.config);
}

/** The given flags over the defaults. */
export function withFlags(flags: TrainFlags): (defaults: TrainSettings) => TrainSettings {
  return (d) => {
    const learningRate = flags.learningRate ?? d.schedule.learningRate;
    const batchSize = flags.batch ?? d.schedule.batchSize;
    const sequenceLength = flags.length ?? d.sequenceLength;
    const maxSteps = flags.steps ?? (flags.tokens === undefined ? d.maxSteps : null);
    return {
      ...d,
      adamw: {
        ...d.adamw,
        weightDecay: flags.weightDecay ?? d.adamw.weightDecay,
        maxGradNorm: flags.clip ?? d.adamw.maxGradNorm,
        momentDtype: flags.momentDtype ?? d.adamw.momentDtype,
      },
      biasUpdate: flags.biasUpdate ?? d.biasUpdate,
      balanceCounts: flags.balanceCounts ?? d.balanceCounts,
      deviceBalance: flags.deviceBalance ?? d.deviceBalance,
      communicationBalance: flags.communicationBalance ?? d.communicationBalance,
      deviceCapacity: flags.deviceCapacity ?? d.deviceCapacity,
      recompute: flags.recompute ?? d.recompute,
      emaDecay: flags.ema ?? d.emaDecay,
      onNonFinite: flags.onNonFinite ?? d.onNonFinite,
      seed: flags.seed ?? d.seed,
      dtype: flags.dtype ?? d.dtype,
      fp8: {
        gradientBlocks: flags.fp8GradientBlocks ?? d.fp8.gradientBlocks,
        attentionOutput: flags.fp8AttentionOutput ?? d.fp8.attentionOutput,
        accumulationBits:
          flags.fp8AccumulationBits === undefined
            ? d.fp8.accumulationBits
            : flags.fp8AccumulationBits === "14"
              ? 14
              : 0,
        powerOfTwoScales: flags.fp8Scales ?? d.fp8.powerOfTwoScales,
        ehProj: flags.fp8EhProj ?? d.fp8.ehProj,
      },
      sequenceLength,
      // Half a batch at most, so that two processes see the micro-batches of one and make its bits.
      microBatchSize:
        flags.microBatch ??
        (flags.batch === undefined ? d.microBatchSize : Math.max(1, Math.min(d.microBatchSize, flags.batch >> 1))),
      schedule: {
        ...d.schedule,
        shape: flags.schedule ?? d.schedule.shape,
        learningRate,
        minLearningRate:
          flags.minLearningRate ?? (flags.learningRate === undefined ? d.schedule.minLearningRate : learningRate / 10),
        warmupSteps: flags.warmupSteps ?? d.schedule.warmupSteps,
        batchSize,
        initialBatchSize: flags.initialBatch ?? (flags.batch === undefined ? d.schedule.initialBatchSize : batchSize),
        rampTokens: flags.rampTokens ?? d.schedule.rampTokens,
        gamma: flags.gamma ?? d.schedule.gamma,
        alpha: flags.alpha ?? d.schedule.alpha,
        lambda: flags.lambda ?? d.schedule.lambda,
      },
      // Steps given alone: the schedules span exactly them.
      totalTokens:
        flags.tokens ?? (flags.steps === undefined ? d.totalTokens : flags.steps * batchSize * sequenceLength),
      maxSteps,
      saveEvery: flags.saveEvery ?? d.saveEvery,
      keepLast: flags.keepLast ?? d.keepLast,
      validateEvery: flags.validateEvery ?? d.validateEvery,
    };
  };
}

/** What the flags say about reading and holding out text. */
export function prepareFlags(flags: TrainFlags): {
  readonly fim?: { rate: number };
  readonly validationFraction?: number;
  readonly read: { textField?: string; strict: boolean };
} {
  return {
    ...(flags.fimRate === undefined ? {} : { fim: { rate: flags.fimRate } }),
    ...(flags.validationFraction === undefined ? {} : { validationFraction: flags.validationFraction }),
    read: { ...(flags.textField === undefined ? {} : { textField: flags.textField }), strict: flags.strict ?? false },
  };
}

async function pretrain(flags: TrainFlags): Promise<Outcome> {
  const { parseDataSources } = await import("../data/sources.js");
  const { printer } = await import("./progress.js");
  const { train } = await import("./training.js");
  const result = await train({
    run: flags.out,
    config: await configOf(flags),
    settings: withFlags(flags),
    sources: flags.data ? parseDataSources(flags.data) : null,
    tokenizer: flags.tokenizer ?? null,
    ...(flags.digits === undefined ? {} : { digits: flags.digits }),
    prepare: prepareFlags(flags),
    threads: flags.threads ?? null,
    expertParallel: flags.expertParallel ?? 1,
    resume: flags.resume ?? false,
    samples: flags.samples ?? 2,
    onEvent: printer(),
  });
  return { result, text: summary(result), isInterrupted: result.reason === "stopped" };
}

export function summary(result: {
  readonly run: string;
  readonly steps: number;
  readonly tokens: number;
  readonly trainLoss: number | null;
  readonly valBitsPerByte: number | null;
  readonly tokensPerSecond: number;
  readonly seconds: number;
}): string {
  return table([
    ["run", result.run],
    ["steps", grouped(result.steps)],
    ["tokens", grouped(result.tokens)],
    ["training loss", result.trainLoss === null ? "not measured" : result.trainLoss.toFixed(4)],
    ["held-out bits per byte", result.valBitsPerByte === null ? "not measured" : result.valBitsPerByte.toFixed(4)],
    ["tokens per second", grouped(result.tokensPerSecond)],
    ["time", duration(result.seconds)],
  ]);
}
