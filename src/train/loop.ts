/**
 * The training loop that pre-training and context extension share: rows of tokens in, events out. It computes each step's settings from the
 * schedules, validates, saves, and stops when the tokens are used up, the steps are done, or the signal says so; a stopped run is saved
 * and goes on later with the same bits.
 */
import { setImmediate } from "node:timers/promises";
import type { Communicator } from "../distributed/communicator.js";
import { bitsPerByte } from "../eval/bitsPerByte.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import { flopsPerTokenTraining, parameterCounts } from "../model/flops.js";
import { computeDtypeOf } from "../tensor/dtype.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import {
  recentLoss,
  type SampleEvent,
  type StepEvent,
  type TrainEvent,
  type TrainResult,
  type ValidationEvent,
} from "./events.js";
import { peakFlops } from "./floors.js";
import { batchSizeAt, learningRateAt, type Schedule, scaledSchedule, valueAt } from "./schedule.js";
import type { TrainSettings } from "./settings.js";
import { type MicroBatch, rowsMicroBatch, type StepSettings, type Trainer } from "./trainer.js";

/** Rows of the whole job's batches; every process takes its share of each. */
export interface RowSource {
  /** @returns [sequences, sequenceLength + 1]: this rank's part of a batch of sequences x world rows */
  next(sequences: number, rank: number, world: number): Int32Array;
}

export interface LoopInput {
  readonly stage: string;
  readonly run: string;
  readonly settings: TrainSettings;
  /** Null: scaled from the settings. */
  readonly schedule: Schedule | null;
  readonly trainer: Trainer;
  readonly world: Communicator;
  readonly rows: RowSource;
  readonly tokenizer: Tokenizer;
  /** UTF-8 contents of the held-out documents. */
  readonly validation: readonly Uint8Array[];
  /** Where the run stands: 0 for a new one. */
  readonly start: { readonly step: number; readonly tokens: number };
  /** Writes a checkpoint. @returns its path */
  readonly save: (step: number, tokens: number) => Promise<string>;
  /** Completions to show at the end, and whenever the model is validated. */
  readonly sample?: (step: number) => Promise<SampleEvent[]>;
  /** Time in performance.now() at which to end as if the tokens were used up, on any process. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

export async function* trainLoop(input: LoopInput): AsyncGenerator<TrainEvent, TrainResult> {
  const { stage, settings, trainer, world, rows, signal } = input;
  const { model } = trainer;
  const { sequenceLength: length, dtype } = settings;
  const multipleOf = world.size;
  const schedule =
    input.schedule ?? scaledSchedule({ ...settings.schedule, totalTokens: settings.totalTokens, multipleOf });
  const operations = flopsPerTokenTraining(model.config, length, false).total;
  const peak = peakFlops(computeDtypeOf(dtype));
  const { total, activated, mtp } = parameterCounts(model.config);
  let { step, tokens } = input.start;
  const { totalTokens } = settings;
  yield {
    kind: "start",
    stage,
    step,
    tokens,
    totalTokens,
    parameters: { total, activated, mtp },
    world: world.size,
    peakFlops: peak,
  };
  const begun = performance.now();
  const losses: number[] = [];
  let seconds = 0;
  let trained = 0;
  let validated: ValidationEvent | null = null;
  let savedAt = step > 0 ? step : -1;
  const isDone = (): boolean => tokens >= totalTokens || (settings.maxSteps !== null && step >= settings.maxSteps);
  let reason: TrainResult["reason"] = "finished";
  while (!isDone()) {
    await setImmediate(); // A step never waits for the system: without a turn of the event loop no signal would be seen.
    if (await anyone(world, signal?.aborted ?? false)) {
      reason = "stopped";
      break;
    }
    if (await anyone(world, performance.now() >= (input.deadline ?? Number.POSITIVE_INFINITY))) break;
    const at = stepSettings(schedule, step, tokens);
    const batchSize = batchSizeAt(schedule.batch, tokens);
    const started = performance.now();
    const batches = microBatches(
      rows.next(batchSize / world.size, world.rank, world.size),
      length,
      settings.microBatchSize,
    );
    const result = await trainer.step(batches, at);
    const elapsed = (performance.now() - started) / 1000;
    step++;
    tokens += batchSize * length;
    seconds += elapsed;
    trained += batchSize * length;
    losses.push(result.loss);
    const event: StepEvent = {
      kind: "step",
      stage,
      step,
      tokens,
      totalTokens,
      loss: result.loss,
      mtpLosses: result.mtpLosses,
      mtpAccuracy: result.mtpAccuracy,
      balanceLoss: result.balanceLoss,
      ...at,
      batchSize,
      gradNorm: result.gradNorm,
      tokensPerSecond: (batchSize * length) / elapsed,
      peakFraction: (batchSize * length * operations) / elapsed / world.size / peak,
      memoryBytes: process.memoryUsage.rss(),
      layers: result.layers,
      skipped: result.skipped,
    };
    yield event;
    if (settings.validateEvery > 0 && step % settings.validateEvery === 0 && !isDone()) {
      validated = await validate(input, model, step, tokens);
      if (validated) yield validated;
    }
    if (settings.saveEvery > 0 && step % settings.saveEvery === 0 && !isDone()) {
      yield await saved(input, step, tokens);
      savedAt = step;
    }
  }
  if (reason === "finished") {
    validated = await validate(input, model, step, tokens);
    if (validated) yield validated;
  }
  if (savedAt !== step) yield await saved(input, step, tokens);
  if (reason === "finished" && input.sample) for (const event of await input.sample(step)) yield event;
  return {
    run: input.run,
    steps: step,
    tokens,
    trainLoss: recentLoss(losses),
    valBitsPerByte: validated?.valBitsPerByte ?? null,
    tokensPerSecond: seconds > 0 ? trained / seconds : 0,
    seconds: (performance.now() - begun) / 1000,
    reason,
  };
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

/** Held-out bits per byte; every process computes the same, since experts may be spread over them. */
async function validate(
  input: LoopInput,
  model: DeepseekV3,
  step: number,
  tokens: number,
): Promise<ValidationEvent | null> {
  if (input.validation.length === 0) return null;
  const begun = performance.now();
  const window = input.settings.sequenceLength;
  const result = await bitsPerByte(model, input.tokenizer, input.validation, { window });
  return {
    kind: "validation",
    stage: input.stage,
    step,
    tokens,
    valLoss: result.loss,
    valMtpLosses: result.mtpLosses,
    valBitsPerByte: result.bitsPerByte,
    seconds: (performance.now() - begun) / 1000,
  };
}

async function saved(input: LoopInput, step: number, tokens: number): Promise<TrainEvent> {
  const begun = performance.now();
  const path = await input.save(step, tokens);
  return { kind: "checkpoint", stage: input.stage, step, path, seconds: (performance.now() - begun) / 1000 };
}

/** Whether any process wants this: a signal may reach only one of them. */
async function anyone(world: Communicator, wish: boolean): Promise<boolean> {
  if (world.size === 1) return wish;
  const flag = Int32Array.of(wish ? 1 : 0);
  await world.allReduce(flag, "max");
  return flag[0] === 1;
}
