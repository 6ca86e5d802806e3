/**
 * Supervised fine-tuning: next-token prediction on what assistants say, records packed side by side without seeing each other. DeepSeek-V3
 * report 5.1: two epochs, cosine from 5e-6 to 1e-6; post-training.md 3.
 *
 * The loss is the mean over the supervised tokens of the whole step, over micro-batches and processes. With `perRecord` each record counts
 * the same, however long: a token's weight is one over the tokens of its record, and the divisor the number of records.
 */
import { markCheckpoint } from "../checkpoint/runDirectory.js";
import type { SupervisedSequence } from "../model/batch.js";
import type { SampleEvent, TrainEvent, TrainResult } from "../train/events.js";
import { trainLoop } from "../train/loop.js";
import { learningRateAt, valueAt } from "../train/schedule.js";
import { supervisedMicroBatch } from "../train/trainer.js";
import type { ChatLoader, ChatLoaderState } from "./data/chatLoader.js";
import { lowestLoss, openStage, type StageInput, stageSchedule } from "./stage.js";
import { supervisedLoss } from "./supervisedLoss.js";

export interface SftOptions {
  readonly epochs: number;
  /** Weight of a token: the same for all, or the same for all records. */
  readonly normalisation: "token" | "record";
  /** Train the MTP modules too; without it, and without any, the main head alone. */
  readonly trainsMtp: boolean;
}

export interface SftInput extends Omit<StageInput, "ownSettings" | "stage"> {
  readonly stage?: string;
  readonly options: SftOptions;
  readonly loader: ChatLoader;
  readonly validation: readonly SupervisedSequence[];
  /** Answers to show when training is done. */
  readonly sample?: (model: Parameters<typeof supervisedLoss>[0], step: number) => Promise<SampleEvent[]>;
  /** See LoopInput. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

/** @throws RangeError for settings, data or a checkpoint that do not fit the model */
export async function* sft(input: SftInput): AsyncGenerator<TrainEvent, TrainResult> {
  const { run, settings, options, loader, validation, grid, sample } = input;
  const name = input.stage ?? "sft";
  const totalTokens = options.epochs * loader.sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  using stage = await openStage({ ...input, stage: name, ownSettings: { ...options } });
  const { model } = stage;
  if (stage.loader) loader.restore(stage.loader as unknown as ChatLoaderState);
  const schedule = stageSchedule(settings, totalTokens);
  const trainsMtp = options.trainsMtp && settings.lambda > 0;
  const hasExpertRanks = grid.expertGroup.size > 1;
  const loop = trainLoop({
    stage: name,
    run,
    trainer: stage.trainer,
    world: grid.world,
    totalTokens,
    maxSteps: settings.maxSteps,
    saveEvery: settings.saveEvery,
    validateEvery: settings.validateEvery,
    sequenceLength: settings.maxLength,
    passes: trainsMtp ? "total" : "main",
    next: (step, tokens) => {
      const next = loader.next();
      if (!next) throw new Error("internal: the records end before the run does");
      const weighted = next.microBatches.map((batch) =>
        options.normalisation === "record" ? batch.map(withEqualWeight) : batch,
      );
      // Ranks that share the experts go through the same passes, also with nothing of their own.
      const kept = hasExpertRanks ? weighted : weighted.filter((batch) => batch.length > 0);
      return {
        batches: kept.map((batch) => supervisedMicroBatch(batch, trainsMtp)),
        settings: {
          learningRate: learningRateAt(schedule.learningRate, step + 1, tokens),
          gamma: valueAt(schedule.gamma, tokens),
          alpha: valueAt(schedule.alpha, tokens),
          lambda: valueAt(schedule.lambda, tokens),
          ...(options.normalisation === "record" ? { divisor: next.sequences } : {}),
        },
        tokens: next.tokens,
        sequences: next.sequences,
      };
    },
    validate:
      validation.length === 0
        ? null
        : async () => {
            const { loss, accuracy } = await supervisedLoss(model, validation, settings.microBatchTokens);
            return { valLoss: loss, valMtpLosses: [], valBitsPerByte: null, valAccuracy: accuracy };
          },
    start: stage.start,
    save: (step, tokens) => stage.save(step, tokens, { ...loader.state() }),
    best:
      validation.length === 0
        ? null
        : { lossSoFar: lowestLoss(run, name, stage.start.step), mark: (step) => markCheckpoint(run, "best", step) },
    ...(sample ? { sample: (step: number) => sample(model, step) } : {}),
    ...(input.deadline === undefined ? {} : { deadline: input.deadline }),
    ...(input.signal ? { signal: input.signal } : {}),
  });
  for (;;) {
    const { value, done } = await loop.next();
    if (done) return value;
    stage.record(value);
    yield value;
  }
}

/** A record whose tokens together weigh 1. */
export function withEqualWeight(sequence: SupervisedSequence): SupervisedSequence {
  const { ids, isTarget } = sequence;
  let targets = 0;
  for (let i = 1; i < ids.length; i++) if (isTarget[i]) targets++;
  return { ...sequence, scales: new Float32Array(ids.length).fill(targets > 0 ? 1 / targets : 0) };
}
