/**
 * Direct preference optimisation as a stage: of two answers to a prompt the chosen one is made more likely against the rejected one,
 * measured from the model that the stage begins with (dpoLoss.ts; post-training.md 10). That reference is asked once, before the first
 * step.
 *
 * A step asks the policy about its pairs without gradients, which gives the loss and its derivative by each answer's log-probability; a
 * second pass takes these as factors of the tokens' losses. The loss is the mean over the pairs of the whole step, over all processes.
 * Deviation: IPO takes sums of log-probabilities, as printed; TRL takes means over the tokens.
 */
import { markCheckpoint } from "../../checkpoint/runDirectory.js";
import type { Communicator } from "../../distributed/communicator.js";
import type { DeepseekV3 } from "../../model/deepseekV3.js";
import type { PreferenceMetrics, SampleEvent, TrainEvent, TrainResult } from "../../train/events.js";
import { type StepPlan, trainLoop, type Validation } from "../../train/loop.js";
import { learningRateAt, valueAt } from "../../train/schedule.js";
import { supervisedMicroBatch } from "../../train/trainer.js";
import { countTargets } from "../data/sequences.js";
import { lowestLoss, openStage, type StageInput, stageSchedule } from "../stage.js";
import { inOrder } from "../supervisedLoss.js";
import { type DpoLoss, type DpoOptions, dpoLoss } from "./dpoLoss.js";
import { EpochOrder, type EpochOrderState, hashSequences } from "./epochOrder.js";
import { type Answers, type PairLogprobs, pairLogprobs, weightedAnswers } from "./pairLogprobs.js";
import { readReference, referenceLogprobs, writeReference } from "./reference.js";

export interface DpoStageOptions extends DpoOptions {
  readonly epochs: number;
  /** Over all processes. */
  readonly pairsPerStep: number;
}

export interface DpoInput extends Omit<StageInput, "ownSettings" | "stage"> {
  readonly stage?: string;
  readonly options: DpoStageOptions;
  readonly pairs: readonly Answers[];
  /** Held out; none: there is no validation. */
  readonly validation: readonly Answers[];
  /** Told while the reference is asked. */
  readonly onReference?: (done: number, total: number) => void;
  /** Answers to show when training is done. */
  readonly sample?: (model: DeepseekV3, step: number) => Promise<SampleEvent[]>;
  /** See LoopInput. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

/** @throws RangeError for options, data or a checkpoint that do not fit the model */
export async function* dpo(input: DpoInput): AsyncGenerator<TrainEvent, TrainResult> {
  const { run, settings, options, pairs, validation, grid, sample } = input;
  const { world } = grid;
  const name = input.stage ?? "dpo";
  checkDpo(options);
  if (grid.expertGroup.size > 1) {
    throw new RangeError("dpo: each process asks its model about its own pairs; leave --expert-parallel at 1");
  }
  const totalTokens = options.epochs * tokensOf(pairs);
  const order = new EpochOrder({
    size: pairs.length,
    perStep: options.pairsPerStep,
    epochs: options.epochs,
    seed: settings.seed,
    dataKey: hashSequences(pairs.flatMap(({ chosen, rejected }) => [chosen, rejected])),
  });
  using stage = await openStage({ ...input, stage: name, ownSettings: { ...options } });
  const { model } = stage;
  const isNew = stage.loader === null;
  if (stage.loader) order.restore(stage.loader as unknown as EpochOrderState);
  const reference = isNew ? await askReference(model, input) : readReference(run, { training: pairs, validation });
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
    passes: "main",
    next: async (step, tokens): Promise<StepPlan> => {
      const taken = order.next();
      const share = shareOf(taken, world);
      const own = share.flatMap((i) => pairs[i] ?? []);
      const judged = await judge(model, own, at(reference.training, share), taken.length, input);
      return {
        batches: inOrder(weightedAnswers(own, judged.gradients), settings.microBatchTokens).map((group) =>
          supervisedMicroBatch(group, false),
        ),
        settings: {
          learningRate: learningRateAt(schedule.learningRate, step + 1, tokens),
          gamma: valueAt(schedule.gamma, tokens),
          alpha: valueAt(schedule.alpha, tokens),
          lambda: 0,
          divisor: 1, // The factors hold all of it.
        },
        tokens: tokensOf(taken.flatMap((i) => pairs[i] ?? [])),
        sequences: taken.length,
        told: () => overWorld(judged, own.length, world),
      };
    },
    validate: validation.length === 0 ? null : () => validate(model, reference.validation, input),
    start: stage.start,
    save: (step, tokens) => stage.save(step, tokens, { ...order.state() }),
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

/** @throws RangeError naming the option and its range */
export function checkDpo(options: DpoStageOptions): void {
  const within = (name: string, value: number, low: number, high: number): void => {
    if (!(value >= low && value <= high)) throw new RangeError(`${name} must be from ${low} to ${high}, got ${value}`);
  };
  if (!(options.beta > 0 && options.beta <= 1000)) {
    throw new RangeError(`beta must be above 0 and at most 1000, got ${options.beta}`);
  }
  within("label smoothing", options.labelSmoothing, 0, 0.5);
  within("weight of the SFT term", options.sft, 0, 1000);
  if (options.labelSmoothing > 0 && options.loss !== "sigmoid") {
    throw new RangeError(`label smoothing is for the sigmoid loss, not for ${options.loss}; leave it at 0`);
  }
}

/** A step's or a validation's pairs of this process, as the policy sees them. */
interface Judged extends DpoLoss {
  readonly logprobs: PairLogprobs;
}

/** @param total pairs over all processes */
async function judge(
  model: DeepseekV3,
  pairs: readonly Answers[],
  reference: PairLogprobs,
  total: number,
  { options, settings }: Pick<DpoInput, "options" | "settings">,
): Promise<Judged> {
  const logprobs = await pairLogprobs(model, pairs, settings.microBatchTokens);
  const known = pairs.map((pair, i) => {
    const side = (which: "chosen" | "rejected") => ({
      policy: logprobs[which][i] ?? Number.NaN,
      reference: reference[which][i] ?? Number.NaN,
      tokens: countTargets(pair[which]),
    });
    return { chosen: side("chosen"), rejected: side("rejected") };
  });
  return { ...dpoLoss(known, options, total), logprobs };
}

async function overWorld(
  { loss, rewards, logprobs }: Judged,
  count: number,
  world: Communicator,
): Promise<{ readonly loss: number; readonly preference: PreferenceMetrics }> {
  const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
  const { chosen, rejected, margin, accuracy } = rewards;
  const sums = Float64Array.of(
    count,
    loss, // a share of the whole already
    ...[chosen, rejected, margin, accuracy].map((mean) => mean * count),
    sum(logprobs.chosen),
    sum(logprobs.rejected),
  );
  await world.allReduce(sums, "sum");
  const [pairs = 0, whole = 0] = sums;
  const mean = (i: number): number => (sums[i] ?? 0) / Math.max(1, pairs);
  return {
    loss: whole,
    preference: {
      count: pairs,
      rewards: { chosen: mean(2), rejected: mean(3), margin: mean(4), accuracy: mean(5) },
      logprobs: { chosen: mean(6), rejected: mean(7) },
    },
  };
}

async function validate(model: DeepseekV3, reference: PairLogprobs, input: DpoInput): Promise<Validation> {
  const { validation, grid } = input;
  const share = shareOf(
    validation.map((_, i) => i),
    grid.world,
  );
  const own = share.flatMap((i) => validation[i] ?? []);
  const judged = await judge(model, own, at(reference, share), validation.length, input);
  const { loss, preference } = await overWorld(judged, own.length, grid.world);
  const valAccuracy = preference.rewards.accuracy;
  return { valLoss: loss, valMtpLosses: [], valBitsPerByte: null, valAccuracy, preference };
}

async function askReference(
  model: DeepseekV3,
  input: DpoInput,
): Promise<Readonly<Record<"training" | "validation", PairLogprobs>>> {
  const { run, pairs, validation, settings, grid, signal, onReference } = input;
  const total = pairs.length + validation.length;
  const ask = (of: readonly Answers[], before: number): Promise<PairLogprobs> =>
    referenceLogprobs(model, of, {
      microBatchTokens: settings.microBatchTokens,
      world: grid.world,
      signal,
      onProgress: onReference && ((done) => onReference(before + done, total)),
    });
  const reference = { training: await ask(pairs, 0), validation: await ask(validation, pairs.length) };
  if (grid.world.rank === 0) writeReference(run, { training: pairs, validation }, reference);
  return reference;
}

/** Of a step's pairs those of this process. */
function shareOf(indices: readonly number[], { rank, size }: Communicator): number[] {
  return indices.filter((_, i) => i % size === rank);
}

function at({ chosen, rejected }: PairLogprobs, indices: readonly number[]): PairLogprobs {
  const pick = (values: Float64Array): Float64Array => Float64Array.from(indices, (i) => values[i] ?? Number.NaN);
  return { chosen: pick(chosen), rejected: pick(rejected) };
}

function tokensOf(pairs: readonly Answers[]): number {
  return pairs.reduce((sum, { chosen, rejected }) => sum + chosen.ids.length + rejected.ids.length, 0);
}
