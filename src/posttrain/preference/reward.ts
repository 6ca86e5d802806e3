/**
 * Training a scalar reward model: a value head on a fine-tuned model, both trained together on which of two answers is better, or on
 * answers that were judged by themselves; post-training.md 6.2, 6.3. The answers of a pair go through the model side by side, so that one
 * pass knows the loss and its gradient; the loss is the mean over the pairs (and judged answers) of the whole step, over all processes.
 */
import { markCheckpoint } from "../../checkpoint/runDirectory.js";
import { loadValueHead, saveValueHead, valueHeadOf } from "../../checkpoint/valueHeadFile.js";
import { bestFitDecreasing } from "../../data/bestFit.js";
import type { Communicator } from "../../distributed/communicator.js";
import { inferenceBatch } from "../../model/batch.js";
import type { DeepseekV3 } from "../../model/deepseekV3.js";
import { type Pooling, ValueHead } from "../../model/valueHead.js";
import type { TrainEvent, TrainResult } from "../../train/events.js";
import { type StepPlan, trainLoop, type Validation } from "../../train/loop.js";
import { learningRateAt, valueAt } from "../../train/schedule.js";
import type { MicroBatch } from "../../train/trainer.js";
import { lowestLoss, openStage, type StageInput, stageSchedule } from "../stage.js";
import { EpochOrder, type EpochOrderState, hashSequences } from "./epochOrder.js";
import { answersOf, isPair, type RewardItem, type RewardLossOptions, rewardLoss } from "./rewardLoss.js";
import { lengthCorrelation, rewardCalibration, rewardMetrics } from "./rewardMetrics.js";
import { groupScores, readRewardDescription, writeRewardDescription } from "./rewardModel.js";

export interface RewardOptions extends RewardLossOptions {
  readonly epochs: number;
  /** Pairs and judged answers a step, over all processes. */
  readonly itemsPerStep: number;
  /** Give the head a bias; pairs, which know differences alone, do not need one. */
  readonly hasBias: boolean;
  readonly pooling: Pooling;
}

export interface RewardInput extends Omit<StageInput, "adapter" | "beside" | "ownSettings" | "stage"> {
  readonly stage?: string;
  readonly options: RewardOptions;
  readonly items: readonly RewardItem[];
  /** Held out; none: there is no validation. */
  readonly validation: readonly RewardItem[];
  /** See LoopInput. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

/** Items with the place of the first score of each, and of the end, among those of all. */
interface Placed {
  readonly items: readonly RewardItem[];
  readonly starts: readonly number[];
}

/** @throws RangeError for options, data or a checkpoint that do not fit the model */
export async function* reward(input: RewardInput): AsyncGenerator<TrainEvent, TrainResult> {
  const { run, settings, options, items, validation, grid } = input;
  const { world } = grid;
  const name = input.stage ?? "reward";
  checkReward(options);
  if (grid.expertGroup.size > 1) {
    throw new RangeError("reward: each process scores its own pairs; leave --expert-parallel at 1");
  }
  const totalTokens = options.epochs * items.reduce((sum, item) => sum + tokensOf(item), 0);
  const order = new EpochOrder({
    size: items.length,
    perStep: options.itemsPerStep,
    epochs: options.epochs,
    seed: settings.seed,
    dataKey: hashSequences(items.flatMap(answersOf), items.map(verdictOf)),
  });
  const made: { head?: ValueHead } = {};
  using stage = await openStage({
    ...input,
    stage: name,
    ownSettings: { ...options },
    beside: (model) => {
      const head = new ValueHead(model, options);
      made.head = head;
      return {
        save: (folder) => {
          saveValueHead(head, folder);
          writeRewardDescription(folder, {
            maxLength: settings.maxLength,
            centring: options.centring,
            margin: options.margin,
            pooling: options.pooling,
          });
        },
        // A base without a head is one that was only fine-tuned.
        load: (folder) => {
          if (input.resumeFrom === null && !valueHeadOf(folder)) return;
          const { pooling } = readRewardDescription(folder);
          if (pooling !== options.pooling) {
            throw new RangeError(
              `${folder}: a reward model with pooling ${pooling} cannot go on with ${options.pooling}; give --pooling ${pooling}`,
            );
          }
          loadValueHead(head, folder);
        },
      };
    },
  });
  const { head } = made;
  if (!head) throw new Error("internal: no value head was made");
  const { model } = stage;
  if (stage.loader) order.restore(stage.loader as unknown as EpochOrderState);
  const schedule = stageSchedule(settings, totalTokens);
  const loop = trainLoop({
    stage: name,
    run,
    trainer: stage.trainer,
    world,
    totalTokens,
    maxSteps: settings.maxSteps,
    saveEvery: settings.saveEvery,
    validateEvery: settings.validateEvery,
    sequenceLength: settings.maxLength,
    passes: "trunk",
    next: (step, tokens): StepPlan => {
      const all = placed(order.next().flatMap((i) => items[i] ?? []));
      const scores = new Float64Array(all.starts.at(-1) ?? 0);
      return {
        batches: microBatches(all, world, settings.microBatchTokens).map((group) =>
          scoredBatch(head, group, scores, options),
        ),
        settings: {
          learningRate: learningRateAt(schedule.learningRate, step + 1, tokens),
          gamma: valueAt(schedule.gamma, tokens),
          alpha: valueAt(schedule.alpha, tokens),
          lambda: 0,
          divisor: all.items.length,
        },
        tokens: all.items.reduce((sum, item) => sum + tokensOf(item), 0),
        sequences: all.items.length,
        told: async () => {
          await world.allReduce(scores, "sum");
          return { preference: rewardMetrics(all.items, scores) };
        },
      };
    },
    validate: validation.length === 0 ? null : () => validate(model, head, input),
    start: stage.start,
    save: (step, tokens) => stage.save(step, tokens, { ...order.state() }),
    best:
      validation.length === 0
        ? null
        : { lossSoFar: lowestLoss(run, name, stage.start.step), mark: (step) => markCheckpoint(run, "best", step) },
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

/** @throws RangeError naming the option and its range */
export function checkReward(options: RewardOptions): void {
  const within = (name: string, value: number, low: number, high: number): void => {
    if (!(value >= low && value <= high)) throw new RangeError(`${name} must be from ${low} to ${high}, got ${value}`);
  };
  within("centring", options.centring, 0, 100);
  within("margin", options.margin, 0, 1000);
}

/** Items that go through the model together, with the places of their scores. */
interface Group {
  readonly items: readonly RewardItem[];
  readonly places: readonly number[];
}

/** This process's items of a step in micro-batches; an item is never cut in two, and one that is too long makes its micro-batch longer. */
function microBatches({ items, starts }: Placed, { rank, size }: Communicator, microBatchTokens: number): Group[] {
  const own = items.flatMap((item, i) => (i % size === rank ? [{ item, start: starts[i] ?? 0 }] : []));
  const lengths = Int32Array.from(own, ({ item }) => tokensOf(item));
  const capacity = lengths.reduce((most, length) => Math.max(most, length), microBatchTokens);
  return bestFitDecreasing(lengths, capacity).map((row) => {
    const chosen = row.flatMap((i) => own[i] ?? []);
    return {
      items: chosen.map(({ item }) => item),
      places: chosen.flatMap(({ item, start }) => answersOf(item).map((_, k) => start + k)),
    };
  });
}

/** @param scores of the whole step, where those of the group are put */
function scoredBatch(
  head: ValueHead,
  { items, places }: Group,
  scores: Float64Array,
  options: RewardLossOptions,
): MicroBatch {
  const answers = items.flatMap(answersOf);
  const promptLengths = answers.map(({ promptLength }) => promptLength);
  return {
    numTargets: answers.length,
    numSequences: answers.length,
    make: (arena) =>
      inferenceBatch(
        arena,
        answers.map(({ ids }) => ids),
      ),
    losses: (tape, batch, weights) =>
      head.losses(tape, { batch, promptLengths }, weights, (own) => {
        places.forEach((place, i) => {
          scores[place] = own[i] ?? Number.NaN;
        });
        return rewardLoss(items, own, options);
      }),
  };
}

async function validate(model: DeepseekV3, head: ValueHead, input: RewardInput): Promise<Validation> {
  const { validation, settings, options, grid } = input;
  const all = placed(validation);
  const scores = new Float64Array(all.starts.at(-1) ?? 0);
  for (const { items, places } of microBatches(all, grid.world, settings.microBatchTokens)) {
    const own = await groupScores(model, head, items.flatMap(answersOf));
    places.forEach((place, i) => {
      scores[place] = own[i] ?? Number.NaN;
    });
  }
  await grid.world.allReduce(scores, "sum");
  const preference = rewardMetrics(validation, scores);
  return {
    valLoss: rewardLoss(validation, scores, options).loss / validation.length,
    valMtpLosses: [],
    valBitsPerByte: null,
    valAccuracy: preference.rewards.accuracy,
    preference,
    calibration: rewardCalibration(validation, scores),
    lengthCorrelation: lengthCorrelation(validation, scores),
  };
}

function placed(items: readonly RewardItem[]): Placed {
  const starts = [0];
  for (const item of items) starts.push((starts.at(-1) ?? 0) + answersOf(item).length);
  return { items, starts };
}

function tokensOf(item: RewardItem): number {
  return answersOf(item).reduce((sum, { ids }) => sum + ids.length, 0);
}

/** What tells items of the same tokens apart. */
function verdictOf(item: RewardItem): number {
  if (!isPair(item)) return item.isDesirable ? 1 : 0;
  return item.margin ?? Number.NaN;
}
