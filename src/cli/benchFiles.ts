/** `fathom bench tokenizer`, `fathom bench quantization` and `fathom bench load`: what reads files. */
import { Command } from "commander";
import { benchOutcome, peerOption, repeatsOption, saveOption } from "./benchOutcome.js";
import { hubName, localModel, modelHelp } from "./modelPath.js";
import { act, grouped, integerOption, numberOption, type Outcome, repeated, say, threadsOption } from "./output.js";
import { useThreads } from "./threads.js";

interface TokenizerFlags {
  readonly tokenizer?: string;
  readonly data?: readonly string[];
  readonly megabytes?: number;
  readonly vocabSize?: number;
  readonly threads?: number;
  readonly repeats?: number;
  readonly peer?: boolean;
  readonly save?: string;
}

export function tokenizerCommand(): Command {
  const command = new Command("tokenizer")
    .description("Time encoding, on one thread and on all.")
    .option("--tokenizer <dir>", "directory with a tokenizer.json (default: one trained on the text)")
    .option("--data <path>", "folder of sources, repeatable (default: what npm installed here)", repeated)
    .addOption(numberOption("--megabytes <n>", "text to encode (default 10)", 0.01, 1e5))
    .addOption(integerOption("--vocab-size <n>", "of a tokenizer that is trained (default 16384)", 300, 2 ** 20))
    .addOption(threadsOption())
    .addOption(repeatsOption(5))
    .addOption(peerOption("@huggingface/tokenizers"))
    .addOption(saveOption())
    .addHelpText(
      "after",
      "\nExamples:\n  fathom bench tokenizer --peer\n  fathom bench tokenizer --tokenizer runs/quickstart --data src",
    );
  return act<TokenizerFlags>(command, (_, flags) => benchTokenizer(flags));
}

async function benchTokenizer(flags: TokenizerFlags): Promise<Outcome> {
  const { mkdtempSync, rmSync, writeFileSync } = await import("node:fs");
  const { availableParallelism, tmpdir } = await import("node:os");
  const { dirname, join } = await import("node:path");
  const { fileURLToPath } = await import("node:url");
  const { codeCorpus } = await import("../data/codeCorpus.js");
  const { benchTokenizer: bench, joinedText } = await import("../bench/tokenizer.js");
  const { hfTokenizersPeer } = await import("../bench/peers.js");
  const { Tokenizer } = await import("../tokenizer/tokenizer.js");
  const { trainTokenizer } = await import("../tokenizer/bpeTrainer.js");
  const { findTokenizer } = await import("./models.js");
  const maxBytes = (flags.megabytes ?? 10) * 1e6;
  const usual = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "node_modules");
  const text = joinedText(codeCorpus({ roots: flags.data ?? [usual], maxBytes }), maxBytes);
  const threads = flags.threads ?? availableParallelism();
  say(`text: ${grouped(text.length)} bytes of sources`);
  const tokenizer = flags.tokenizer
    ? Tokenizer.fromDirectory(findTokenizer(flags.tokenizer))
    : await trainTokenizer([text], { vocabSize: flags.vocabSize ?? 16384, threads });
  const folder = mkdtempSync(join(tmpdir(), "fathom-bench-"));
  try {
    let peer = null;
    if (flags.peer) {
      tokenizer.save(folder);
      writeFileSync(join(folder, "text"), text);
      peer = await hfTokenizersPeer(folder, join(folder, "text"));
    }
    const rows = await bench(tokenizer, {
      text,
      threads: [...new Set([1, threads])],
      repeats: flags.repeats ?? 5,
      peer,
      peerBytes: Math.min(text.length, 1e6),
      say,
    });
    if (peer && "close" in peer) peer.close();
    return benchOutcome(rows, flags.save);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface QuantizationFlags {
  readonly model: string;
  readonly data?: string;
  readonly tokens?: number;
  readonly threads?: number;
  readonly save?: string;
}

export function quantizationCommand(): Command {
  const command = new Command("quantization")
    .description("Perplexity and divergence of weights in 8 and 4 bits and of an FP8 cache, against bf16.")
    .requiredOption("--model <dir>", modelHelp)
    .option("--data <dir>", "prepared data, whose held-out documents are read (default: the run's)")
    .addOption(integerOption("--tokens <n>", "held-out tokens to read (default 8192)", 2, 2 ** 30))
    .addOption(threadsOption())
    .addOption(saveOption())
    .addHelpText("after", "\nExamples:\n  fathom bench quantization --model runs/quickstart");
  return act<QuantizationFlags>(command, (_, flags) => benchQuantization(flags));
}

async function benchQuantization(flags: QuantizationFlags): Promise<Outcome> {
  const { basename, join, resolve } = await import("node:path");
  const { resolveModelDirectory } = await import("../checkpoint/runDirectory.js");
  const { PreparedData } = await import("../data/preparedData.js");
  const { documentIds } = await import("../eval/bitsPerByte.js");
  const { benchQuantization: bench } = await import("../bench/quantization.js");
  const { readConfig } = await import("../checkpoint/modelFiles.js");
  const { Tokenizer } = await import("../tokenizer/tokenizer.js");
  const { findTokenizer, trainedWindow } = await import("./models.js");
  const directory = resolveModelDirectory(await localModel(flags.model));
  const tokenizer = Tokenizer.fromDirectory(findTokenizer(directory));
  const window = trainedWindow(directory) ?? readConfig(directory).maxPositionEmbeddings;
  const texts: Int32Array[] = [];
  let left = flags.tokens ?? 8192;
  for (const { content } of new PreparedData(flags.data ?? join(flags.model, "data")).validationDocuments()) {
    const ids = documentIds(tokenizer, content);
    for (let at = 0; at < ids.length && left > 1; at += window) {
      const text = ids.subarray(at, at + Math.min(window, left));
      if (text.length > 1) texts.push(text);
      left -= text.length;
    }
  }
  const threads = await useThreads(flags.threads);
  const label = hubName(flags.model) ?? basename(resolve(flags.model));
  say(
    `${directory}: ${grouped(texts.reduce((sum, text) => sum + text.length, 0))} held-out tokens, windows of ${window}`,
  );
  return benchOutcome(await bench({ label, directory, texts, threads, say }), flags.save);
}

interface LoadFlags {
  readonly model?: string;
  readonly preset: string;
  readonly gigabytes?: number;
  readonly out?: string;
  readonly promptTokens?: number;
  readonly threads?: number;
  readonly repeats?: number;
  readonly save?: string;
}

export function loadCommand(): Command {
  const command = new Command("load")
    .description("Time opening a checkpoint: first token, memory. Without --model it makes a random one in FP8.")
    .option("--model <dir>", modelHelp)
    .option("--preset <name>", "shape of the one that is made", "bench-0.9b")
    .addOption(
      numberOption("--gigabytes <n>", "size of the one that is made, by its layers (default: all layers)", 0.001, 1e4),
    )
    .option("--out <dir>", "where it is made and kept; used again if it is there (default: a temporary folder)")
    .addOption(integerOption("--prompt-tokens <n>", "tokens before the first new one (default 16)", 1, 2 ** 16))
    .addOption(threadsOption())
    .addOption(repeatsOption(5))
    .addOption(saveOption())
    .addHelpText(
      "after",
      "\nExamples:\n  fathom bench load --model runs/quickstart\n  fathom bench load --preset moonlight-16b-a3b --gigabytes 8 --out /tmp/moonlight-8gb",
    );
  return act<LoadFlags>(command, (_, flags) => benchLoad(flags));
}

async function benchLoad(flags: LoadFlags): Promise<Outcome> {
  const { existsSync, mkdtempSync, rmSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const { basename, join, resolve } = await import("node:path");
  const { resolveModelDirectory } = await import("../checkpoint/runDirectory.js");
  const { benchLoad: bench } = await import("../bench/load.js");
  const { configOfSize, writeFp8Checkpoint } = await import("../bench/fp8Checkpoint.js");
  const { loadPreset } = await import("../model/presets.js");
  if (flags.model !== undefined && flags.out !== undefined)
    throw new RangeError("bench load: give --model or --out, not both");
  const threads = await useThreads(flags.threads);
  const made =
    (flags.model && (await localModel(flags.model))) ?? flags.out ?? mkdtempSync(join(tmpdir(), "fathom-bench-"));
  try {
    if (flags.model === undefined && !existsSync(join(made, "config.json"))) {
      const preset = { ...loadPreset(flags.preset), numNextnPredictLayers: 0 };
      const config = flags.gigabytes === undefined ? preset : configOfSize(preset, flags.gigabytes * 1e9);
      say(`${made}: ${config.numHiddenLayers} layers of ${flags.preset} in FP8`);
      const { bytes } = writeFp8Checkpoint(made, config);
      say(`${made}: ${grouped(bytes)} bytes`);
    }
    const directory = resolveModelDirectory(made);
    const named = flags.model ?? flags.out;
    const label = named === undefined ? flags.preset : (hubName(named) ?? basename(resolve(named)));
    const { promptTokens = 16, repeats = 5 } = flags;
    return await benchOutcome(await bench({ label, directory, promptTokens, repeats, threads, say }), flags.save);
  } finally {
    if (flags.model === undefined && flags.out === undefined) rmSync(made, { recursive: true, force: true });
  }
}
