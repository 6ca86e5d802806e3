/**
 * What `pretrain`, `extend` and `quickstart` do around the training loop: lock the run directory, find or train the tokenizer, prepare the
 * data, join the other processes, and report.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type PrepareOptions, prepareData } from "../data/prepare.js";
import { manifestName, PreparedData, readManifest } from "../data/preparedData.js";
import type { DataSource } from "../data/sources.js";
import { TextData } from "../data/textData.js";
import { writeFileAtomic } from "../files/atomic.js";
import { isObject } from "../files/json.js";
import { type ModelConfig, parseModelConfig, serializeModelConfig } from "../model/config.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import { tokenizerTraining } from "../tokenizer/bpeTrainer.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import type { SampleEvent, TrainEvent, TrainResult } from "../train/events.js";
import { pretrain } from "../train/pretrain.js";
import { recordedResult } from "../train/runFiles.js";
import type { Schedule } from "../train/schedule.js";
import { defaultSettings, type TrainSettings } from "../train/settings.js";
import { findTokenizer } from "./models.js";
import { grouped, say } from "./output.js";
import { preparationPrinter, tokenizerPrinter } from "./progress.js";
import { inOrder, inRun } from "./runSession.js";
import { drawSamples } from "./samples.js";

export interface TrainingJob {
  readonly run: string;
  readonly stage?: string;
  /** Null: of the run to go on with. */
  readonly config: ModelConfig | null;
  /** Changes to the defaults, or to the settings of the run to go on with. */
  readonly settings: (defaults: TrainSettings) => TrainSettings;
  readonly schedule?: Schedule;
  readonly sources: readonly DataSource[] | null;
  /** Directory with tokenizer.json; null = train one of the config's vocabulary size. */
  readonly tokenizer: string | null;
  /** Of a tokenizer that is trained here; see TrainTokenizerOptions. */
  readonly digits?: "merged" | "single";
  readonly prepare: Pick<
    PrepareOptions,
    "fim" | "validationFraction" | "validationMaxBytes" | "punctuationSplitRate" | "read"
  >;
  readonly threads: number | null;
  readonly expertParallel: number;
  readonly resume: boolean;
  readonly startFrom?: string;
  readonly keepsOptimizer?: boolean;
  readonly onEvent: (event: TrainEvent) => void;
  readonly deadline?: number;
  /** A file of the command's own, written into the directory of a new run. */
  readonly record?: { readonly name: string; readonly content: string };
  /** Completions of held-out documents to show when training is done. */
  readonly samples: number;
}

/** Runs a job to its end, or until SIGINT or SIGTERM, after which it is saved and can go on. */
export async function train(job: TrainingJob): Promise<TrainResult> {
  return inRun(job, async ({ world, grid, threads, isFirst, record, resumeFrom, signal, trains }) => {
    const goesOn = record !== null;
    if (isFirst && job.record && !goesOn) writeFileAtomic(join(job.run, job.record.name), job.record.content);
    const config = chooseConfig(job, record?.model ?? null);
    const settings = job.settings(
      goesOn ? mergedSettings(defaultSettings(config), record.settings) : defaultSettings(config),
    );
    if (goesOn) checkSameFp8(job.run, mergedSettings(defaultSettings(config), record.settings), settings);
    await inOrder(world, async () => {
      if (goesOn && hasData(job)) return;
      const text = job.sources && new TextData(job.sources, job.prepare);
      const tokenizer = await findOrTrainTokenizer(job, config, text, threads, signal);
      if (!text) throw new RangeError(noData);
      await prepare(job, text, tokenizer, threads, settings.seed, signal);
    });
    const tokenizer = Tokenizer.fromDirectory(join(job.run, "tokenizer"));
    using data = new PreparedData(dataFolder(job.run));
    const stage = job.stage ?? "pretrain";
    const samplesOf = (model: DeepseekV3, step: number): Promise<SampleEvent[]> =>
      drawSamples(
        model,
        tokenizer,
        data.validationDocuments().map(({ content }) => content),
        job.samples,
        stage,
        step,
      );
    trains(job.stage ?? null);
    const events = pretrain({
      run: job.run,
      stage,
      config,
      settings,
      tokenizer,
      data,
      grid,
      resumeFrom: resumeFrom?.path ?? null,
      ...(job.schedule ? { schedule: job.schedule } : {}),
      ...(job.startFrom === undefined ? {} : { startFrom: job.startFrom, keepsOptimizer: job.keepsOptimizer ?? false }),
      ...(job.samples > 0 && config.attention === "mla" ? { sample: samplesOf } : {}),
      ...(job.deadline === undefined ? {} : { deadline: job.deadline }),
      signal,
    });
    for (;;) {
      const { value, done } = await events.next();
      if (done) return isFirst ? ofWholeRun(value, recordedResult(job.run, stage)) : value;
      if (isFirst) job.onEvent(value);
    }
  });
}

/** A run that goes on tells the loss of its last steps, whichever process made them, and one that had ended tells its speed again. */
function ofWholeRun(result: TrainResult, recorded: Omit<TrainResult, "reason">): TrainResult {
  const { trainLoss } = recorded;
  return { ...result, trainLoss, tokensPerSecond: result.tokensPerSecond || recorded.tokensPerSecond };
}

/** Whether a run that goes on has its data prepared. @throws RangeError if other data is given than it was trained on */
function hasData(job: TrainingJob): boolean {
  if (!existsSync(join(dataFolder(job.run), manifestName))) return false;
  if (job.sources === null) return true;
  const given = JSON.stringify(job.sources.map(({ name, paths, weight, epochs }) => [name, paths, weight, epochs]));
  const { sources } = readManifest(dataFolder(job.run));
  const had = JSON.stringify(sources.map(({ name, paths, weight, epochs }) => [name, paths, weight, epochs]));
  if (given === had) return true;
  throw new RangeError(
    `${job.run}: cannot resume with other data: the run was made with ${had}, --data gives ${given}; leave --data out`,
  );
}

const dataFolder = (run: string): string => join(run, "data");

function chooseConfig(job: TrainingJob, recorded: Readonly<Record<string, unknown>> | null): ModelConfig {
  const old = recorded && parseModelConfig(recorded, `${job.run}/run.json: model`, { allowUnknown: true });
  if (!job.config) {
    if (old) return old;
    throw new RangeError("give --preset or --config: there is no run to go on with");
  }
  if (!old) return job.config;
  const [was, is] = [serializeModelConfig(old), serializeModelConfig(job.config)];
  for (const key of new Set([...Object.keys(was), ...Object.keys(is)])) {
    const [a, b] = [JSON.stringify(was[key]), JSON.stringify(is[key])];
    if (a !== b) {
      throw new RangeError(
        `${job.run}: cannot resume with another model: ${key} is ${a} in the run, ${b} in the config given`,
      );
    }
  }
  return old;
}

/** The run's own settings over the defaults: keys that a later version added keep their default. */
function mergedSettings(defaults: TrainSettings, recorded: Readonly<Record<string, unknown>>): TrainSettings {
  const merge = (base: Readonly<Record<string, unknown>>, over: Readonly<Record<string, unknown>>): object =>
    Object.fromEntries(
      Object.entries(base).map(([key, value]) => {
        const given = over[key];
        if (given === undefined) return [key, value];
        return [key, isObject(value) && isObject(given) ? merge(value, given) : given];
      }),
    );
  return merge({ ...defaults }, recorded) as unknown as TrainSettings;
}

/** A run in FP8 keeps its recipe. @throws RangeError naming the option that differs */
function checkSameFp8(run: string, was: TrainSettings, is: TrainSettings): void {
  if (was.dtype !== "fp8" || is.dtype !== "fp8") return;
  for (const key of Object.keys(was.fp8) as (keyof TrainSettings["fp8"])[]) {
    if (was.fp8[key] !== is.fp8[key]) {
      throw new RangeError(
        `${run}: cannot resume with another FP8 recipe: ${key} is ${was.fp8[key]} in the run, ${is.fp8[key]} now`,
      );
    }
  }
}

async function findOrTrainTokenizer(
  job: TrainingJob,
  config: ModelConfig,
  text: TextData | null,
  threads: number,
  signal: AbortSignal,
): Promise<Tokenizer> {
  const folder = join(job.run, "tokenizer");
  if (job.tokenizer !== null) {
    const tokenizer = Tokenizer.fromDirectory(findTokenizer(job.tokenizer));
    if (job.startFrom === undefined) checkVocabulary(config.vocabSize, tokenizer.vocabSize, job.tokenizer);
    tokenizer.save(folder);
    return tokenizer;
  }
  if (existsSync(join(folder, "tokenizer.json"))) return Tokenizer.fromDirectory(folder);
  if (!text) throw new RangeError(noData);
  await text.scan(preparationPrinter(), signal);
  const progress = tokenizerPrinter();
  const { vocabSize: wanted } = config;
  for await (const event of tokenizerTraining(text.trainingTexts(signal), {
    vocabSize: wanted,
    ...(job.digits === undefined ? {} : { digits: job.digits }),
    threads,
    signal,
  })) {
    if (event.stage !== "done") {
      progress(event);
      continue;
    }
    event.tokenizer.save(folder);
    const { bytes, documents, vocabSize } = event.summary;
    say(`tokenizer: ${grouped(vocabSize)} ids from ${grouped(documents)} documents, ${grouped(bytes)} bytes`);
    if (vocabSize < wanted) {
      say(`tokenizer: the text gives no more; ${grouped(wanted - vocabSize)} rows of the embedding stay unused`);
    }
    return event.tokenizer;
  }
  throw new Error("internal: tokenizer training ended without a result");
}

/**
 * A tokenizer given must fit the model; published models fill their embeddings up with a few unused rows (465 of 129,280; 2,385 of 102,400).
 * @throws RangeError with both sizes
 */
function checkVocabulary(model: number, tokenizer: number, path: string): void {
  const most = Math.ceil(tokenizer * 1.05);
  if (model >= tokenizer && model <= most) return;
  throw new RangeError(
    `${path}: the tokenizer has ${tokenizer} ids, the model's vocab_size is ${model}; expected ${tokenizer} to ${most}`,
  );
}

const noData = "no data: give a file or folder (--data PATH)";

async function prepare(
  job: TrainingJob,
  text: TextData,
  tokenizer: Tokenizer,
  threads: number,
  seed: number,
  signal: AbortSignal,
): Promise<void> {
  const { fim, punctuationSplitRate } = job.prepare;
  const manifest = await prepareData({
    sources: text,
    tokenizer,
    outDir: dataFolder(job.run),
    seed,
    threads,
    ...(fim ? { fim } : {}),
    ...(punctuationSplitRate === undefined ? {} : { punctuationSplitRate }),
    onProgress: preparationPrinter(),
    signal,
  });
  for (const { name, documents, bytes, tokens, duplicates, skipped } of manifest.sources) {
    const left = skipped.binary + skipped.invalidUtf8 + skipped.empty;
    say(
      `data ${name}: ${grouped(documents)} documents, ${grouped(bytes)} bytes, ${grouped(tokens)} tokens; ` +
        `${grouped(duplicates)} duplicates, ${left} skipped`,
    );
  }
  const { validation } = manifest;
  say(`held out: ${grouped(validation.documents)} documents, ${grouped(validation.bytes)} bytes`);
}
