/**
 * One training step: micro-batches forward and backward, gradients summed over processes, AdamW, the bias of every router moved by the
 * loads of the whole step. What is trained (pre-training rows, a longer context) is the caller's; a batch is rows of tokens. Over a model
 * with an adapter gradients, moments and updates are those of the adapter alone.
 */
import { hashInts, stream } from "../data/random.js";
import type { Communicator } from "../distributed/communicator.js";
import { type Batch, type SupervisedSequence, supervisedBatch, trainingBatch } from "../model/batch.js";
import type { BatchLosses, DeepseekV3, LossWeights } from "../model/deepseekV3.js";
import type { BalanceFactors } from "../model/router.js";
import type { Arena } from "../tensor/arena.js";
import { Tape } from "../tensor/tape.js";
import { AdamW, type AdamwOptions, type ReplicaGroups } from "./adamw.js";
import { Ema } from "./ema.js";
import { type BiasUpdate, maxViolation, StepCounts, updateBias } from "./expertBias.js";
import { GradientSum } from "./gradientSum.js";

export interface TrainerOptions {
  readonly adamw: AdamwOptions;
  readonly biasUpdate: BiasUpdate;
  /** Which count the balance loss takes; see BalanceFactors. */
  readonly balanceCounts: BalanceFactors["counts"];
  /** V2's further losses; zero for V3. */
  readonly deviceBalance: number;
  readonly communicationBalance: number;
  /** V2's token dropping: what a group of experts computes at most of a micro-batch, 1 = the even share; null drops nothing. */
  readonly deviceCapacity: number | null;
  /** Compute norms, up-projections and SwiGLU again in the backward instead of keeping them. */
  readonly recompute: boolean;
  /** Decay of an exponential moving average of the weights; null for none. */
  readonly emaDecay: number | null;
  /** What to do when a loss or gradient is not finite: leave the step out, or stop with an error. */
  readonly onNonFinite: "skip" | "stop";
}

/** The values of the schedules at one step. */
export interface StepSettings {
  readonly learningRate: number;
  readonly gamma: number;
  readonly alpha: number;
  readonly lambda: number;
  /** What the sum of the losses is divided by; null: the targets of the step. Default null. */
  readonly divisor?: number | null;
  /** Logits are divided by it before the loss. Default 1. */
  readonly temperature?: number;
}

/** What goes through the model at once. */
export interface MicroBatch {
  /** Of the main head. */
  readonly numTargets: number;
  readonly numSequences: number;
  /** @param mtpDepth modules to align for; a batch of fewer trains fewer */
  readonly make: (arena: Arena, mtpDepth: number) => Batch;
  /** Another loss than the model's own cross-entropies, its gradient put on the tape. */
  readonly losses?: (tape: Tape, batch: Batch, weights: LossWeights) => Promise<BatchLosses>;
}

/** @param tokens [sequences, length + 1] token ids, negative = padding */
export function rowsMicroBatch(tokens: Int32Array, length: number): MicroBatch {
  return {
    numTargets: countTargets(tokens, length),
    numSequences: tokens.length / (length + 1),
    make: (arena, mtpDepth) => trainingBatch(arena, tokens, length, mtpDepth),
  };
}

/** Records that do not see each other. @param trainsMtp false: the main head alone */
export function supervisedMicroBatch(sequences: readonly SupervisedSequence[], trainsMtp: boolean): MicroBatch {
  const targets = ({ ids, isTarget }: SupervisedSequence): number => {
    let count = 0;
    for (let i = 1; i < ids.length; i++) if (isTarget[i]) count++;
    return count;
  };
  return {
    numTargets: sequences.reduce((sum, sequence) => sum + targets(sequence), 0),
    numSequences: sequences.length,
    make: (arena, mtpDepth) => supervisedBatch(arena, sequences, trainsMtp ? mtpDepth : 0),
  };
}

export interface LayerLoad {
  readonly layer: number;
  /** Assignments per expert over the whole step. */
  readonly counts: readonly number[];
  readonly maxVio: number;
  readonly biasMin: number;
  readonly biasMax: number;
}

export interface StepResult {
  /** Mean cross-entropy in nats of the main head over the whole step (or the sum of scaled ones over the divisor that was asked for). */
  readonly loss: number;
  /** Mean over the targets each MTP depth has. */
  readonly mtpLosses: readonly number[];
  /** Share of MTP targets that were the arg max. */
  readonly mtpAccuracy: readonly number[];
  /** Sum over layers of the weighted balance losses, mean over sequences. */
  readonly balanceLoss: number;
  readonly gradNorm: number;
  /** Targets of the main head, over all processes. */
  readonly tokens: number;
  readonly layers: readonly LayerLoad[];
  /** Names of what was not finite, if the step was left out. */
  readonly skipped: readonly string[];
  /** Kept for the backward when a forward ends, the most of any micro-batch of this process. */
  readonly activationBytes: number;
  readonly seconds: { readonly forward: number; readonly backward: number; readonly optimizer: number };
}

export class Trainer {
  readonly model: DeepseekV3;
  readonly optimizer: AdamW;
  readonly ema: Ema | null;
  readonly options: TrainerOptions;
  readonly #world: Communicator;
  readonly #counts: StepCounts;
  readonly #gradients: GradientSum;

  constructor(model: DeepseekV3, options: TrainerOptions, groups: ReplicaGroups) {
    this.model = model;
    this.options = options;
    this.#world = groups.world;
    this.optimizer = new AdamW(model, options.adamw, groups);
    this.ema = options.emaDecay === null ? null : new Ema(this.optimizer, options.emaDecay);
    this.#counts = new StepCounts(model);
    this.#gradients = new GradientSum(
      model.arena,
      this.optimizer.shards.map(({ parameter }) => parameter),
    );
  }

  /** @param batches this process's micro-batches of the step */
  async step(batches: readonly MicroBatch[], settings: StepSettings): Promise<StepResult> {
    const started = performance.now();
    let forwardMs = 0;
    let activationBytes = 0;
    const { model, options } = this;
    const depths = model.mtp.length;
    const sums = new Float64Array(2 + 3 * depths + 2);
    const [mainAt, balanceAt, targetsAt, sequencesAt] = [0, 1, 2 + 3 * depths, 3 + 3 * depths];
    for (const { numTargets, numSequences } of batches) {
      sums[targetsAt] = (sums[targetsAt] ?? 0) + numTargets;
      sums[sequencesAt] = (sums[sequencesAt] ?? 0) + numSequences;
    }
    const totals = sums.slice(targetsAt);
    await this.#world.allReduce(totals, "sum");
    const [globalTargets = 0, globalSequences = 0] = totals;
    if (settings.gamma !== 0 && model.adapter) {
      throw new RangeError(
        `training step: gamma must be 0 over an adapter, whose router is frozen, got ${settings.gamma}`,
      );
    }
    if (globalTargets === 0) throw new RangeError("training step: the batch has no token with a target");
    const divisor = settings.divisor ?? globalTargets;
    this.#counts.reset();
    let pass = 0;
    await this.#gradients.over(batches, async (micro) => {
      using batch = micro.make(model.arena, depths);
      const before = model.arena.usedBytes;
      // FP8 keeps quantised inputs and computes the rest anew (report 3.3.3).
      const recompute = options.recompute || model.fp8 !== null;
      // Numbers of its own for every micro-batch of every process and step, so that a resumed run drops what an uninterrupted one does.
      const dropoutSeed = hashInts(stream.dropout, this.optimizer.stepsApplied, pass++, this.#world.rank);
      using tape = new Tape(model.arena, { hasGrad: true, recompute, dropoutSeed });
      const begun = performance.now();
      const lossesOf = micro.losses ?? model.losses.bind(model);
      const losses = await lossesOf(tape, batch, {
        globalTargets: divisor,
        globalSequences,
        mtp: settings.lambda,
        balance: {
          sequence: settings.alpha,
          device: options.deviceBalance,
          communication: options.communicationBalance,
          counts: options.balanceCounts,
        },
        deviceCapacity: options.deviceCapacity,
        ...(settings.temperature === undefined ? {} : { temperature: settings.temperature }),
      });
      forwardMs += performance.now() - begun;
      activationBytes = Math.max(activationBytes, model.arena.usedBytes - before);
      await tape.backward();
      sums[mainAt] = (sums[mainAt] ?? 0) + losses.main;
      for (let k = 0; k < depths; k++) {
        const at = 2 + 3 * k;
        sums[at] = (sums[at] ?? 0) + (losses.mtp[k] ?? 0);
        sums[at + 1] = (sums[at + 1] ?? 0) + (losses.correct[k + 1] ?? 0);
        sums[at + 2] = (sums[at + 2] ?? 0) + (losses.targets[k + 1] ?? 0);
      }
      for (const { layer, report } of losses.routers) {
        this.#counts.add(layer, report.counts);
        sums[balanceAt] = (sums[balanceAt] ?? 0) + report.balanceLoss;
      }
    });
    await this.#world.allReduce(sums, "sum");
    await this.#world.allReduce(this.#counts.counts, "sum");
    const begun = performance.now();
    const step = await this.#apply(sums[mainAt] ?? 0, settings);
    const ended = performance.now();
    const mean = (sum: number | undefined, count: number | undefined): number => (count ? (sum ?? 0) / count : 0);
    return {
      loss: (sums[mainAt] ?? 0) / divisor,
      mtpLosses: Array.from({ length: depths }, (_, k) => mean(sums[2 + 3 * k], sums[4 + 3 * k])),
      mtpAccuracy: Array.from({ length: depths }, (_, k) => mean(sums[3 + 3 * k], sums[4 + 3 * k])),
      balanceLoss: (sums[balanceAt] ?? 0) / globalSequences,
      gradNorm: step.gradNorm,
      tokens: globalTargets,
      layers: this.#loads(),
      skipped: step.nonFinite,
      activationBytes,
      seconds: {
        forward: forwardMs / 1000,
        backward: (begun - started - forwardMs) / 1000,
        optimizer: (ended - begun) / 1000,
      },
    };
  }

  /** Optimizer, bias update and average, or none of them if something is not finite. */
  async #apply(
    lossSum: number,
    settings: StepSettings,
  ): Promise<{ readonly gradNorm: number; readonly nonFinite: readonly string[] }> {
    let nonFinite: readonly string[] = Number.isFinite(lossSum) ? [] : ["loss"];
    let gradNorm = Number.NaN;
    if (nonFinite.length === 0) ({ gradNorm, nonFinite } = await this.optimizer.step(settings.learningRate));
    if (nonFinite.length > 0) {
      if (this.options.onNonFinite === "stop") {
        throw new RangeError(
          `training step: not finite: ${nonFinite.slice(0, 3).join(", ")}; no parameter was changed`,
        );
      }
      return { gradNorm, nonFinite };
    }
    if (settings.gamma !== 0) {
      for (const { layer, moe } of this.model.moeLayers) {
        const bias = moe.gate.eScoreCorrectionBias;
        if (bias) updateBias(bias.data.floats(), this.#counts.of(layer), settings.gamma, this.options.biasUpdate);
      }
    }
    this.ema?.update();
    return { gradNorm, nonFinite };
  }

  #loads(): LayerLoad[] {
    return this.model.moeLayers.map(({ layer, moe }) => {
      const counts = this.#counts.of(layer);
      const bias = moe.gate.eScoreCorrectionBias?.data.floats() ?? new Float32Array(1);
      return {
        layer,
        counts: Array.from(counts),
        maxVio: maxViolation(counts),
        biasMin: Math.min(...bias),
        biasMax: Math.max(...bias),
      };
    });
  }
}

function countTargets(tokens: Int32Array, length: number): number {
  let count = 0;
  for (let i = 0; i < tokens.length; i++) if (i % (length + 1) !== 0 && (tokens[i] ?? -1) >= 0) count++;
  return count;
}
