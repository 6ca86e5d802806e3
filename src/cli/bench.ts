/** `fathom bench`: figures beside the floor of the machine, measured in the same run. */
import { Command, Option } from "commander";
import { type TrainPrecision, trainPrecisions } from "../tensor/dtype.js";
import { act, integerOption, type Outcome, say, table, threadsOption } from "./output.js";

export function benchCommand(): Command {
  return new Command("bench")
    .description("Measure speed beside the floor of this machine.")
    .addCommand(kernelsCommand())
    .addCommand(trainCommand());
}

function kernelsCommand(): Command {
  const command = new Command("kernels")
    .description("Time the kernels at the sizes of a model.")
    .addOption(threadsOption())
    .addOption(integerOption("--repeats <n>", "runs per figure; the median counts (default 7)", 1, 1000));
  return act<{ threads?: number; repeats?: number }>(command, async (_, { threads, repeats = 7 }) => {
    await useThreads(threads);
    const { benchKernels } = await import("../train/benchKernels.js");
    const { floors, rows } = benchKernels(repeats);
    const text = table([
      ["kernel", "size", "figure", "floor", "ratio"],
      ...rows.map(({ kernel, size, figure, floor, unit, ratio }) => [
        kernel,
        size,
        `${figure.toFixed(1)} ${unit}`,
        `${floor.toFixed(1)} ${unit}`,
        `${(100 * ratio).toFixed(0)} %`,
      ]),
    ]);
    return { result: { floors, rows }, text };
  });
}

interface TrainFlags {
  readonly preset: string;
  readonly steps?: number;
  readonly threads?: number;
  readonly dtype: TrainPrecision;
  readonly length?: number;
  readonly batch?: number;
  readonly seed?: number;
  readonly recompute?: boolean;
}

function trainCommand(): Command {
  const command = new Command("train")
    .description("Train on random tokens: tokens per second, share of the peak, memory.")
    .requiredOption("--preset <name>", "a preset of configs/")
    .addOption(integerOption("--steps <n>", "steps to measure after two that warm up (default 5)", 1, 100_000))
    .addOption(threadsOption())
    .addOption(new Option("--dtype <type>", "arithmetic").choices([...trainPrecisions]).default("float32"))
    .addOption(integerOption("--length <tokens>", "tokens of a sequence (default: the preset's positions)", 2, 2 ** 20))
    .addOption(integerOption("--batch <sequences>", "sequences a step (default: 4096 tokens)", 1, 2 ** 20))
    .addOption(integerOption("--seed <n>", "seed of weights and tokens (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .option("--recompute", "compute norms and up-projections again in the backward")
    .addHelpText("after", "\nExamples:\n  fathom bench train --preset small --steps 10 --threads 2");
  return act<TrainFlags>(command, (_, flags) => benchTrain(flags));
}

async function benchTrain(flags: TrainFlags): Promise<Outcome> {
  const { loadPreset } = await import("../model/presets.js");
  const config = loadPreset(flags.preset);
  const threads = await useThreads(flags.threads);
  const sequenceLength = flags.length ?? config.maxPositionEmbeddings;
  const batchSize = flags.batch ?? Math.max(1, Math.floor(4096 / sequenceLength));
  say(`${flags.preset}: ${batchSize} x ${sequenceLength} tokens a step, ${flags.dtype}, ${threads} threads`);
  const { measureTraining } = await import("../train/measure.js");
  const speed = await measureTraining(config, {
    steps: flags.steps ?? 5,
    dtype: flags.dtype,
    seed: flags.seed ?? 1,
    sequenceLength,
    batchSize,
    recompute: flags.recompute ?? false,
  });
  const { forward, backward, optimizer } = speed.step;
  const text = table([
    ["tokens per second", speed.tokensPerSecond.toFixed(0)],
    [
      "share of the peak",
      `${(100 * speed.peakFraction).toFixed(1)} % of ${(speed.peakFlops / 1e9).toFixed(0)} GFLOP/s`,
    ],
    ["step", `forward ${forward.toFixed(3)} s, backward ${backward.toFixed(3)} s, optimizer ${optimizer.toFixed(3)} s`],
    ["kept for the backward", `${(speed.activationBytes / 2 ** 20).toFixed(1)} MiB`],
    ["peak memory", `${(speed.peakMemoryBytes / 2 ** 20).toFixed(0)} MiB`],
  ]);
  return { result: { preset: flags.preset, threads, dtype: flags.dtype, sequenceLength, batchSize, ...speed }, text };
}

/** Sets the kernels' threads. @returns how many they are */
export async function useThreads(threads: number | undefined): Promise<number> {
  const { availableParallelism } = await import("node:os");
  const { native } = await import("../tensor/native.js");
  const count = threads ?? availableParallelism();
  native().setThreads(count);
  return count;
}
