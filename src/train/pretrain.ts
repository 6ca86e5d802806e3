/**
 * Pre-training: a model from random weights, or a run that goes on. Yields events; the commands print them. Everything the run needs to go
 * on lies in its checkpoint, so a resumed run sees the same batches and makes the same bits as one that was never interrupted.
 */
import { createHash } from "node:crypto";
import { loadWeights } from "../checkpoint/modelFiles.js";
import type { PreparedData, ValidationDocument } from "../data/preparedData.js";
import { type LoaderState, PretrainLoader } from "../data/pretrainLoader.js";
import type { Communicator } from "../distributed/communicator.js";
import type { ProcessGrid } from "../distributed/grid.js";
import { bitsPerByte } from "../eval/bitsPerByte.js";
import { type ModelConfig, serializeModelConfig } from "../model/config.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { initialize } from "../model/init.js";
import { computeDtypeOf } from "../tensor/dtype.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { SampleEvent, TrainEvent, TrainResult } from "./events.js";
import { trainLoop, type Validation } from "./loop.js";
import { type RunRecord, RunRecorder, readRunRecord, writeRunRecord } from "./runFiles.js";
import { batchSizeAt, learningRateAt, type Schedule, scaledSchedule, valueAt } from "./schedule.js";
import { checkSettings, type TrainSettings } from "./settings.js";
import { type MicroBatch, rowsMicroBatch, type StepSettings, Trainer } from "./trainer.js";
import { loadTrainingCheckpoint, saveTrainingCheckpoint } from "./trainingCheckpoint.js";

export interface PretrainInput {
  /** Run directory; this process has its lock. */
  readonly run: string;
  readonly stage?: string;
  readonly config: ModelConfig;
  readonly settings: TrainSettings;
  readonly schedule?: Schedule;
  readonly tokenizer: Tokenizer;
  readonly data: PreparedData;
  readonly grid: ProcessGrid;
  /** Checkpoint to go on from; null = random weights. */
  readonly resumeFrom: string | null;
  /** Checkpoint whose weights to start from; used where `resumeFrom` is null. */
  readonly startFrom?: string;
  /** Also take the optimizer's state from there, which must be a training checkpoint; else it starts fresh. Default false. */
  readonly keepsOptimizer?: boolean;
  /** Completions to show when training is done. */
  readonly sample?: (model: DeepseekV3, step: number) => Promise<SampleEvent[]>;
  /** See LoopInput. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

/** @throws RangeError for settings or data that do not fit the model or the checkpoint */
export async function* pretrain(input: PretrainInput): AsyncGenerator<TrainEvent, TrainResult> {
  const { run, config, settings, tokenizer, data, grid, resumeFrom, stage = "pretrain" } = input;
  checkSettings(settings, config);
  if (config.vocabSize < tokenizer.vocabSize) {
    throw new RangeError(
      `the model has a vocabulary of ${config.vocabSize}, the tokenizer one of ${tokenizer.vocabSize}: vocab_size must be at least that`,
    );
  }
  const { world } = grid;
  const model = createTrainable(config, settings, grid.expertGroup);
  const trainer = new Trainer(model, settings, grid);
  const loader = new PretrainLoader(data, { sequenceLength: settings.sequenceLength, seed: settings.seed });
  const start = { step: 0, tokens: 0 };
  if (resumeFrom !== null) {
    const state = await loadTrainingCheckpoint(resumeFrom, trainer, grid);
    loader.restore(state.loader as unknown as LoaderState);
    Object.assign(start, { step: state.step, tokens: state.tokens });
  } else if (input.startFrom !== undefined && input.keepsOptimizer) {
    await loadTrainingCheckpoint(input.startFrom, trainer, grid, false);
  } else {
    if (input.startFrom === undefined) initialize(model, settings.seed, grid.expertGroup.rank);
    else loadWeights(model, input.startFrom, grid.expertGroup);
    trainer.optimizer.adoptWeights();
    trainer.ema?.adoptWeights();
  }
  const documents = data.validationDocuments();
  if (world.rank === 0) writeRunRecord(run, describe(input, stage, documents));
  const recorder = world.rank === 0 ? new RunRecorder(run) : null;
  const { sample } = input;
  const { sequenceLength: length, totalTokens } = settings;
  const schedule = input.schedule ?? scaledSchedule({ ...settings.schedule, totalTokens, multipleOf: world.size });
  const contents = documents.map(({ content }) => content);
  const loop = trainLoop({
    stage,
    run,
    trainer,
    world,
    ...{
      totalTokens,
      maxSteps: settings.maxSteps,
      saveEvery: settings.saveEvery,
      validateEvery: settings.validateEvery,
    },
    sequenceLength: length,
    passes: "total",
    next: (step, tokens) => {
      const sequences = batchSizeAt(schedule.batch, tokens);
      const rows = loader.next(sequences / world.size, world.rank, world.size);
      return {
        batches: microBatches(rows, length, settings.microBatchSize),
        settings: stepSettings(schedule, step, tokens),
        tokens: sequences * length,
        sequences,
      };
    },
    validate: contents.length === 0 ? null : () => validate(model, tokenizer, contents, length),
    start,
    save: (step, tokens) =>
      saveTrainingCheckpoint(run, trainer, grid, {
        state: { stage, step, tokens, loader: { ...loader.state() }, shares: loader.realisedShares() },
        tokenizer,
        keepLast: settings.keepLast,
      }),
    ...(sample ? { sample: (step: number) => sample(model, step) } : {}),
    ...(input.deadline === undefined ? {} : { deadline: input.deadline }),
    ...(input.signal ? { signal: input.signal } : {}),
  });
  try {
    for (;;) {
      const { value, done } = await loop.next();
      if (done) return value;
      recorder?.see(value);
      yield value;
    }
  } finally {
    model.free();
  }
}

/** @param step steps done before this one */
function stepSettings(schedule: Schedule, step: number, tokens: number): StepSettings {
  return {
    learningRate: learningRateAt(schedule.learningRate, step + 1, tokens),
    gamma: valueAt(schedule.gamma, tokens),
    alpha: valueAt(schedule.alpha, tokens),
    lambda: valueAt(schedule.lambda, tokens),
  };
}

function microBatches(tokens: Int32Array, length: number, size: number): MicroBatch[] {
  const width = (length + 1) * size;
  const batches: MicroBatch[] = [];
  for (let begin = 0; begin < tokens.length; begin += width) {
    batches.push(rowsMicroBatch(tokens.subarray(begin, Math.min(tokens.length, begin + width)), length));
  }
  return batches;
}

/** Held-out bits per byte. */
async function validate(
  model: DeepseekV3,
  tokenizer: Tokenizer,
  contents: readonly Uint8Array[],
  window: number,
): Promise<Validation> {
  const { loss, mtpLosses, bitsPerByte: bits } = await bitsPerByte(model, tokenizer, contents, { window });
  return { valLoss: loss, valMtpLosses: mtpLosses, valBitsPerByte: bits };
}

/** A model as the settings train it. */
export function createTrainable(
  config: ModelConfig,
  { dtype, fp8 }: Pick<TrainSettings, "dtype" | "fp8">,
  experts: Communicator,
): DeepseekV3 {
  return new DeepseekV3(config, computeDtypeOf(dtype), experts, undefined, dtype === "fp8" ? fp8 : null);
}

function describe(input: PretrainInput, stage: string, documents: readonly ValidationDocument[]): RunRecord {
  const { config, settings, data, tokenizer } = input;
  return {
    version: 1,
    stage,
    startedAt: (input.resumeFrom === null ? null : readRunRecord(input.run))?.startedAt ?? new Date().toISOString(),
    model: serializeModelConfig(config),
    settings: { ...settings },
    tokenizer: {
      sha256: createHash("sha256").update(JSON.stringify(tokenizer.json)).digest("hex"),
      vocabSize: tokenizer.vocabSize,
    },
    data: { key: data.manifest.key, folder: data.folder },
    validation: {
      bytes: data.manifest.validation.bytes,
      documents: documents.length,
      files: documents.map(({ path, part, sha256, bytes }) => ({ path, part, sha256, bytes })),
    },
  };
}
