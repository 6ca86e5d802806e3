/** `fathom tokenizer train | encode`. */
import { Command, Option } from "commander";
import { abortedBySigint, act, grouped, integerOption, numberOption, type Outcome, repeated, table } from "./output.js";

export function tokenizerCommand(): Command {
  return new Command("tokenizer")
    .description("Train a tokenizer, or see what one makes of a file.")
    .addCommand(trainCommand())
    .addCommand(encodeCommand());
}

interface TrainFlags {
  readonly data: readonly string[];
  readonly vocabSize: number;
  readonly out: string;
  readonly minFrequency?: number;
  readonly digits?: "merged" | "single";
  readonly maxMegabytes?: number;
  readonly threads?: number;
  readonly textField?: string;
  readonly strict?: boolean;
}

function trainCommand(): Command {
  const command = new Command("train")
    .description("Train byte-level BPE with DeepSeek-V3's pre-tokenizer and control tokens.")
    .requiredOption("--data <path>", "file, folder or pattern; may be repeated", repeated)
    .addOption(integerOption("--vocab-size <n>", "ids, control tokens included", 1, 2 ** 24).makeOptionMandatory())
    .requiredOption("--out <dir>", "where tokenizer.json goes")
    .addOption(
      integerOption("--min-frequency <n>", "times a pair must occur to become a token (default 2)", 1, 2 ** 31),
    )
    .addOption(
      new Option("--digits <how>", "single: no token of two digits, for small models that calculate").choices([
        "merged",
        "single",
      ]),
    )
    .addOption(numberOption("--max-megabytes <n>", "stop reading after this much text", 0.001, 1e9))
    .addOption(integerOption("--threads <n>", "threads that count (default: all cores)", 1, 1024))
    .option("--text-field <name>", "field of JSONL and Parquet that holds the text (default: text, else content)")
    .option("--strict", "refuse binary files and invalid UTF-8 instead of skipping them")
    .addHelpText("after", "\nExamples:\n  fathom tokenizer train --data src --vocab-size 4096 --out my-tokenizer");
  return act<TrainFlags>(command, (_, flags) => train(flags));
}

async function train(flags: TrainFlags): Promise<Outcome> {
  const { availableParallelism } = await import("node:os");
  const { defaultReadOptions, readDocuments } = await import("../data/documents.js");
  const { listFiles, parseDataSources } = await import("../data/sources.js");
  const { tokenizerTraining } = await import("../tokenizer/bpeTrainer.js");
  const { tokenizerPrinter } = await import("./progress.js");
  const files = parseDataSources(flags.data).flatMap(({ paths }) => listFiles(paths));
  const options = {
    ...defaultReadOptions,
    ...(flags.textField === undefined ? {} : { textField: flags.textField }),
    strict: flags.strict ?? false,
  };
  let skipped = 0;
  const limit = (flags.maxMegabytes ?? Number.POSITIVE_INFINITY) * 2 ** 20;
  async function* texts(): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    for (const file of files) {
      for await (const { content } of readDocuments(file, options, () => skipped++)) {
        yield content;
        bytes += content.length;
        if (bytes >= limit) return;
      }
    }
    if (bytes > 0) return;
    const found = `${files.length} files, ${skipped} of them or of their records binary, not UTF-8 or empty`;
    throw new RangeError(`${flags.data.join(", ")}: no text to train a tokenizer on (${found})`);
  }
  const begun = performance.now();
  const progress = tokenizerPrinter();
  for await (const event of tokenizerTraining(texts(), {
    vocabSize: flags.vocabSize,
    ...(flags.minFrequency === undefined ? {} : { minFrequency: flags.minFrequency }),
    ...(flags.digits === undefined ? {} : { digits: flags.digits }),
    threads: flags.threads ?? availableParallelism(),
    signal: abortedBySigint("interrupted; nothing was written"),
  })) {
    if (event.stage === "done") {
      event.tokenizer.save(flags.out);
      const seconds = (performance.now() - begun) / 1000;
      const { documents, bytes, vocabSize } = event.summary;
      const text = `${flags.out}: ${grouped(vocabSize)} ids from ${grouped(documents)} documents, ${grouped(bytes)} bytes, ${skipped} skipped, ${seconds.toFixed(1)} s`;
      return { result: { out: flags.out, ...event.summary, skipped, seconds }, text };
    }
    progress(event);
  }
  throw new Error("internal: tokenizer training ended without a result");
}

interface EncodeFlags {
  readonly tokenizer: string;
  readonly file: string;
  readonly threads?: number;
  readonly show?: boolean;
}

function encodeCommand(): Command {
  const command = new Command("encode")
    .description("Encode a file: tokens, bytes, time.")
    .requiredOption("--tokenizer <dir>", "directory with a tokenizer.json")
    .requiredOption("--file <path>", "UTF-8 text")
    .addOption(integerOption("--threads <n>", "threads (default 1)", 1, 1024))
    .option("--show", "print the tokens, each in brackets")
    .addHelpText("after", "\nExamples:\n  fathom tokenizer encode --tokenizer runs/quickstart --file README.md --show");
  return act<EncodeFlags>(command, (_, flags) => encode(flags));
}

async function encode({ tokenizer: directory, file, threads = 1, show }: EncodeFlags): Promise<Outcome> {
  const { readText } = await import("../data/documents.js");
  const { Tokenizer } = await import("../tokenizer/tokenizer.js");
  const { EncodePool } = await import("../tokenizer/encodePool.js");
  const { findTokenizer } = await import("./models.js");
  const tokenizer = Tokenizer.fromDirectory(findTokenizer(directory));
  const content = readText(file);
  const pool = new EncodePool(tokenizer, threads);
  try {
    // Once unmeasured, so that starting threads and warming code do not count.
    await pool.encode(content.subarray(0, Math.min(content.length, 2 ** 16)));
    const begun = performance.now();
    const ids = await pool.encode(content);
    const seconds = (performance.now() - begun) / 1000;
    const result = { numTokens: ids.length, bytes: content.length, seconds };
    if (show) {
      const pieces = Array.from(ids, (id) => `[${tokenizer.decode([id])}]`);
      return { result: { ...result, ids: Array.from(ids) }, text: pieces.join("") };
    }
    const text = table([
      ["tokens", grouped(ids.length)],
      ["bytes", grouped(content.length)],
      ["bytes per token", (content.length / Math.max(1, ids.length)).toFixed(3)],
      ["MB/s", (content.length / 1e6 / seconds).toFixed(1)],
    ]);
    return { result, text };
  } finally {
    await pool.close();
  }
}
