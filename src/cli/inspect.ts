/** `fathom inspect`: exact counts of a preset or of a checkpoint, and what its files hold. */
import { Command } from "commander";
import type { ModelConfig } from "../model/config.js";
import { hubName, localModel, modelHelp } from "./modelPath.js";
import { act, grouped, integerOption, type Outcome, table } from "./output.js";

export function inspectCommand(): Command {
  const command = new Command("inspect")
    .description("Count parameters, cache bytes and operations of a preset or a checkpoint.")
    .argument("<model>", `a preset of configs/, or ${modelHelp}`)
    .addOption(integerOption("--length <tokens>", "sequence length for the operations (default 4096)", 1, 2 ** 24))
    .addHelpText(
      "after",
      "\nExamples:\n  fathom inspect deepseek-v3\n  fathom inspect runs/quickstart --json\n  fathom inspect small --length 256",
    );
  return act<{ length?: number }>(command, ([model = ""], { length = 4096 }) => inspect(model, length));
}

async function inspect(model: string, length: number): Promise<Outcome> {
  const { flopsPerTokenTraining, kvCacheBytesPerToken, parameterCounts } = await import("../model/flops.js");
  const { config, files } = await open(model);
  const counts = parameterCounts(config);
  const flops = flopsPerTokenTraining(config, length);
  const result = {
    model,
    modelType: config.modelType,
    parameters: {
      total: counts.total,
      activated: counts.activated,
      mtp: counts.mtp,
      mtpActivated: counts.mtpActivated,
      embedding: counts.embedding,
      head: counts.head,
    },
    layers: counts.layers.map(({ total, activated }) => ({ total, activated })),
    kvCacheBytesPerToken: kvCacheBytesPerToken(config),
    sequenceLength: length,
    flopsPerTokenTraining: flops.main,
    flopsPerTokenTrainingWithMtp: flops.total,
    ...(files ? { tensors: files } : {}),
  };
  const text = table([
    ["parameters", grouped(counts.total)],
    ["activated per token", grouped(counts.activated)],
    ["MTP modules", grouped(counts.mtp)],
    ["cache bytes per token", grouped(result.kvCacheBytesPerToken)],
    [`training FLOPs per token at ${length}`, `${(flops.main / 1e9).toPrecision(6)} G`],
    ...(files ? Object.entries(files.bytesByDtype).map(([dtype, bytes]) => [`${dtype} bytes`, grouped(bytes)]) : []),
    ...(files ? [["tensors", grouped(files.count)]] : []),
  ]);
  return { result, text };
}

interface TensorSummary {
  readonly count: number;
  readonly bytesByDtype: Readonly<Record<string, number>>;
}

/** A preset by name; else a directory, with what its files hold. */
async function open(model: string): Promise<{ readonly config: ModelConfig; readonly files: TensorSummary | null }> {
  const { existsSync } = await import("node:fs");
  const { loadPreset } = await import("../model/presets.js");
  if (!existsSync(model) && hubName(model) === null) return { config: loadPreset(model), files: null };
  const { resolveModelDirectory } = await import("../checkpoint/runDirectory.js");
  const { readConfig } = await import("../checkpoint/modelFiles.js");
  const { TensorFiles } = await import("../checkpoint/tensorFiles.js");
  const directory = resolveModelDirectory(await localModel(model));
  const config = readConfig(directory);
  const bytesByDtype: Record<string, number> = {};
  const { tensors } = new TensorFiles(directory);
  for (const { dtype, begin, end } of tensors.values()) {
    bytesByDtype[dtype] = (bytesByDtype[dtype] ?? 0) + end - begin;
  }
  return { config, files: { count: tensors.size, bytesByDtype } };
}
