/**
 * What a run tells while it goes: the one stream from which the terminal, metrics.jsonl, TensorBoard and the report are made.
 */
import type { LayerLoad } from "./trainer.js";

export interface StartEvent {
  readonly kind: "start";
  readonly stage: string;
  /** Step and tokens from which it goes on; 0 for a new run. */
  readonly step: number;
  readonly tokens: number;
  readonly totalTokens: number;
  readonly parameters: {
    readonly total: number;
    readonly activated: number;
    readonly mtp: number;
    /** Of the adapter, where that alone is trained; the others do not count it. */
    readonly adapter?: number;
  };
  readonly world: number;
  readonly peakFlops: number;
}

export interface StepEvent {
  readonly kind: "step";
  readonly stage: string;
  readonly step: number;
  /** Consumed so far, this step included. */
  readonly tokens: number;
  readonly totalTokens: number;
  readonly loss: number;
  readonly mtpLosses: readonly number[];
  readonly mtpAccuracy: readonly number[];
  readonly balanceLoss: number;
  readonly learningRate: number;
  readonly gamma: number;
  readonly alpha: number;
  readonly lambda: number;
  readonly batchSize: number;
  readonly gradNorm: number;
  readonly tokensPerSecond: number;
  /** Share of the machine's measured peak that the model's operations reach. */
  readonly peakFraction: number;
  readonly memoryBytes: number;
  readonly layers: readonly LayerLoad[];
  readonly skipped: readonly string[];
  /** Of reinforcement learning alone. */
  readonly policy?: PolicyMetrics;
  /** Of DPO and reward models. */
  readonly preference?: PreferenceMetrics;
}

/** What was seen of answers of which one is better than another, or good or bad by itself; post-training.md 6.3, 10. */
export interface PreferenceMetrics {
  /** Pairs, and answers judged by themselves. */
  readonly count: number;
  /**
   * Means of the implicit rewards beta (log pi - log ref) of DPO, or of a reward model's scores; null where there was none. The margin is
   * that of pairs, chosen less rejected; the accuracy that of the order within pairs, and of the sign of answers by themselves; a tie is
   * wrong.
   */
  readonly rewards: {
    readonly chosen: number | null;
    readonly rejected: number | null;
    readonly margin: number | null;
    readonly accuracy: number;
  };
  /** Of DPO: means of the answers' log-probabilities, each summed over its tokens. If both fall, the model forgets the answers. */
  readonly logprobs?: { readonly chosen: number; readonly rejected: number };
  /** Of a reward model: over all answers. */
  readonly scores?: { readonly mean: number; readonly min: number; readonly max: number };
}

/** Whether a model that is right so often as it says can be told from one that is not: its confidence beside how often it was right. */
export interface Calibration {
  /** Expected calibration error: mean over the answers of |confidence - share that was right| of their bin. */
  readonly error: number;
  readonly bins: readonly {
    readonly from: number;
    readonly to: number;
    readonly count: number;
    /** Null for an empty bin. */
    readonly confidence: number | null;
    readonly right: number | null;
  }[];
}

export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

/** How far trainer and sampler are apart at the same weights, over the tokens that the sampler chose; post-training.md 8.4. */
export interface Mismatch {
  /** Of |d|, d = log trainer - log sampler. */
  readonly mean: number;
  readonly max: number;
  /** Means of -d and of e^d - d - 1: two estimates of the KL of the sampler from the trainer. */
  readonly k1: number;
  readonly k3: number;
  /** Of e^d. */
  readonly ratio: Spread;
  /** Effective sample size under the weights e^d, as a share of the tokens: (sum w)^2 / (n sum w^2). */
  readonly effectiveShare: number;
}

/** What one step of reinforcement learning saw; post-training.md 9. */
export interface PolicyMetrics {
  /** Mean of the combined reward, and the mean over groups of its spread within the group. */
  readonly reward: number;
  readonly rewardStd: number;
  readonly rewards: Readonly<Record<string, { readonly mean: number; readonly std: number }>>;
  /** Share of groups whose rewards are all alike: they teach nothing. */
  readonly zeroStdShare: number;
  /** Token means: k3 to the reference (null without one), log(old / new), entropy in nats, shares beyond the clip. */
  readonly kl: number | null;
  readonly oldKl: number;
  readonly entropy: number;
  readonly clipLow: number;
  readonly clipHigh: number;
  /** Of the step's updates and processes: the smallest share clipped below, and the largest clipped above. */
  readonly clipLowMin: number;
  readonly clipHighMax: number;
  readonly advantage: Spread;
  /** Tokens of answers; `terminated`: of those that ended by themselves, null if none did. */
  readonly length: Spread & { readonly terminated: Spread | null };
  /** Share of answers cut at the limit. */
  readonly truncatedShare: number;
  readonly mismatch: Mismatch;
  /** Ratios trainer / sampler before their cap, token by token or of whole answers; null where the loss makes no use of them. */
  readonly importance: Spread | null;
  readonly answers: number;
  /** Of these, the ones that the update learned from. */
  readonly learned: number;
  readonly seconds: {
    readonly rollout: number;
    readonly reward: number;
    readonly logprobs: number;
    readonly update: number;
  };
}

/** Named figures of a model on tasks that it does not train on. */
export interface EvaluationEvent {
  readonly kind: "evaluation";
  readonly stage: string;
  readonly step: number;
  readonly tokens: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly seconds: number;
}

export interface ValidationEvent {
  readonly kind: "validation";
  readonly stage: string;
  readonly step: number;
  readonly tokens: number;
  /**
   * Mean cross-entropy in nats per token of the held-out documents, or the stage's own loss of held-out records; not called loss, so that a
   * line with one is a training step.
   */
  readonly valLoss: number;
  readonly valMtpLosses: readonly number[];
  /** Of whole documents; null where records are validated on their supervised tokens alone. */
  readonly valBitsPerByte: number | null;
  /** Share of the targets that were the arg max, where it was counted; with `preference` its accuracy. */
  readonly valAccuracy?: number;
  readonly preference?: PreferenceMetrics;
  /** Of a reward model. */
  readonly calibration?: Calibration;
  /** Of a reward model: correlation of an answer's score with its number of tokens; null where either does not vary. */
  readonly lengthCorrelation?: number | null;
  readonly seconds: number;
}

export interface SampleEvent {
  readonly kind: "sample";
  readonly stage: string;
  readonly step: number;
  readonly prompt: string;
  /** Text after the gap, for fill in the middle. */
  readonly suffix: string | null;
  readonly text: string;
  /** What the document really says there. */
  readonly truth: string;
}

export interface CheckpointEvent {
  readonly kind: "checkpoint";
  readonly stage: string;
  readonly step: number;
  readonly path: string;
  readonly seconds: number;
}

export type TrainEvent = StartEvent | StepEvent | ValidationEvent | EvaluationEvent | SampleEvent | CheckpointEvent;

export interface TrainResult {
  readonly run: string;
  readonly steps: number;
  readonly tokens: number;
  /** Mean loss of the run's last steps, up to 20; null before the first. */
  readonly trainLoss: number | null;
  readonly valBitsPerByte: number | null;
  readonly tokensPerSecond: number;
  readonly seconds: number;
  /** Why it ended. */
  readonly reason: "finished" | "stopped";
}

/** @param losses of the steps so far, oldest first @returns TrainResult's trainLoss */
export function recentLoss(losses: readonly number[]): number | null {
  const recent = losses.slice(-20);
  return recent.length === 0 ? null : recent.reduce((sum, loss) => sum + loss, 0) / recent.length;
}
