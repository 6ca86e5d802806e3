/**
 * How fast a model trains: full steps on random tokens, as the PyTorch peer of performance.md runs them (4,096 tokens a step, AdamW, clipping
 * at 1), without balance losses and bias updates when they are set to 0.
 */
import { singleCommunicator } from "../distributed/single.js";
import type { ModelConfig } from "../model/config.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { flopsPerTokenTraining } from "../model/flops.js";
import { defaultFp8, type Fp8Options } from "../model/fp8.js";
import { initialize } from "../model/init.js";
import { computeDtypeOf, type TrainPrecision } from "../tensor/dtype.js";
import { defaultAdamw } from "./adamw.js";
import { peakFlops } from "./floors.js";
import { rowsMicroBatch, type StepResult, Trainer } from "./trainer.js";

export interface MeasureOptions {
  readonly steps: number;
  readonly dtype: TrainPrecision;
  /** For `dtype` fp8; the report's by default. */
  readonly fp8?: Fp8Options;
  readonly seed: number;
  readonly sequenceLength: number;
  readonly batchSize: number;
  readonly recompute: boolean;
}

export interface TrainingSpeed {
  /** Median over the steps after the first two. */
  readonly tokensPerSecond: number;
  readonly stepSeconds: readonly number[];
  /** Model operations (attention counted in full, as the peers count) over the measured peak. */
  readonly peakFraction: number;
  readonly peakFlops: number;
  /** Median seconds of the parts of a step. */
  readonly step: { readonly forward: number; readonly backward: number; readonly optimizer: number };
  readonly peakMemoryBytes: number;
  /** What a forward leaves for the backward. */
  readonly activationBytes: number;
  readonly losses: readonly number[];
}

/** A model in training, a step of random tokens at a time. */
export interface TrainingSteps {
  /** Its whole seconds beside what the trainer tells of it. */
  step(): Promise<{ readonly seconds: number; readonly result: StepResult }>;
  free(): void;
}

export function startTraining(config: ModelConfig, options: Omit<MeasureOptions, "steps">): TrainingSteps {
  const { dtype, seed, sequenceLength: length, batchSize } = options;
  const single = singleCommunicator();
  const fp8 = dtype === "fp8" ? (options.fp8 ?? defaultFp8) : null;
  const model = new DeepseekV3(config, computeDtypeOf(dtype), single, undefined, fp8);
  initialize(model, seed);
  const trainer = new Trainer(
    model,
    {
      adamw: defaultAdamw,
      biasUpdate: "plain",
      balanceCounts: "top",
      deviceBalance: 0,
      communicationBalance: 0,
      deviceCapacity: null,
      recompute: options.recompute,
      emaDecay: null,
      onNonFinite: "stop",
    },
    { world: single, dense: single, experts: single },
  );
  trainer.optimizer.adoptWeights();
  let steps = 0;
  return {
    async step() {
      const tokens = randomTokens(batchSize * (length + 1), config.vocabSize, seed + steps++);
      const begun = performance.now();
      const factors = { learningRate: 3e-4, gamma: 0.001, alpha: 1e-4, lambda: 0.3 };
      const result = await trainer.step([rowsMicroBatch(tokens, length)], factors);
      return { seconds: (performance.now() - begun) / 1000, result };
    },
    free: () => model.free(),
  };
}

export async function measureTraining(config: ModelConfig, options: MeasureOptions): Promise<TrainingSpeed> {
  const training = startTraining(config, options);
  const peak = peakFlops(computeDtypeOf(options.dtype));
  const steps: { readonly seconds: number; readonly result: StepResult }[] = [];
  for (let step = 0; step < options.steps + 2; step++) steps.push(await training.step());
  training.free();
  return trainingSpeed(config, options, steps, peak);
}

/** @param steps all, the first two of which take memory from the system and do not count @param peak operations per second */
export function trainingSpeed(
  config: ModelConfig,
  { sequenceLength: length, batchSize }: Pick<MeasureOptions, "sequenceLength" | "batchSize">,
  steps: readonly { readonly seconds: number; readonly result: StepResult }[],
  peak: number,
): TrainingSpeed {
  const counted = steps.slice(2);
  const part = (name: keyof StepResult["seconds"]): number => median(counted.map(({ result }) => result.seconds[name]));
  const rate = (batchSize * length) / median(counted.map(({ seconds }) => seconds));
  return {
    tokensPerSecond: rate,
    stepSeconds: counted.map(({ seconds }) => seconds),
    peakFraction: (rate * flopsPerTokenTraining(config, length, false).total) / peak,
    peakFlops: peak,
    step: { forward: part("forward"), backward: part("backward"), optimizer: part("optimizer") },
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    activationBytes: Math.max(...steps.map(({ result }) => result.activationBytes)),
    losses: steps.map(({ result }) => result.loss),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

/** Token ids that only keep the kernels busy: a linear congruential generator (Numerical Recipes). */
export function randomTokens(count: number, vocab: number, seed: number): Int32Array {
  let state = seed >>> 0;
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocab);
  });
}
