/** `fathom convert`: a checkpoint in another precision, with an adapter merged into it, or in the container of llama.cpp. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import type { Precision } from "../checkpoint/convert.js";
import type { GgufPrecision } from "../checkpoint/ggufExport.js";
import { localModel, modelHelp } from "./modelPath.js";
import { act, grouped, numberOption, type Outcome } from "./output.js";

interface Flags {
  readonly model: string;
  readonly to?: Precision | "gguf";
  readonly merge?: string;
  readonly out: string;
  readonly gguf: GgufPrecision;
  readonly maxShardGigabytes?: number;
}

export function convertCommand(): Command {
  const command = new Command("convert")
    .description("Write a checkpoint in another precision, with an adapter merged into it, or as a GGUF file.")
    .requiredOption("--model <dir>", modelHelp)
    .addOption(
      new Option(
        "--to <form>",
        "fp8: E4M3, a scale for each 128 x 128 block, as published; gguf: for llama.cpp (default with --merge: the model's, unquantised)",
      ).choices(["fp8", "bf16", "f32", "gguf"]),
    )
    .option("--merge <adapter>", "an adapter (PEFT's layout) to add to the weights")
    .requiredOption("--out <path>", "a directory that holds no model yet; for gguf a file that does not exist")
    .addOption(new Option("--gguf <type>", "matrices of a GGUF file").choices(["f16", "bf16", "q8_0"]).default("q8_0"))
    .addOption(numberOption("--max-shard-gigabytes <n>", "most bytes of a file (default 4)", 1e-6, 1e6))
    .addHelpText(
      "after",
      `
Examples:
  fathom convert --model runs/quickstart --to fp8 --out /tmp/fp8
  fathom convert --model runs/quickstart --merge runs/tuned --out /tmp/merged
  fathom convert --model runs/quickstart --to gguf --gguf bf16 --out /tmp/quickstart.gguf`,
    );
  return act<Flags>(command, (_, flags) => convert(flags));
}

async function convert(flags: Flags): Promise<Outcome> {
  const { resolveModelDirectory } = await import("../checkpoint/runDirectory.js");
  const { useThreads } = await import("./threads.js");
  await useThreads(undefined);
  const begun = performance.now();
  const { out, merge } = flags;
  if (flags.to === undefined && merge === undefined) throw new RangeError("convert: give --to, --merge, or both");
  if (flags.to === "gguf" && merge !== undefined) {
    throw new RangeError("convert: --merge writes a checkpoint; convert that to gguf in a second step");
  }
  const from = resolveModelDirectory(await localModel(flags.model));
  const to = flags.to ?? (await plainPrecision(from));
  const written = to === "gguf" ? await toGguf(from, flags.out, flags.gguf) : await toDirectory(from, to, flags);
  const seconds = (performance.now() - begun) / 1000;
  const text = `${out}: ${grouped(written.tensors)} tensors, ${grouped(written.bytes)} bytes, ${seconds.toFixed(1)} s`;
  return { result: { out, to, merge: merge ?? null, ...written, seconds }, text };
}

interface Written {
  readonly tensors: number;
  readonly bytes: number;
}

/** What a model's files are without quantisation. */
async function plainPrecision(from: string): Promise<Precision> {
  const { readConfig } = await import("../checkpoint/modelFiles.js");
  return readConfig(from).torchDtype === "float32" ? "f32" : "bf16";
}

async function toDirectory(from: string, to: Precision, flags: Flags): Promise<Written> {
  const { readAdapter } = await import("../checkpoint/adapterFile.js");
  const { convertCheckpoint } = await import("../checkpoint/convert.js");
  const { resolveModelOrAdapter } = await import("../checkpoint/runDirectory.js");
  const { out, merge, maxShardGigabytes = 4 } = flags;
  const adapter = merge === undefined ? null : readAdapter(resolveModelOrAdapter(await localModel(merge)));
  return convertCheckpoint(from, out, to, maxShardGigabytes * 1e9, adapter);
}

/** @throws RangeError for a file that is there, a model without tokenizer, or one that llama.cpp cannot hold */
export async function toGguf(from: string, out: string, precision: GgufPrecision): Promise<Written> {
  const { exportGguf } = await import("../checkpoint/ggufExport.js");
  const { Tokenizer } = await import("../tokenizer/tokenizer.js");
  if (existsSync(out)) throw new RangeError(`${out}: exists already; choose another --out`);
  if (!existsSync(join(from, "tokenizer.json"))) {
    throw new RangeError(`${from}: no tokenizer.json, which a GGUF file holds`);
  }
  const tokenizer = Tokenizer.fromDirectory(from);
  const { bosTokenId, eosTokenId, padTokenId, chatTemplate } = tokenizer;
  const vocabulary = { ...tokenizer.vocabulary(), bosTokenId, eosTokenId, padTokenId, chatTemplate };
  const { tensors, bytes } = exportGguf(from, out, precision, vocabulary);
  return { tensors, bytes };
}
