/** `fathom data prepare | inspect | generate | validate | preview`: token shards, chat data, and looks at what a model will read from them. */
import { Command } from "commander";
import { generateDataCommand } from "./dataGenerate.js";
import { previewCommand } from "./dataPreview.js";
import { validateCommand } from "./dataValidate.js";
import {
  abortedBySigint,
  act,
  grouped,
  integerOption,
  numberOption,
  type Outcome,
  repeated,
  threadsOption,
} from "./output.js";

export function dataCommand(): Command {
  return new Command("data")
    .description("Turn text into token shards, check chat data, and look into either.")
    .addCommand(prepareCommand())
    .addCommand(inspectCommand())
    .addCommand(generateDataCommand())
    .addCommand(validateCommand())
    .addCommand(previewCommand());
}

interface PrepareFlags {
  readonly data: readonly string[];
  readonly tokenizer: string;
  readonly out: string;
  readonly seed?: number;
  readonly fimRate?: number;
  readonly punctuationSplitRate?: number;
  readonly validationFraction?: number;
  readonly validationMaxMegabytes?: number;
  readonly shardTokens?: number;
  readonly threads?: number;
  readonly textField?: string;
  readonly strict?: boolean;
}

function prepareCommand(): Command {
  const command = new Command("prepare")
    .description("Write token shards and held-out documents; what is there already and unchanged is kept.")
    .requiredOption(
      "--data <[name=]path[:weight]>",
      "text: files, folders, patterns, JSONL, Parquet; may be repeated (code=src:0.6)",
      repeated,
    )
    .requiredOption("--tokenizer <dir>", "a directory with tokenizer.json, or a run")
    .requiredOption("--out <dir>", "where the shards go")
    .addOption(integerOption("--seed <n>", "of the random choices (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .addOption(numberOption("--fim-rate <x>", "share of documents as fill in the middle (default 0.1)", 0, 1))
    .addOption(
      numberOption(
        "--punctuation-split-rate <x>",
        "share of tokens joining punctuation and line breaks to split (default 0.1)",
        0,
        1,
      ),
    )
    .addOption(numberOption("--validation-fraction <x>", "share of the text to hold out (default 0.02)", 0, 0.9))
    .addOption(numberOption("--validation-max-megabytes <x>", "most text to hold out (default 4)", 0, 1e6))
    .addOption(integerOption("--shard-tokens <n>", "tokens per shard file (default 16777216)", 1, 2 ** 31))
    .addOption(threadsOption())
    .option("--text-field <name>", "field of JSONL and Parquet that holds the text (default: text, else content)")
    .option("--strict", "refuse binary files and invalid UTF-8 instead of skipping them")
    .addHelpText("after", "\nExamples:\n  fathom data prepare --data src --tokenizer my-tokenizer --out my-data");
  return act<PrepareFlags>(command, (_, flags) => prepare(flags));
}

async function prepare(flags: PrepareFlags): Promise<Outcome> {
  const { availableParallelism } = await import("node:os");
  const { prepareData } = await import("../data/prepare.js");
  const { parseDataSources } = await import("../data/sources.js");
  const { Tokenizer } = await import("../tokenizer/tokenizer.js");
  const { findTokenizer } = await import("./models.js");
  const { preparationPrinter } = await import("./progress.js");
  const tokenizer = Tokenizer.fromDirectory(findTokenizer(flags.tokenizer));
  const begun = performance.now();
  const manifest = await prepareData({
    sources: parseDataSources(flags.data),
    tokenizer,
    outDir: flags.out,
    seed: flags.seed ?? 1,
    threads: flags.threads ?? availableParallelism(),
    ...(flags.fimRate === undefined ? {} : { fim: { rate: flags.fimRate } }),
    ...(flags.punctuationSplitRate === undefined ? {} : { punctuationSplitRate: flags.punctuationSplitRate }),
    ...(flags.validationFraction === undefined ? {} : { validationFraction: flags.validationFraction }),
    ...(flags.validationMaxMegabytes === undefined ? {} : { validationMaxBytes: flags.validationMaxMegabytes * 1e6 }),
    ...(flags.shardTokens === undefined ? {} : { shardTokens: flags.shardTokens }),
    read: {
      ...(flags.textField === undefined ? {} : { textField: flags.textField }),
      strict: flags.strict ?? false,
    },
    onProgress: preparationPrinter(),
    signal: abortedBySigint("interrupted; nothing usable was written"),
  });
  const seconds = (performance.now() - begun) / 1000;
  const sources = manifest.sources.map(({ shards, skippedFiles: _, ...counts }) => ({
    ...counts,
    shards: shards.length,
  }));
  const { documents, bytes, tokens } = manifest.validation;
  const lines = sources.map(
    (source) =>
      `${source.name}: ${grouped(source.documents)} documents, ${grouped(source.bytes)} bytes, ${grouped(source.tokens)} tokens in ` +
      `${source.shards} shards; left out: ${grouped(source.duplicates)} duplicates, ${grouped(source.skipped.binary)} binary, ` +
      `${grouped(source.skipped.invalidUtf8)} not UTF-8, ${grouped(source.skipped.empty)} empty`,
  );
  lines.push(
    `held out: ${grouped(documents)} documents, ${grouped(bytes)} bytes, ${grouped(tokens)} tokens`,
    `${flags.out}: ready after ${seconds.toFixed(1)} s`,
  );
  const result = { out: flags.out, key: manifest.key, sources, validation: { documents, bytes, tokens }, seconds };
  return { result, text: lines.join("\n") };
}

interface InspectFlags {
  readonly tokenizer?: string;
  readonly length?: number;
  readonly rows?: number;
  readonly seed?: number;
  readonly verify?: boolean;
}

function inspectCommand(): Command {
  const command = new Command("inspect")
    .description("Counts, lengths, and rows as the model will see them, with the borders of the documents.")
    .argument("<dir>", "prepared data, or a run")
    .option("--tokenizer <dir>", "a directory with tokenizer.json (default: the run's)")
    .addOption(integerOption("--length <tokens>", "tokens of a row (default 256)", 2, 2 ** 24))
    .addOption(integerOption("--rows <n>", "rows to decode (default 2)", 0, 10_000))
    .addOption(integerOption("--seed <n>", "of the choice of rows (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .option("--verify", "check the hash of every shard first")
    .addHelpText("after", "\nExamples:\n  fathom data inspect runs/quickstart --length 256 --rows 1");
  return act<InspectFlags>(command, ([folder = ""], flags) => inspect(folder, flags));
}

async function inspect(given: string, flags: InspectFlags): Promise<Outcome> {
  const { existsSync } = await import("node:fs");
  const { join } = await import("node:path");
  const { describeInspection, inspectData } = await import("../data/inspect.js");
  const { manifestName, PreparedData } = await import("../data/preparedData.js");
  const { Tokenizer } = await import("../tokenizer/tokenizer.js");
  const { findTokenizer } = await import("./models.js");
  const inRun = join(given, "data");
  const isRun = !existsSync(join(given, manifestName)) && existsSync(join(inRun, manifestName));
  if (!isRun && flags.tokenizer === undefined) {
    throw new RangeError(`${given}: not a run, whose tokenizer would be known; give --tokenizer`);
  }
  using data = new PreparedData(isRun ? inRun : given);
  if (flags.verify) data.verify();
  const tokenizer = Tokenizer.fromDirectory(findTokenizer(flags.tokenizer ?? given));
  const inspection = inspectData(data, tokenizer, {
    sequenceLength: flags.length ?? 256,
    rows: flags.rows ?? 2,
    seed: flags.seed ?? 1,
  });
  return { result: inspection, text: describeInspection(inspection) };
}
