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
import { type StepResult, Trainer } from "./trainer.js";

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

export async function measureTraining(config: ModelConfig, options: MeasureOptions): Promise<TrainingSpeed> {
  const { steps, dtype, seed, sequenceLength: length, batchSize } = options;
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
  const peak = peakFlops(computeDtypeOf(dtype));
  const seconds: number[] = [];
  const results: StepResult[] = [];
  for (let step = 0; step < steps + 2; step++) {
    const tokens = randomTokens(batchSize * (length + 1), config.vocabSize, seed + step);
    const begun = performance.now();
    results.push(
      await trainer.step([{ tokens, length }], { learningRate: 3e-4, gamma: 0.001, alpha: 1e-4, lambda: 0.3 }),
    );
    seconds.push((performance.now() - begun) / 1000);
  }
  // The first two steps take memory from the system.
  const counted = seconds.slice(2);
  const parts = results.slice(2).map((result) => result.seconds);
  const rate = (batchSize * length) / median(counted);
  const flops = flopsPerTokenTraining(config, length, false).total;
  const speed: TrainingSpeed = {
    tokensPerSecond: rate,
    stepSeconds: counted,
    peakFraction: (rate * flops) / peak,
    peakFlops: peak,
    step: {
      forward: median(parts.map(({ forward }) => forward)),
      backward: median(parts.map(({ backward }) => backward)),
      optimizer: median(parts.map(({ optimizer }) => optimizer)),
    },
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    activationBytes: Math.max(...results.map(({ activationBytes }) => activationBytes)),
    losses: results.map(({ loss }) => loss),
  };
  model.free();
  return speed;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

/** A linear congruential generator (Numerical Recipes) is enough for tokens that only keep the kernels busy. */
function randomTokens(count: number, vocab: number, seed: number): Int32Array {
  let state = seed >>> 0;
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocab);
  });
}
