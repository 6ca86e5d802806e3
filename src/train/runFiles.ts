/**
 * What a run leaves beside its checkpoints: run.json (what it is), metrics.jsonl (one line an event), TensorBoard files, samples. Appending a
 * line at a time is safe: a torn last line is cut when the run goes on.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { namingPath, writeFileAtomic } from "../files/atomic.js";
import { isObject, readJson } from "../files/json.js";
import { type PolicyMetrics, type PreferenceMetrics, recentLoss, type TrainEvent, type TrainResult } from "./events.js";
import { EventFile } from "./tensorboard.js";

export interface RunRecord {
  readonly version: 1;
  readonly stage: string;
  readonly startedAt: string;
  /** config.json of the model. */
  readonly model: Readonly<Record<string, unknown>>;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly tokenizer: { readonly sha256: string; readonly vocabSize: number };
  /** Options of the command that began it, of stages after pre-training: a run that goes on takes those not given again. */
  readonly asked?: Readonly<Record<string, unknown>>;
  /** The checkpoint it began from; not of random weights. */
  readonly base?: string;
  /** Prepared text, of stages that read text. */
  readonly data?: { readonly key: string; readonly folder: string };
  /** Files of records, of stages that learn from conversations. */
  readonly records?: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
  /** The held-out documents, whose bits per byte the run reports. */
  readonly validation?: {
    readonly bytes: number;
    readonly documents: number;
    readonly files: readonly {
      readonly path: string;
      readonly part: number | null;
      readonly sha256: string;
      readonly bytes: number;
    }[];
  };
}

export const runFile = "run.json";
export const metricsFile = "metrics.jsonl";

export function writeRunRecord(run: string, record: RunRecord): void {
  writeFileAtomic(join(run, runFile), `${JSON.stringify(record, null, 1)}\n`);
}

/** @returns null where there is no run @throws RangeError for a file of another version */
export function readRunRecord(run: string): RunRecord | null {
  const path = join(run, runFile);
  if (!existsSync(path)) return null;
  const value = readJson(path);
  if (!isObject(value) || value.version !== 1 || !isObject(value.model) || !isObject(value.settings)) {
    throw new RangeError(`${path}: not a run of this program's version`);
  }
  return value as unknown as RunRecord;
}

/** Writes events as they pass. */
export class RunRecorder {
  readonly #run: string;
  #events: EventFile | null = null;

  constructor(run: string) {
    this.#run = run;
  }

  see(event: TrainEvent): void {
    const path = join(this.#run, metricsFile);
    try {
      appendFileSync(path, `${JSON.stringify(event)}\n`);
    } catch (error) {
      throw namingPath(error, path);
    }
    const scalars = scalarsOf(event);
    if (!scalars || !("step" in event)) return;
    this.#events ??= new EventFile(
      join(this.#run, "tensorboard", `events.out.tfevents.${Math.floor(Date.now() / 1000)}.${process.pid}.fathom`),
    );
    this.#events.scalars(event.step, scalars);
  }
}

function scalarsOf(event: TrainEvent): Record<string, number> | null {
  if (event.kind === "validation") {
    const { valLoss, valBitsPerByte, valAccuracy, preference, calibration, lengthCorrelation } = event;
    return {
      "validation/loss": valLoss,
      ...(valBitsPerByte === null ? {} : { "validation/bits_per_byte": valBitsPerByte }),
      ...(valAccuracy === undefined ? {} : { "validation/accuracy": valAccuracy }),
      ...preferenceScalars("validation", preference),
      ...(calibration ? { "validation/calibration_error": calibration.error } : {}),
      ...(typeof lengthCorrelation === "number" ? { "validation/length_correlation": lengthCorrelation } : {}),
    };
  }
  if (event.kind === "evaluation") {
    return Object.fromEntries(Object.entries(event.figures).map(([name, value]) => [`evaluation/${name}`, value]));
  }
  if (event.kind !== "step") return null;
  const scalars: Record<string, number> = {
    "train/loss": event.loss,
    "train/balance_loss": event.balanceLoss,
    "train/learning_rate": event.learningRate,
    "train/grad_norm": event.gradNorm,
    "train/tokens_per_second": event.tokensPerSecond,
    "train/peak_fraction": event.peakFraction,
  };
  event.mtpLosses.forEach((loss, k) => {
    scalars[`train/mtp_loss_${k + 1}`] = loss;
  });
  Object.assign(scalars, policyScalars(event.policy), preferenceScalars("preference", event.preference));
  for (const { layer, maxVio } of event.layers) scalars[`experts/max_vio_layer_${layer}`] = maxVio;
  return scalars;
}

function policyScalars(policy: PolicyMetrics | undefined): Record<string, number> {
  if (!policy) return {};
  const { reward, rewardStd, rewards, zeroStdShare, kl, oldKl, entropy, clipLow, clipHigh, length } = policy;
  return {
    ...{ "policy/reward": reward, "policy/reward_std": rewardStd, "policy/zero_std_share": zeroStdShare },
    ...Object.fromEntries(Object.entries(rewards).map(([name, { mean }]) => [`policy/rewards/${name}`, mean])),
    ...(kl === null ? {} : { "policy/kl": kl }),
    ...{ "policy/old_kl": oldKl, "policy/entropy": entropy, "policy/clip_low": clipLow, "policy/clip_high": clipHigh },
    ...{ "policy/length": length.mean, "policy/truncated_share": policy.truncatedShare },
    ...{ "policy/mismatch": policy.mismatch.mean, "policy/mismatch_k3": policy.mismatch.k3 },
    "policy/effective_share": policy.mismatch.effectiveShare,
  };
}

function preferenceScalars(group: string, preference: PreferenceMetrics | undefined): Record<string, number> {
  const { rewards, logprobs, scores } = preference ?? {};
  const named: Record<string, number | null | undefined> = {
    ...{ reward_chosen: rewards?.chosen, reward_rejected: rewards?.rejected, reward_margin: rewards?.margin },
    ...{ reward_accuracy: rewards?.accuracy, logprob_chosen: logprobs?.chosen, logprob_rejected: logprobs?.rejected },
    ...{ score_mean: scores?.mean, score_min: scores?.min, score_max: scores?.max },
  };
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) => (typeof value === "number" ? [[`${group}/${name}`, value]] : [])),
  );
}

/** The events of a run so far; a torn last line is left out. */
export function readEvents(run: string): TrainEvent[] {
  const path = join(run, metricsFile);
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line): TrainEvent[] => {
      try {
        return [JSON.parse(line) as TrainEvent];
      } catch {
        return [];
      }
    });
}

/** What a stage came to, from its events: the figures of all its steps, however often it was stopped. */
export function recordedResult(run: string, stage: string): Omit<TrainResult, "reason"> {
  const events = readEvents(run).filter((event) => event.stage === stage);
  const steps = events.filter((event) => event.kind === "step");
  const last = steps.at(-1);
  // A loss that was not finite is null in JSON.
  const losses = steps.map(({ loss }): number | null => loss).map((loss) => loss ?? Number.NaN);
  const trained = steps.map(({ tokens }, i) => tokens - (steps[i - 1]?.tokens ?? 0));
  const seconds = steps.reduce((sum, { tokensPerSecond }, i) => sum + (trained[i] ?? 0) / tokensPerSecond, 0);
  return {
    run,
    steps: last?.step ?? 0,
    tokens: last?.tokens ?? 0,
    trainLoss: recentLoss(losses),
    valBitsPerByte: events.filter((event) => event.kind === "validation").at(-1)?.valBitsPerByte ?? null,
    tokensPerSecond: seconds > 0 ? (last?.tokens ?? 0) / seconds : 0,
    seconds,
  };
}
