/**
 * `fathom quickstart`, the main job: real text from this machine, a tokenizer, a small DeepSeek-V3 with everything in it, its held-out bits per
 * byte beside compressors, completions beside the truth; then the same model taught to do sums, by examples and by reinforcement; and a report,
 * within a given number of minutes.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import type { DataSource } from "../data/sources.js";
import type { ModelConfig } from "../model/config.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import type { TrainResult } from "../train/events.js";
import type { TrainSettings } from "../train/settings.js";
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
import { duration } from "./progress.js";
import { type Alignment, stageRuns } from "./quickstartAlignment.js";

interface Flags {
  readonly minutes?: number;
  readonly data?: readonly string[];
  readonly out?: string;
  readonly threads?: number;
  readonly seed?: number;
  readonly resume?: boolean;
  readonly fresh?: boolean;
}

const preset = "tiny";

export function quickstartCommand(): Command {
  const command = new Command("quickstart")
    .description("Train a small DeepSeek-V3 on text of this machine and see what it learned.")
    .addOption(numberOption("--minutes <n>", "for all stages together (default 10)", 0.5, 1e5))
    .option("--data <path>", "text of your own: files, folders, patterns; may be repeated", repeated)
    .option("--out <dir>", "the run directory (default runs/quickstart)")
    .addOption(threadsOption())
    .addOption(integerOption("--seed <n>", "of weights and order (default 1)", 0, Number.MAX_SAFE_INTEGER))
    .option("--resume", "go on with a run that was stopped")
    .option("--fresh", "throw the run in --out away and start again")
    .addHelpText("after", "\nExamples:\n  npm run quickstart\n  npm run quickstart -- --data ~/notes --minutes 20");
  return act<Flags>(command, (_, flags) => quickstart(flags));
}

async function quickstart(flags: Flags): Promise<Outcome> {
  const run = flags.out ?? join("runs", "quickstart");
  const wish = await askAboutOldRun(run, flags);
  if (wish === "leave") {
    const { recordedResult } = await import("../train/runFiles.js");
    return { result: { ...recordedResult(run, "pretrain"), reason: "left as it is" }, text: howToTalk(run) };
  }
  const begun = performance.now();
  const { align, alignmentSeconds } = await import("./quickstartAlignment.js");
  const minutes = flags.minutes ?? 10;
  const { parseDataSources } = await import("../data/sources.js");
  const { loadPreset } = await import("../model/presets.js");
  const { printer } = await import("./progress.js");
  const { train } = await import("./training.js");
  const { useThreads } = await import("./threads.js");
  const config = loadPreset(preset);
  await useThreads(flags.threads);
  const sources = flags.data ? parseDataSources(flags.data) : await defaultSources();
  const isResumed = wish === "resume";
  const aligning = alignmentSeconds(60 * minutes);
  const { hasFastBfloat16 } = await import("../tensor/native.js");
  const dtype = hasFastBfloat16() ? "bfloat16" : "float32";
  const tokensPerSecond = isResumed ? 0 : await calibrate(config, dtype);
  const result = await train({
    run,
    stage: "pretrain",
    config,
    settings: (defaults) => {
      if (isResumed) return defaults;
      // What is left after everything before, less the time to evaluate, draw samples and write the report.
      const left = 60 * minutes - aligning - (performance.now() - begun) / 1000;
      const seconds = Math.max(10, 0.96 * left - Math.min(28, 0.3 * left));
      return { ...quickstartSettings(defaults, tokensPerSecond * seconds, flags.seed ?? 1), dtype };
    },
    sources: isResumed ? null : sources,
    tokenizer: null,
    digits: "single", // A token a digit: what sums are made of.
    prepare: { fim: { rate: 0.1, span: 600 }, validationFraction: 0.03, validationMaxBytes: 150_000 },
    threads: flags.threads ?? null,
    expertParallel: 1,
    resume: isResumed,
    onEvent: printer(),
    // A machine that became slower meanwhile still ends in time.
    deadline: begun + 1000 * (60 * minutes - aligning - Math.min(25, 12 * minutes)),
    samples: 4,
  });
  const aligned =
    result.reason === "stopped"
      ? null
      : await align(run, { seconds: aligning, seed: flags.seed ?? 1, threads: flags.threads });
  return finish(run, result, aligned, (performance.now() - begun) / 1000);
}

/** What to do about a run that is there already; without a terminal the flags must say. */
async function askAboutOldRun(run: string, flags: Flags): Promise<"start" | "resume" | "leave"> {
  const { rmSync } = await import("node:fs");
  const { readEvents, readRunRecord } = await import("../train/runFiles.js");
  const record = readRunRecord(run);
  const later = Object.values(stageRuns(run)).filter(existsSync);
  if (record === null) {
    if (later.length > 0 && !flags.fresh) {
      throw new RangeError(
        `${later.join(", ")}: of a run that is gone; --fresh throws it away, --out begins elsewhere`,
      );
    }
    for (const folder of later) rmSync(folder, { recursive: true, force: true });
    return "start";
  }
  const steps = readEvents(run).filter((event) => event.kind === "step");
  const last = steps.at(-1);
  say(
    `${run}: a run of ${record.startedAt} is there, ${last ? `${grouped(last.step)} steps, ${grouped(last.tokens)} of ${grouped(last.totalTokens)} tokens` : "without a step"}.`,
  );
  const isFinished = last !== undefined && last.tokens >= last.totalTokens;
  const restart = (): "start" => {
    for (const folder of [run, ...later]) rmSync(folder, { recursive: true, force: true });
    return "start";
  };
  if (flags.fresh) return restart();
  if (flags.resume) return "resume";
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    say(`Its report is ${join(run, "report.html")}. --resume goes on with it, --fresh starts again.`);
    return "leave";
  }
  const { isCancel, select } = await import("@clack/prompts");
  const answer = await select({
    message: "What now?",
    options: [
      { value: "leave", label: "Leave it as it is" },
      ...(isFinished ? [] : [{ value: "resume", label: "Go on with it" }]),
      { value: "fresh", label: "Throw it away and start again" },
    ],
  });
  if (isCancel(answer) || answer === "leave") return "leave";
  return answer === "resume" ? "resume" : restart();
}

/** TypeScript and JavaScript that npm has installed here, without copies and minified files. */
async function defaultSources(): Promise<DataSource[]> {
  const { codeCorpus } = await import("../data/codeCorpus.js");
  const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "node_modules");
  const { paths, bytes } = codeCorpus({ roots: [root], maxBytes: 40e6 });
  say(`text: ${grouped(paths.length)} source files that npm installed here, ${grouped(bytes)} bytes`);
  return [{ name: "code", paths, weight: null, epochs: null }];
}

/** Tokens per second of the model on this machine, from a few steps. */
async function calibrate(config: ModelConfig, dtype: ComputeDtype): Promise<number> {
  const { measureTraining } = await import("../train/measure.js");
  const speed = await measureTraining(config, {
    steps: 3,
    dtype,
    seed: 1,
    sequenceLength: 256,
    batchSize: 8,
    recompute: false,
  });
  say(`this machine trains ${preset} in ${dtype} at about ${grouped(speed.tokensPerSecond)} tokens per second`);
  return speed.tokensPerSecond;
}

function quickstartSettings(defaults: TrainSettings, tokens: number, seed: number): TrainSettings {
  const [sequenceLength, batchSize] = [256, 8]; // Twice the steps of 16 sequences: 0.07 bits per byte less (docs/log.md).
  const steps = Math.max(10, Math.floor(tokens / (sequenceLength * batchSize)));
  return {
    ...defaults,
    seed,
    sequenceLength,
    microBatchSize: batchSize,
    totalTokens: steps * sequenceLength * batchSize,
    schedule: {
      ...defaults.schedule,
      shape: "v3",
      learningRate: 2e-3,
      minLearningRate: 6e-5,
      warmupSteps: Math.min(100, Math.ceil(steps / 10)),
      batchSize,
      initialBatchSize: batchSize,
    },
    validateEvery: Math.max(5, Math.ceil(steps / 5)),
    saveEvery: Math.max(5, Math.ceil(steps / 4)),
  };
}

/** Prints what came of it and writes the report. */
async function finish(run: string, result: TrainResult, aligned: Alignment | null, seconds: number): Promise<Outcome> {
  const { compressorBitsPerByte } = await import("../eval/compressors.js");
  const { PreparedData } = await import("../data/preparedData.js");
  const { writeRunReport } = await import("./reportFile.js");
  const { readEvents } = await import("../train/runFiles.js");
  using data = new PreparedData(join(run, "data"));
  const compressors = compressorBitsPerByte(data.validationDocuments().map(({ content }) => content));
  const report = writeRunReport(run, compressors, null, Object.values(stageRuns(run)).filter(existsSync));
  const events = readEvents(run);
  const lastStep = events.filter((event) => event.kind === "step").at(-1);
  const layers = lastStep?.layers ?? [];
  const dead = layers.reduce((sum, { counts }) => sum + counts.filter((count) => count === 0).length, 0);
  const text = table([
    [
      "held-out bits per byte",
      result.valBitsPerByte === null ? "not measured: stopped" : result.valBitsPerByte.toFixed(4),
    ],
    ...compressors.map(({ name, bitsPerByte }) => [`  ${name} on the same files`, bitsPerByte.toFixed(4)]),
    ["MTP accuracy", lastStep?.mtpAccuracy.map((share) => `${(100 * share).toFixed(1)} %`).join(", ") ?? "none"],
    ["MaxVio, experts unused", `${Math.max(0, ...layers.map(({ maxVio }) => maxVio)).toFixed(2)}, ${dead}`],
    [
      "training",
      `${grouped(result.steps)} steps, ${grouped(result.tokens)} tokens, ${grouped(result.tokensPerSecond)} tokens/s`,
    ],
    ...(aligned ? alignmentRows(aligned) : []),
    ["time in all", duration(seconds)],
    ["report", report],
  ]);
  const isInterrupted = result.reason === "stopped" || (aligned?.isInterrupted ?? false);
  const told = { ...result, alignment: aligned, seconds, compressors, report };
  return { result: told, text: `${text}\n\n${howToTalk(run)}`, isInterrupted };
}

function alignmentRows({ exactMatch, steps }: Alignment): string[][] {
  const share = (value: number | null): string => (value === null ? "not measured" : `${(100 * value).toFixed(1)} %`);
  return [
    ["held-out sums, before", share(exactMatch.base)],
    [`  after SFT, ${grouped(steps.sft)} steps`, share(exactMatch.sft)],
    [`  after GRPO, ${grouped(steps.grpo)} steps`, share(exactMatch.grpo)],
  ];
}

/**
 * The ways to the models that have just been trained. The first has read source files and no conversations, so that it completes; the last one
 * answers sums.
 *
 * @param run the run's directory, as it was given
 */
function howToTalk(run: string): string {
  const [path, aligned] = [run, stageRuns(run).grpo].map((name) =>
    /^[\w./~-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`,
  );
  return table([
    ["Talk to it:", ""],
    ["  complete a text", `npx fathom generate --model ${path} --prompt "export function "`],
    existsSync(stageRuns(run).grpo)
      ? ["  ask a sum", `npx fathom chat ${aligned}, then: What is 473 + 328?`]
      : ["  in the terminal", `npx fathom chat ${path}`],
    ["  in the browser", `npx fathom serve ${path}, then http://127.0.0.1:8000`],
    ["  over OpenAI's API", "the same, at http://127.0.0.1:8000/v1"],
    ["  in your program", `node examples/library.mjs ${path}, five lines to copy`],
  ]);
}
