/** `fathom bench speculation`. */
import { Command, Option } from "commander";
import { benchOutcome, repeatsOption, saveOption } from "./benchOutcome.js";
import { hubName, localModel, modelHelp } from "./modelPath.js";
import { act, integerOption, type Outcome, say, threadsOption } from "./output.js";
import { useThreads } from "./threads.js";

interface SpeculationFlags {
  readonly model: string;
  readonly data?: string;
  readonly preset?: string;
  readonly texts?: number;
  readonly promptTokens?: number;
  readonly tokens?: number;
  readonly threads?: number;
  readonly repeats?: number;
  readonly save?: string;
}

export function speculationCommand(): Command {
  const command = new Command("speculation")
    .description("Time greedy texts with drafts by the MTP module, against none; what is written must be the same.")
    .option("--model <dir>", modelHelp, "runs/quickstart")
    .option("--data <dir>", "prepared data, whose held-out documents the texts begin with (default: the run's)")
    .addOption(
      new Option("--preset <name>", "random weights and random prompts instead, where no draft holds").conflicts(
        "data",
      ),
    )
    .addOption(integerOption("--texts <n>", "texts of a run (default 8)", 1, 10_000))
    .addOption(integerOption("--prompt-tokens <n>", "tokens that a text begins with (default 32)", 1, 2 ** 20))
    .addOption(integerOption("--tokens <n>", "tokens to write after them (default 128)", 2, 2 ** 20))
    .addOption(threadsOption())
    .addOption(repeatsOption(7))
    .addOption(saveOption())
    .addHelpText(
      "after",
      "\nExamples:\n  fathom bench speculation --model runs/quickstart\n  fathom bench speculation --preset small",
    );
  return act<SpeculationFlags>(command, (_, flags) => benchSpeculation(flags));
}

async function benchSpeculation(flags: SpeculationFlags): Promise<Outcome> {
  const { benchSpeculation: bench } = await import("../bench/speculation.js");
  const threads = await useThreads(flags.threads);
  const { texts = 8, promptTokens = 32, tokens = 128, repeats: rounds = 7 } = flags;
  const opened = flags.preset === undefined ? await trained(flags) : await random(flags.preset);
  const { label, model, isTrained } = opened;
  try {
    const prompts = opened.prompts(texts, promptTokens);
    say(`${label}: ${prompts.length} texts of ${promptTokens} + ${tokens} tokens, ${model.dtype}, ${threads} threads`);
    return await benchOutcome(
      await bench(model, { label, isTrained, prompts, tokens, rounds, threads, say }),
      flags.save,
    );
  } finally {
    model.free();
  }
}

/** The beginnings of held-out documents. */
async function trained({ model: path, data }: SpeculationFlags) {
  const { basename, join, resolve } = await import("node:path");
  const { openCheckpoint } = await import("../checkpoint/openCheckpoint.js");
  const { resolveModelDirectory } = await import("../checkpoint/runDirectory.js");
  const { PreparedData } = await import("../data/preparedData.js");
  const { documentIds } = await import("../eval/bitsPerByte.js");
  const { Tokenizer } = await import("../tokenizer/tokenizer.js");
  const { findTokenizer } = await import("./models.js");
  const directory = resolveModelDirectory(await localModel(path));
  const tokenizer = Tokenizer.fromDirectory(findTokenizer(directory));
  const documents = new PreparedData(data ?? join(path, "data")).validationDocuments();
  const prompts = (count: number, length: number): Int32Array[] => {
    const found: Int32Array[] = [];
    for (const { content } of documents) {
      if (found.length >= count) break;
      const ids = documentIds(tokenizer, content);
      if (ids.length >= length) found.push(ids.slice(0, length));
    }
    if (found.length === 0) {
      throw new RangeError(`bench speculation: no held-out document has ${length} tokens: fewer --prompt-tokens`);
    }
    return found;
  };
  return {
    label: hubName(path) ?? basename(resolve(path)),
    model: openCheckpoint(directory).model,
    isTrained: true,
    prompts,
  };
}

async function random(preset: string) {
  const { singleCommunicator } = await import("../distributed/single.js");
  const { DeepseekV3 } = await import("../model/deepseekV3.js");
  const { initialize } = await import("../model/init.js");
  const { loadPreset } = await import("../model/presets.js");
  const { randomTokens } = await import("../train/measure.js");
  const config = { ...loadPreset(preset), numNextnPredictLayers: 1 };
  const model = new DeepseekV3(config, "bfloat16", singleCommunicator());
  initialize(model, 1);
  const prompts = (count: number, length: number): Int32Array[] =>
    Array.from({ length: count }, (_, i) => randomTokens(length, config.vocabSize, i + 1));
  return { label: `${preset}, random weights`, model, isTrained: false, prompts };
}
