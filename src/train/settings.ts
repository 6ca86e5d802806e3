/** Everything that decides how a run trains. It is written into run.json, and a resumed run must agree with it. */
import type { ModelConfig } from "../model/config.js";
import { defaultFp8, type Fp8Options } from "../model/fp8.js";
import type { TrainPrecision } from "../tensor/dtype.js";
import { type AdamwOptions, defaultAdamw } from "./adamw.js";
import type { ScheduleOptions } from "./schedule.js";
import type { TrainerOptions } from "./trainer.js";

export interface TrainSettings extends Omit<TrainerOptions, "adamw"> {
  readonly adamw: AdamwOptions;
  readonly seed: number;
  readonly dtype: TrainPrecision;
  /** For `dtype` fp8. */
  readonly fp8: Fp8Options;
  /** Tokens a row predicts. */
  readonly sequenceLength: number;
  /** Sequences per forward pass and process; a step adds up as many as its batch needs. */
  readonly microBatchSize: number;
  readonly schedule: Omit<ScheduleOptions, "totalTokens" | "multipleOf">;
  /** Where the run ends, and what its schedules are scaled to. */
  readonly totalTokens: number;
  /** Steps after which training ends even if tokens are left; null = tokens alone decide. */
  readonly maxSteps: number | null;
  /** Steps between checkpoints; 0 = only at the end. */
  readonly saveEvery: number;
  readonly keepLast: number;
  /** Steps between evaluations of the held-out documents; 0 = only at the end. */
  readonly validateEvery: number;
}

/** Values that suit models of millions of parameters on one machine; the published run's are schedule.deepseekV3Schedule. */
export function defaultSettings(config: ModelConfig): TrainSettings {
  return {
    adamw: defaultAdamw,
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
    sequenceLength: Math.min(256, config.maxPositionEmbeddings),
    microBatchSize: 8,
    schedule: {
      shape: "v3",
      learningRate: 2e-3,
      minLearningRate: 2e-4,
      warmupSteps: 50,
      batchSize: 16,
      initialBatchSize: 16,
      rampTokens: 0,
      gamma: config.topkMethod === "noaux_tc" ? 0.001 : 0,
      alpha: 1e-4,
      lambda: 0.3,
    },
    totalTokens: 4_000_000,
    maxSteps: null,
    saveEvery: 500,
    keepLast: 2,
    validateEvery: 200,
  };
}

/** @throws RangeError naming the setting and its range */
export function checkSettings(settings: TrainSettings, config: ModelConfig): void {
  const { schedule, adamw } = settings;
  const within = (name: string, value: number, low: number, high: number): void => {
    if (!(value >= low && value <= high)) throw new RangeError(`${name} must be from ${low} to ${high}, got ${value}`);
  };
  const whole = (name: string, value: number, low: number, high = 2 ** 31): void => {
    if (!Number.isInteger(value)) throw new RangeError(`${name} must be a whole number, got ${value}`);
    within(name, value, low, high);
  };
  whole("sequence length", settings.sequenceLength, 2, config.maxPositionEmbeddings);
  whole("micro-batch size", settings.microBatchSize, 1);
  whole("batch size", schedule.batchSize, 1);
  whole("initial batch size", schedule.initialBatchSize, 1);
  whole("warm-up steps", schedule.warmupSteps, 0);
  whole("seed", settings.seed, 0, Number.MAX_SAFE_INTEGER);
  whole("total tokens", settings.totalTokens, 1, Number.MAX_SAFE_INTEGER);
  if (settings.maxSteps !== null) whole("steps", settings.maxSteps, 1);
  whole("save every", settings.saveEvery, 0);
  whole("validate every", settings.validateEvery, 0);
  whole("checkpoints kept", settings.keepLast, 1);
  within("learning rate", schedule.learningRate, 0, 1);
  within("minimum learning rate", schedule.minLearningRate, 0, 1);
  within("gamma", schedule.gamma, 0, 1);
  within("alpha", schedule.alpha, 0, 1);
  within("lambda", schedule.lambda, 0, 10);
  within("device balance", settings.deviceBalance, 0, 10);
  within("communication balance", settings.communicationBalance, 0, 10);
  if (settings.deviceCapacity !== null) within("device capacity", settings.deviceCapacity, 0.01, 1e6);
  within("weight decay", adamw.weightDecay, 0, 10);
  within("gradient clip", adamw.maxGradNorm, 0, 1e6);
  within("beta1", adamw.beta1, 0, 0.999999);
  within("beta2", adamw.beta2, 0, 0.999999);
  if (settings.emaDecay !== null) within("EMA decay", settings.emaDecay, 0, 1);
  if (schedule.gamma > 0 && config.nRoutedExperts > 0 && config.topkMethod !== "noaux_tc") {
    throw new RangeError(`gamma must be 0 with topk_method ${config.topkMethod}: that gate has no bias to move`);
  }
}
