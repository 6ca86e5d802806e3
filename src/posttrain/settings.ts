/** What every stage after pre-training decides on how it trains. It is written into run.json, and a resumed run must agree with it. */
import type { ModelConfig } from "../model/config.js";
import { defaultFp8, type Fp8Options } from "../model/fp8.js";
import type { TrainPrecision } from "../tensor/dtype.js";
import { type AdamwOptions, defaultAdamw } from "../train/adamw.js";
import type { ScheduleOptions } from "../train/schedule.js";
import type { TrainerOptions } from "../train/trainer.js";

export interface StageSettings extends Omit<TrainerOptions, "adamw"> {
  readonly adamw: AdamwOptions;
  readonly seed: number;
  readonly dtype: TrainPrecision;
  /** For `dtype` fp8. */
  readonly fp8: Fp8Options;
  readonly learningRate: number;
  readonly minLearningRate: number;
  readonly warmupSteps: number;
  readonly shape: Exclude<ScheduleOptions["shape"], "v3">;
  /** Speed of the routing bias. The report does not say what it is after pre-training; 0 leaves the bias as it was trained. */
  readonly gamma: number;
  /** Weights of the sequence-wise balance loss and of the MTP loss. */
  readonly alpha: number;
  readonly lambda: number;
  /** Most tokens of a record. */
  readonly maxLength: number;
  /** Tokens that go through the model at once. */
  readonly microBatchTokens: number;
  readonly saveEvery: number;
  readonly keepLast: number;
  /** Steps between evaluations; 0 = only at the end. */
  readonly validateEvery: number;
  readonly maxSteps: number | null;
}

export function defaultStageSettings(config: ModelConfig): StageSettings {
  return {
    // Decay pulls towards zero, not towards the model that is tuned.
    adamw: { ...defaultAdamw, weightDecay: 0 },
    biasUpdate: "plain",
    balanceCounts: "top",
    deviceBalance: 0,
    communicationBalance: 0,
    deviceCapacity: null,
    recompute: false,
    emaDecay: null,
    onNonFinite: "stop",
    seed: 1,
    dtype: config.torchDtype === "bfloat16" ? "bfloat16" : "float32",
    fp8: defaultFp8,
    learningRate: 5e-6,
    minLearningRate: 1e-6,
    warmupSteps: 0,
    shape: "cosine",
    gamma: 0,
    alpha: 1e-4,
    lambda: 0.1,
    maxLength: Math.min(2048, config.maxPositionEmbeddings),
    microBatchTokens: 4096,
    saveEvery: 200,
    keepLast: 2,
    validateEvery: 100,
    maxSteps: null,
  };
}

/** @throws RangeError naming the setting and its range */
export function checkStageSettings(settings: StageSettings, config: ModelConfig): void {
  const within = (name: string, value: number, low: number, high: number): void => {
    if (!(value >= low && value <= high)) throw new RangeError(`${name} must be from ${low} to ${high}, got ${value}`);
  };
  const whole = (name: string, value: number, low: number, high = 2 ** 31): void => {
    if (!Number.isInteger(value)) throw new RangeError(`${name} must be a whole number, got ${value}`);
    within(name, value, low, high);
  };
  within("learning rate", settings.learningRate, 0, 1);
  within("minimum learning rate", settings.minLearningRate, 0, 1);
  whole("warm-up steps", settings.warmupSteps, 0);
  within("gamma", settings.gamma, 0, 1);
  within("alpha", settings.alpha, 0, 1);
  within("lambda", settings.lambda, 0, 10);
  whole("maximum length", settings.maxLength, 2, config.maxPositionEmbeddings);
  whole("micro-batch tokens", settings.microBatchTokens, settings.maxLength);
  whole("seed", settings.seed, 0, Number.MAX_SAFE_INTEGER);
  whole("save every", settings.saveEvery, 0);
  whole("validate every", settings.validateEvery, 0);
  whole("checkpoints kept", settings.keepLast, 1);
  if (settings.maxSteps !== null) whole("steps", settings.maxSteps, 1);
  if (settings.gamma > 0 && config.nRoutedExperts > 0 && config.topkMethod !== "noaux_tc") {
    throw new RangeError(`gamma must be 0 with topk_method ${config.topkMethod}: that gate has no bias to move`);
  }
}
