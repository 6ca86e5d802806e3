/**
 * What the stages after pre-training have in common: a trained model is opened with an optimizer (for its weights, or for an adapter over
 * them), or a stage that was interrupted goes on; what it is and what happens is written into the run directory.
 */
import { createHash } from "node:crypto";
import { loadWeights } from "../checkpoint/modelFiles.js";
import type { ProcessGrid } from "../distributed/grid.js";
import { type ModelConfig, serializeModelConfig } from "../model/config.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { TrainEvent, ValidationEvent } from "../train/events.js";
import { createTrainable } from "../train/pretrain.js";
import { type RunRecord, RunRecorder, readEvents, readRunRecord, writeRunRecord } from "../train/runFiles.js";
import { type Schedule, scaledSchedule } from "../train/schedule.js";
import { Trainer } from "../train/trainer.js";
import { loadTrainingCheckpoint, saveTrainingCheckpoint } from "../train/trainingCheckpoint.js";
import { checkStageSettings, type StageSettings } from "./settings.js";
import { describeAdapter, openAdapted, type StageAdapter } from "./stageAdapter.js";

export interface StageInput {
  /** Run directory; this process has its lock. */
  readonly run: string;
  readonly stage: string;
  /** Directory of the model that the stage begins with. */
  readonly base: string;
  readonly config: ModelConfig;
  readonly settings: StageSettings;
  /** Settings of the stage's own, for the record. */
  readonly ownSettings: Readonly<Record<string, unknown>>;
  readonly tokenizer: Tokenizer;
  readonly records: NonNullable<RunRecord["records"]>;
  /** Options of the command, for a later one that goes on. */
  readonly asked: Readonly<Record<string, unknown>>;
  readonly grid: ProcessGrid;
  /** Checkpoint of the stage to go on from; null = begin. */
  readonly resumeFrom: string | null;
  /** Trains an adapter over the base, which stays as it is. Default: the weights themselves are trained. */
  readonly adapter?: StageAdapter | null;
  /** Makes what trains with the model beside it, before there is an optimizer. Default: nothing does. */
  readonly beside?: (model: DeepseekV3) => Beside;
}

/** What is in files of its own within a model's directory. */
export interface Beside {
  readonly save: (folder: string) => void;
  /** From the base, or from the checkpoint to go on from. */
  readonly load: (folder: string) => void;
}

export interface Stage extends Disposable {
  readonly model: DeepseekV3;
  readonly trainer: Trainer;
  readonly start: { readonly step: number; readonly tokens: number };
  /** Where the data stood; null for a stage that begins. */
  readonly loader: Readonly<Record<string, unknown>> | null;
  /** Writes an event into the run's metrics; on the first process alone. */
  readonly record: (event: TrainEvent) => void;
  /** Writes a checkpoint. @returns its path */
  readonly save: (step: number, tokens: number, loader: Readonly<Record<string, unknown>>) => Promise<string>;
}

/** @throws RangeError for settings or files that do not fit the model */
export async function openStage(input: StageInput): Promise<Stage> {
  const { run, stage, config, settings, tokenizer, grid, resumeFrom } = input;
  checkStageSettings(settings, config);
  const { adapter = null } = input;
  const model = adapter
    ? openAdapted(input.base, settings, adapter)
    : createTrainable(config, settings, grid.expertGroup);
  const beside = input.beside?.(model);
  const trainer = new Trainer(model, settings, grid);
  const start = { step: 0, tokens: 0 };
  let loader: Readonly<Record<string, unknown>> | null = null;
  if (resumeFrom === null) {
    if (!adapter) loadWeights(model, input.base, grid.expertGroup);
    beside?.load(input.base);
    trainer.optimizer.adoptWeights();
    trainer.ema?.adoptWeights();
  } else {
    const state = await loadTrainingCheckpoint(resumeFrom, trainer, grid);
    beside?.load(resumeFrom);
    if (state.stage !== stage) throw new RangeError(`${resumeFrom}: a checkpoint of ${state.stage}, expected ${stage}`);
    Object.assign(start, { step: state.step, tokens: state.tokens });
    loader = state.loader;
  }
  if (grid.world.rank === 0) writeRunRecord(run, describe(input));
  const recorder = grid.world.rank === 0 ? new RunRecorder(run) : null;
  return {
    model,
    trainer,
    start,
    loader,
    record: (event) => recorder?.see(event),
    save: (step, tokens, state) =>
      saveTrainingCheckpoint(run, trainer, grid, {
        state: { stage, step, tokens, loader: state },
        tokenizer,
        keepLast: settings.keepLast,
        ...(beside ? { extras: beside.save } : {}),
      }),
    [Symbol.dispose]: () => model.free(),
  };
}

/** Rates of a stage over the tokens it will see. */
export function stageSchedule(settings: StageSettings, totalTokens: number): Schedule {
  const { learningRate, minLearningRate, warmupSteps, shape, gamma, alpha, lambda } = settings;
  const batch = { batchSize: 1, initialBatchSize: 1, rampTokens: 0, multipleOf: 1 };
  const rates = { learningRate, minLearningRate, warmupSteps, shape, gamma, alpha, lambda };
  return scaledSchedule({ totalTokens, ...batch, ...rates });
}

/** The best validation of a stage up to a step; a run that goes on keeps to it. */
export function lowestLoss(run: string, stage: string, upTo: number): number {
  const losses = readEvents(run)
    .filter((event): event is ValidationEvent => event.kind === "validation" && event.stage === stage)
    .filter(({ step }) => step <= upTo)
    .map(({ valLoss }) => valLoss);
  return Math.min(Number.POSITIVE_INFINITY, ...losses);
}

function describe(input: StageInput): RunRecord {
  const { adapter = null, config, settings, ownSettings, tokenizer, base, records, asked } = input;
  return {
    version: 1,
    stage: input.stage,
    startedAt: (input.resumeFrom === null ? null : readRunRecord(input.run))?.startedAt ?? new Date().toISOString(),
    model: serializeModelConfig(config),
    settings: { ...settings, ...ownSettings, ...(adapter ? { adapter: describeAdapter(adapter) } : {}) },
    tokenizer: {
      sha256: createHash("sha256").update(JSON.stringify(tokenizer.json)).digest("hex"),
      vocabSize: tokenizer.vocabSize,
    },
    asked,
    base,
    records,
  };
}
