/**
 * `fathom extend`: trains a trained model on at a longer window, as DeepSeek-V3 was from 4K to 32K and to 128K (training.md D7), and shows
 * what that is worth: held-out bits per byte by position, beside the old model at the new length as it is, and with its positions
 * interpolated. Several phases are several runs, each from the one before.
 */
import { Command, Option } from "commander";
import type { ModelConfig } from "../model/config.js";
import type { ExtensionMethod } from "../model/contextExtension.js";
import type { TrainSettings } from "../train/settings.js";
import { localModel, modelHelp } from "./modelPath.js";
import {
  act,
  grouped,
  integerOption,
  numberOption,
  type Outcome,
  repeated,
  say,
  table,
  threadsOption,
} from "./output.js";
import { prepareFlags, summary, type TrainFlags, withFlags } from "./pretrain.js";

interface Flags
  extends Omit<TrainFlags, "preset" | "config" | "length" | "tokenizer" | "schedule" | "minLearningRate"> {
  readonly model?: string;
  readonly to?: number;
  readonly from?: number;
  readonly factor?: number;
  readonly method?: ExtensionMethod;
  readonly windows?: number;
  readonly optimizer?: "fresh" | "kept";
}

/** Steps of each of the report's phases. */
const reportSteps = 1000;
/** The report's constant rate, for models whose own run is not there to ask. */
const reportLearningRate = 7.3e-6;

export function extendCommand(): Command {
  const command = new Command("extend")
    .description("Train a trained model on at a longer window (YaRN), and compare by position.")
    .option("--model <dir>", `${modelHelp}; not needed to resume`)
    .requiredOption("--out <dir>", "the run directory of this phase")
    .addOption(integerOption("--to <tokens>", "the new window", 2, 2 ** 24))
    .addOption(
      integerOption(
        "--from <tokens>",
        "the window so far (default: the run's, else the model's positions)",
        2,
        2 ** 24,
      ),
    )
    .addOption(numberOption("--factor <x>", "stretch of the original window (default: new / original)", 1, 1e6))
    .addOption(
      new Option("--method <kind>", "how positions are stretched (default yarn)").choices(["yarn", "linear", "none"]),
    )
    .option(
      "--data <[name=]path[:weight]>",
      "text: files, folders, patterns, JSONL, Parquet; may be repeated (code=src:0.6)",
      repeated,
    )
    .option("--resume", "go on with the run in --out; starts it where there is none")
    .addOption(integerOption("--steps <n>", `optimizer steps (default ${reportSteps})`, 1, 2 ** 31))
    .addOption(integerOption("--tokens <n>", "train on as many tokens instead", 1, Number.MAX_SAFE_INTEGER))
    .addOption(
      integerOption("--batch <sequences>", "sequences a step (default: the tokens of a step so far)", 1, 2 ** 24),
    )
    .addOption(
      integerOption("--micro-batch <sequences>", "sequences a forward pass (default: 2048 tokens)", 1, 2 ** 24),
    )
    .addOption(numberOption("--learning-rate <x>", "constant (default: the rate that training ended with)", 0, 1))
    .addOption(
      new Option("--optimizer <state>", "kept: go on with the moments of the run's checkpoint (default fresh)").choices(
        ["fresh", "kept"],
      ),
    )
    .addOption(integerOption("--warmup-steps <n>", "steps of linear warm-up (default 0)", 0, 2 ** 31))
    .addOption(numberOption("--gamma <x>", "speed of the routing bias (default 0)", 0, 1))
    .addOption(numberOption("--alpha <x>", "sequence-wise balance loss (default 0.0001)", 0, 1))
    .addOption(numberOption("--lambda <x>", "weight of the MTP losses (default 0.1)", 0, 10))
    .addOption(numberOption("--weight-decay <x>", "AdamW's (default 0.1)", 0, 10))
    .addOption(numberOption("--clip <norm>", "gradient norm to clip at, 0 = never (default 1)", 0, 1e6))
    .option("--recompute", "compute norms and up-projections again in the backward: less memory, more time")
    .addOption(new Option("--on-non-finite <what>", "a loss or gradient that is not finite").choices(["skip", "stop"]))
    .addOption(integerOption("--seed <n>", "of the order of the data (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .addOption(new Option("--dtype <type>", "arithmetic (default: the config's)").choices(["float32", "bfloat16"]))
    .addOption(threadsOption())
    .addOption(
      integerOption("--expert-parallel <n>", "processes that share the experts between them (default 1)", 1, 2 ** 16),
    )
    .addOption(integerOption("--save-every <steps>", "steps between checkpoints (default 500)", 0, 2 ** 31))
    .addOption(integerOption("--keep-last <n>", "checkpoints to keep (default 2)", 1, 1e6))
    .addOption(integerOption("--validate-every <steps>", "steps between evaluations (default: at the end)", 0, 2 ** 31))
    .addOption(numberOption("--fim-rate <x>", "share of documents as fill in the middle (default 0.1)", 0, 1))
    .addOption(numberOption("--validation-fraction <x>", "share of the text to hold out (default 0.02)", 0, 0.9))
    .addOption(integerOption("--windows <n>", "most held-out windows to compare on (default 32)", 1, 2 ** 24))
    .option("--text-field <name>", "field of JSONL and Parquet that holds the text (default: text, else content)")
    .option("--strict", "refuse binary files and invalid UTF-8 instead of skipping them")
    .addHelpText(
      "after",
      `
Examples:
  two phases: fathom extend --model runs/quickstart --to 1024 --data src --steps 200 --out runs/1k
              fathom extend --model runs/1k --to 4096 --data src --steps 200 --out runs/4k`,
    );
  return act<Flags>(command, (_, flags) => extend(flags));
}

/** What the run was asked to do, kept beside it so that a resumed run compares with the same model. */
interface ExtensionRecord {
  readonly version: 1;
  /** Directory of the model it started from. */
  readonly base: string;
  readonly method: ExtensionMethod;
  readonly from: number;
  readonly to: number;
}

const extensionFile = "extension.json";

async function extend(flags: Flags): Promise<Outcome> {
  const { readRunRecord } = await import("../train/runFiles.js");
  const { launchedRank } = await import("../distributed/launcher.js");
  const { parseDataSources } = await import("../data/sources.js");
  const { train } = await import("./training.js");
  const { printer } = await import("./progress.js");
  const goesOn = flags.resume === true && readRunRecord(flags.out) !== null;
  const sources = flags.data ? parseDataSources(flags.data) : null;
  if (!goesOn && !sources) throw new RangeError("no data: give a file or folder (--data PATH)");
  const plan = goesOn ? await recorded(flags) : await planned(flags);
  const isFirst = (launchedRank() ?? 0) === 0;
  const { record, config, tokenizer, defaults } = plan;
  const result = await train({
    run: flags.out,
    stage: "extend",
    config,
    settings: (given) => withFlags(flags)(goesOn ? given : defaults(given)),
    sources,
    tokenizer,
    prepare: prepareFlags(flags),
    threads: flags.threads ?? null,
    expertParallel: flags.expertParallel ?? 1,
    resume: flags.resume ?? false,
    startFrom: record.base,
    keepsOptimizer: flags.optimizer === "kept",
    record: { name: extensionFile, content: `${JSON.stringify(record, null, 1)}\n` },
    samples: flags.samples ?? 2,
    onEvent: printer(),
  });
  const isInterrupted = result.reason === "stopped";
  if (isInterrupted || !isFirst) return { result, text: summary(result), isInterrupted };
  const { comparePositions } = await import("./extensionReport.js");
  const comparison = await comparePositions({ ...record, run: flags.out, windows: flags.windows ?? 32 });
  return {
    result: { ...result, ...record, ...comparison },
    text: `${summary(result)}\n\n${comparison.positions ? describe(comparison.positions) : "no held-out document is as long as the new window: nothing to compare by position"}\n${comparison.report}`,
  };
}

function describe(
  positions: NonNullable<Awaited<ReturnType<typeof import("./extensionReport.js").comparePositions>>["positions"]>,
): string {
  const rows = [...positions.buckets, positions.inside, positions.beyond].map((row, i) => [
    i < positions.buckets.length
      ? `${row.from}-${row.to - 1}`
      : i === positions.buckets.length
        ? "old window"
        : "beyond it",
    ...[row.unchanged, row.interpolated, row.extended].map(({ bitsPerByte }) => bitsPerByte.toFixed(4)),
  ]);
  return `Held-out bits per byte by position, ${grouped(positions.windows)} windows of ${positions.window} tokens\n${table([["positions", "no extension", "interpolation", "extended"], ...rows])}`;
}

interface Plan {
  readonly record: ExtensionRecord;
  /** Null: of the run. */
  readonly config: ModelConfig | null;
  readonly tokenizer: string | null;
  readonly defaults: (given: TrainSettings) => TrainSettings;
}

async function recorded(flags: Flags): Promise<Plan> {
  const { join } = await import("node:path");
  const { isObject, readJson } = await import("../files/json.js");
  const path = join(flags.out, extensionFile);
  const value = readJson(path);
  if (
    !isObject(value) ||
    value.version !== 1 ||
    typeof value.base !== "string" ||
    typeof value.from !== "number" ||
    typeof value.to !== "number"
  ) {
    throw new RangeError(`${path}: expected what extend wrote: version 1, base, method, from, to`);
  }
  const record = value as unknown as ExtensionRecord;
  const given = { to: flags.to, from: flags.from, method: flags.method };
  for (const key of ["to", "from", "method"] as const) {
    if (given[key] !== undefined && given[key] !== record[key]) {
      throw new RangeError(`${flags.out}: cannot resume with --${key} ${given[key]}: the run has ${record[key]}`);
    }
  }
  return { record, config: null, tokenizer: null, defaults: (settings) => settings };
}

async function planned(flags: Flags): Promise<Plan> {
  const { dirname, resolve } = await import("node:path");
  const { readConfig } = await import("../checkpoint/modelFiles.js");
  const { resolveModelDirectory } = await import("../checkpoint/runDirectory.js");
  const { extendedConfig } = await import("../model/contextExtension.js");
  const { readRunRecord } = await import("../train/runFiles.js");
  const { findTokenizer } = await import("./models.js");
  if (flags.model === undefined) throw new RangeError("give --model: the model to extend");
  if (flags.to === undefined) throw new RangeError("give --to: the new window in tokens");
  const base = resolve(resolveModelDirectory(await localModel(flags.model)));
  const tokenizer = findTokenizer(base);
  const before = { ...readConfig(base), quantizationConfig: null };
  const run = readRunRecord(dirname(dirname(base)));
  const old = run ? knownSettings(run.settings) : {};
  const from = flags.from ?? old.sequenceLength ?? before.maxPositionEmbeddings;
  const { to, method = "yarn" } = flags;
  const config = extendedConfig(before, {
    method,
    from,
    to,
    ...(flags.factor === undefined ? {} : { factor: flags.factor }),
  });
  say(`extending ${base} from ${grouped(from)} to ${grouped(to)} tokens (${method})`);
  const defaults = (given: TrainSettings): TrainSettings => {
    // As many tokens a step as before: 15360 x 4K = 1920 x 32K = 480 x 128K in the report.
    const batchSize = flags.batch ?? Math.max(1, Math.round(((old.batchSize ?? given.schedule.batchSize) * from) / to));
    return {
      ...given,
      sequenceLength: to,
      microBatchSize: Math.min(batchSize, Math.max(1, Math.floor(2048 / to))),
      schedule: {
        ...given.schedule,
        shape: "constant",
        learningRate: old.lastLearningRate ?? reportLearningRate,
        minLearningRate: old.lastLearningRate ?? reportLearningRate,
        warmupSteps: 0,
        batchSize,
        initialBatchSize: batchSize,
        rampTokens: 0,
        // Where the schedules of pre-training end; the report does not say.
        gamma: 0,
        lambda: 0.1,
      },
      totalTokens: reportSteps * batchSize * to,
      validateEvery: 0,
    };
  };
  return { record: { version: 1, base, method, from, to }, config, tokenizer, defaults };
}

/** What of the old run decides the new one's defaults. */
function knownSettings(settings: Readonly<Record<string, unknown>>): {
  readonly sequenceLength?: number;
  readonly batchSize?: number;
  readonly lastLearningRate?: number;
} {
  const schedule = typeof settings.schedule === "object" && settings.schedule !== null ? settings.schedule : {};
  const { shape, learningRate, minLearningRate, batchSize } = schedule as Readonly<Record<string, unknown>>;
  const last = shape === "constant" ? learningRate : minLearningRate;
  return {
    ...(typeof settings.sequenceLength === "number" ? { sequenceLength: settings.sequenceLength } : {}),
    ...(typeof batchSize === "number" ? { batchSize } : {}),
    // The published shape ends in a tail of its own.
    ...(typeof last === "number" ? { lastLearningRate: shape === "v3" ? (last * 7.3) / 22 : last } : {}),
  };
}
