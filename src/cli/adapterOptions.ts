/** Options of the stages that can train an adapter in place of the weights (docs/lora.md), and what they make of them. */
import type { Command } from "commander";
import { parseTargets } from "../checkpoint/adapterModules.js";
import { hubModel } from "../checkpoint/hubModel.js";
import { defaultAdapter } from "../model/adapterConfig.js";
import type { StageSettings } from "../posttrain/settings.js";
import type { StageAdapter } from "../posttrain/stageAdapter.js";
import { integerOption, numberOption } from "./output.js";
import { quantDtypes, type WeightPrecision, weightsOption } from "./precision.js";
import type { StageFlags } from "./stageOptions.js";

export interface AdapterFlags {
  readonly lora?: boolean;
  readonly loraRank?: number;
  readonly loraAlpha?: number;
  readonly loraTargets?: string;
  readonly loraDropout?: number;
  readonly rslora?: boolean;
  readonly weights?: WeightPrecision;
}

const defaults = { rank: 16, targets: "all" } as const;

/** An adapter's rate is about ten times that of the weights (post-training.md 4.4). */
const rateFactor = 10;

export function withAdapterOptions(command: Command): Command {
  return command
    .option("--lora", `train an adapter over the frozen weights; default rates are ${rateFactor} times the above`)
    .addOption(integerOption("--lora-rank <n>", `of its matrices (default ${defaults.rank})`, 1, 2 ** 20))
    .addOption(numberOption("--lora-alpha <x>", "it is scaled by alpha / rank (default: twice the rank)", 1e-9, 1e9))
    .option(
      "--lora-targets <which>",
      `attention, attention+shared, all, names with commas between them, or a regular expression (default ${defaults.targets})`,
    )
    .addOption(numberOption("--lora-dropout <share>", "of its inputs, while it trains (default 0)", 0, 0.999))
    .option("--rslora", "scale it by alpha / the root of the rank")
    .addOption(weightsOption("the frozen matrices of --lora"));
}

/** Options that say something of an adapter, by their names in the help. */
const dependent = {
  loraRank: "--lora-rank",
  loraAlpha: "--lora-alpha",
  loraTargets: "--lora-targets",
  loraDropout: "--lora-dropout",
  rslora: "--rslora",
  weights: "--weights",
} as const satisfies Partial<Record<keyof AdapterFlags, string>>;

/**
 * The adapter to train; null: the weights are trained.
 * @param base what --model names: the directory of the weights, and that of an adapter over them
 * @throws RangeError for options that do not go together
 */
export function stageAdapter(
  flags: AdapterFlags & Pick<StageFlags, "model" | "dtype">,
  base: { readonly directory: string; readonly adapter: string | null },
): StageAdapter | null {
  const given = (Object.keys(dependent) as (keyof typeof dependent)[]).filter((key) => flags[key] !== undefined);
  if (!flags.lora) {
    const [first] = given;
    if (first) throw new RangeError(`${dependent[first]} is for an adapter: give --lora too, or leave it out`);
    return null;
  }
  if (flags.dtype === "fp8") {
    throw new RangeError(
      "--dtype fp8 trains the weights, which --lora freezes: --weights fp8 holds them in FP8, --dtype is then float32 or bfloat16",
    );
  }
  const weights = flags.weights === undefined ? null : quantDtypes[flags.weights];
  if (base.adapter !== null) {
    const other = given.find((key) => key !== "weights");
    if (other) {
      throw new RangeError(
        `${base.adapter} is an adapter with a form of its own, which goes on being trained: leave ${dependent[other]} out, ` +
          "or merge it (fathom convert --merge) and begin a new one over both",
      );
    }
    return { from: base.adapter, weights };
  }
  const r = flags.loraRank ?? defaults.rank;
  const from = {
    ...defaultAdapter,
    // A model of the hub by its name, which is the same on every machine.
    baseModelNameOrPath: hubModel(flags.model ?? "") === null ? base.directory : (flags.model ?? null),
    targetModules: parseTargets(flags.loraTargets ?? defaults.targets),
    r,
    loraAlpha: flags.loraAlpha ?? 2 * r,
    loraDropout: flags.loraDropout ?? 0,
    useRslora: flags.rslora ?? false,
  };
  return { from, weights };
}

/** A stage's defaults for an adapter, or as they are. */
export function ratesFor<T extends Pick<StageSettings, "learningRate" | "minLearningRate">>(
  adapter: StageAdapter | null,
  settings: T,
): T {
  if (!adapter) return settings;
  const { learningRate, minLearningRate } = settings;
  return { ...settings, learningRate: rateFactor * learningRate, minLearningRate: rateFactor * minLearningRate };
}
