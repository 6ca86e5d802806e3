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
  readonly parameters: { readonly total: number; readonly activated: number; readonly mtp: number };
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
}

export interface ValidationEvent {
  readonly kind: "validation";
  readonly stage: string;
  readonly step: number;
  readonly tokens: number;
  /** Mean cross-entropy in nats per token of the held-out documents; not called loss, so that a line with one is a training step. */
  readonly valLoss: number;
  readonly valMtpLosses: readonly number[];
  /** Of whole documents; null where records are validated on their supervised tokens alone. */
  readonly valBitsPerByte: number | null;
  /** Share of the targets that were the arg max, where it was counted. */
  readonly valAccuracy?: number;
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

export type TrainEvent = StartEvent | StepEvent | ValidationEvent | SampleEvent | CheckpointEvent;

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
