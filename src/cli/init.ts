/** `fathom init`: a checkpoint of random weights, for trying programs out. */
import { Command, Option } from "commander";
import type { ComputeDtype } from "../tensor/dtype.js";
import { act, grouped, integerOption, numberOption, type Outcome } from "./output.js";

interface Flags {
  readonly out: string;
  readonly dtype?: ComputeDtype;
  readonly seed?: number;
  readonly maxShardGigabytes?: number;
}

export function initCommand(): Command {
  const command = new Command("init")
    .description("Write a random checkpoint of a preset, in Hugging Face layout.")
    .argument("<preset>", "a preset of configs/, or a config.json")
    .requiredOption("--out <dir>", "where it goes; must not hold a model yet")
    .addOption(
      new Option("--dtype <type>", "type of the matrices (default: the config's)").choices(["float32", "bfloat16"]),
    )
    .addOption(integerOption("--seed <n>", "of the weights (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .addOption(numberOption("--max-shard-gigabytes <n>", "most bytes of a file (default 4)", 1e-6, 1e6))
    .addHelpText("after", "\nExamples:\n  fathom init small --dtype bfloat16 --seed 1 --out /tmp/small");
  return act<Flags>(command, ([preset = ""], flags) => init(preset, flags));
}

async function init(preset: string, flags: Flags): Promise<Outcome> {
  const { existsSync } = await import("node:fs");
  const { join } = await import("node:path");
  const { configOf } = await import("./pretrain.js");
  const { writeRandomModel } = await import("../checkpoint/randomModel.js");
  const config = await configOf(preset.endsWith(".json") ? { config: preset } : { preset });
  if (!config) throw new Error("internal: neither preset nor config");
  if (existsSync(join(flags.out, "config.json"))) {
    throw new RangeError(`${flags.out}: there is a model already; choose another --out`);
  }
  const begun = performance.now();
  const dtype = flags.dtype ?? (config.torchDtype === "float32" ? "float32" : "bfloat16");
  const { tensors, bytes } = writeRandomModel(flags.out, config, {
    dtype,
    seed: flags.seed ?? 1,
    maxShardBytes: (flags.maxShardGigabytes ?? 4) * 1e9,
  });
  const seconds = (performance.now() - begun) / 1000;
  const text = `${flags.out}: ${grouped(tensors)} tensors, ${grouped(bytes)} bytes, ${seconds.toFixed(1)} s`;
  return { result: { out: flags.out, dtype, tensors, bytes, seconds }, text };
}
