/**
 * The training loop that pre-training, context extension and fine-tuning share: batches in, events out. What a step trains on, at which
 * rate, and how the model is judged are the caller's; the loop validates, saves, and stops when the tokens are used up, the steps are done,
 * or the signal says so; a stopped run is saved and goes on later with the same bits.
 */
import { setImmediate } from "node:timers/promises";
import type { Communicator } from "../distributed/communicator.js";
import { adapterCounts } from "../model/adapter.js";
import { flopsPerTokenAdapter, flopsPerTokenTraining, parameterCounts, type TrainingFlops } from "../model/flops.js";
import {
  recentLoss,
  type SampleEvent,
  type StepEvent,
  type TrainEvent,
  type TrainResult,
  type ValidationEvent,
} from "./events.js";
import { peakFlops } from "./floors.js";
import type { MicroBatch, StepSettings, Trainer } from "./trainer.js";

/** What one step trains on, and how. */
export interface StepPlan {
  /** This process's part. */
  readonly batches: readonly MicroBatch[];
  readonly settings: StepSettings;
  /** Of all processes. */
  readonly tokens: number;
  readonly sequences: number;
  /** Called on every process when the step is done: what else is told of it, and its loss where that is not the trainer's. */
  readonly told?: () => Promise<Partial<Pick<StepEvent, "loss" | "preference">>>;
}

/** How good the model is on what it does not train on. */
export type Validation = Omit<ValidationEvent, "kind" | "stage" | "step" | "tokens" | "seconds">;

export interface LoopInput {
  readonly stage: string;
  readonly run: string;
  readonly trainer: Trainer;
  readonly world: Communicator;
  /** Where the run ends. */
  readonly totalTokens: number;
  /** Steps after which it ends even if tokens are left; null = tokens alone decide. */
  readonly maxSteps: number | null;
  /** Steps between checkpoints and between validations; 0 = only at the end. */
  readonly saveEvery: number;
  readonly validateEvery: number;
  /** Tokens of a sequence, for the count of operations. */
  readonly sequenceLength: number;
  /** What of the model a token goes through, for the same. */
  readonly passes: keyof TrainingFlops;
  /** @param step steps done before @param tokens consumed before */
  readonly next: (step: number, tokens: number) => StepPlan | Promise<StepPlan>;
  /** Null if there is nothing to validate on; every process computes the same, since experts may be spread over them. */
  readonly validate: (() => Promise<Validation>) | null;
  /** Where the run stands: 0 for a new one. */
  readonly start: { readonly step: number; readonly tokens: number };
  /** Writes a checkpoint. @returns its path */
  readonly save: (step: number, tokens: number) => Promise<string>;
  /** Told of a checkpoint whose validation loss is the lowest so far, which is then saved; null: the best is like any other. */
  readonly best?: { readonly lossSoFar: number; readonly mark: (step: number) => void } | null;
  /** Completions to show at the end, and whenever the model is validated. */
  readonly sample?: (step: number) => Promise<SampleEvent[]>;
  /** Time in performance.now() at which to end as if the tokens were used up, on any process; after one step at least. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

export async function* trainLoop(input: LoopInput): AsyncGenerator<TrainEvent, TrainResult> {
  const { stage, trainer, world, totalTokens, maxSteps, signal } = input;
  const { model } = trainer;
  const adapter = model.adapter ? adapterCounts(model) : null;
  const part = input.passes === "trunk" ? "trunk" : "main";
  const operations = adapter
    ? flopsPerTokenAdapter(model.config, input.sequenceLength, adapter.activated, false, part)
    : flopsPerTokenTraining(model.config, input.sequenceLength, false)[input.passes];
  const peak = peakFlops(model.dtype);
  const { total, activated, mtp } = parameterCounts(model.config);
  let { step, tokens } = input.start;
  yield {
    kind: "start",
    stage,
    step,
    tokens,
    totalTokens,
    parameters: { total, activated, mtp, ...(adapter ? { adapter: adapter.total } : {}) },
    world: world.size,
    peakFlops: peak,
  };
  const begun = performance.now();
  const losses: number[] = [];
  let seconds = 0;
  let trained = 0;
  let validated: ValidationEvent | null = null;
  let savedAt = step > 0 ? step : -1;
  let bestLoss = input.best?.lossSoFar ?? Number.NEGATIVE_INFINITY;
  const isDone = (): boolean => tokens >= totalTokens || (maxSteps !== null && step >= maxSteps);
  let reason: TrainResult["reason"] = "finished";

  /** Validates; a best checkpoint is saved and marked at once. */
  async function* validation(): AsyncGenerator<TrainEvent> {
    const event = await validate(input, step, tokens);
    if (!event) return;
    validated = event;
    yield event;
    if (!input.best || !(event.valLoss < bestLoss)) return;
    bestLoss = event.valLoss;
    if (savedAt !== step) yield await saved(input, step, tokens);
    savedAt = step;
    if (world.rank === 0) input.best.mark(step);
  }

  while (!isDone()) {
    await setImmediate(); // A step never waits for the system: without a turn of the event loop no signal would be seen.
    if (await anyone(world, signal?.aborted ?? false)) {
      reason = "stopped";
      break;
    }
    const isLate = performance.now() >= (input.deadline ?? Number.POSITIVE_INFINITY) && step > input.start.step;
    if (await anyone(world, isLate)) break;
    const started = performance.now();
    const plan = await input.next(step, tokens);
    const result = await trainer.step(plan.batches, plan.settings);
    const told = { loss: result.loss, ...(await plan.told?.()) };
    const elapsed = (performance.now() - started) / 1000;
    step++;
    tokens += plan.tokens;
    seconds += elapsed;
    trained += plan.tokens;
    losses.push(told.loss);
    const { learningRate, gamma, alpha, lambda } = plan.settings;
    const event: StepEvent = {
      kind: "step",
      stage,
      step,
      tokens,
      totalTokens,
      ...told,
      mtpLosses: result.mtpLosses,
      mtpAccuracy: result.mtpAccuracy,
      balanceLoss: result.balanceLoss,
      ...{ learningRate, gamma, alpha, lambda },
      batchSize: plan.sequences,
      gradNorm: result.gradNorm,
      tokensPerSecond: plan.tokens / elapsed,
      peakFraction: (plan.tokens * operations) / elapsed / world.size / peak,
      memoryBytes: process.memoryUsage.rss(),
      layers: result.layers,
      skipped: result.skipped,
    };
    yield event;
    if (input.validateEvery > 0 && step % input.validateEvery === 0 && !isDone()) yield* validation();
    if (input.saveEvery > 0 && step % input.saveEvery === 0 && savedAt !== step && !isDone()) {
      yield await saved(input, step, tokens);
      savedAt = step;
    }
  }
  if (reason === "finished") yield* validation();
  if (savedAt !== step) yield await saved(input, step, tokens);
  if (reason === "finished" && input.sample) for (const event of await input.sample(step)) yield event;
  const last = validated as ValidationEvent | null;
  return {
    run: input.run,
    steps: step,
    tokens,
    trainLoss: recentLoss(losses),
    valBitsPerByte: last?.valBitsPerByte ?? null,
    tokensPerSecond: seconds > 0 ? trained / seconds : 0,
    seconds: (performance.now() - begun) / 1000,
    reason,
  };
}

async function validate(input: LoopInput, step: number, tokens: number): Promise<ValidationEvent | null> {
  if (!input.validate) return null;
  const begun = performance.now();
  const validation = await input.validate();
  const seconds = (performance.now() - begun) / 1000;
  return { kind: "validation", stage: input.stage, step, tokens, ...validation, seconds };
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
