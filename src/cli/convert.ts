/** `fathom convert`: a checkpoint in another precision. */
import { Command, Option } from "commander";
import type { Precision } from "../checkpoint/convert.js";
import { act, grouped, numberOption, type Outcome } from "./output.js";

interface Flags {
  readonly model: string;
  readonly to: Precision;
  readonly out: string;
  readonly maxShardGigabytes?: number;
}

export function convertCommand(): Command {
  const command = new Command("convert")
    .description("Write a checkpoint in another precision.")
    .requiredOption("--model <dir>", "a run, a checkpoint or any directory with config.json")
    .addOption(
      new Option("--to <precision>", "fp8: E4M3 with a scale for each 128 x 128 block, as published")
        .choices(["fp8", "bf16", "f32"])
        .makeOptionMandatory(),
    )
    .requiredOption("--out <dir>", "where it goes; must not hold a model yet")
    .addOption(numberOption("--max-shard-gigabytes <n>", "most bytes of a file (default 4)", 1e-6, 1e6))
    .addHelpText("after", "\nExamples:\n  fathom convert --model runs/quickstart --to fp8 --out /tmp/fp8");
  return act<Flags>(command, (_, flags) => convert(flags));
}

async function convert({ model, to, out, maxShardGigabytes = 4 }: Flags): Promise<Outcome> {
  const { convertCheckpoint } = await import("../checkpoint/convert.js");
  const { resolveModelDirectory } = await import("../checkpoint/runDirectory.js");
  const { useThreads } = await import("./threads.js");
  await useThreads(undefined);
  const begun = performance.now();
  const { tensors, bytes } = convertCheckpoint(resolveModelDirectory(model), out, to, maxShardGigabytes * 1e9);
  const seconds = (performance.now() - begun) / 1000;
  const text = `${out}: ${grouped(tensors)} tensors, ${grouped(bytes)} bytes, ${seconds.toFixed(1)} s`;
  return { result: { out, to, tensors, bytes, seconds }, text };
}
