/**
 * AdamW with float32 master weights, sharded over the processes that hold the same parameter (ZeRO stage 1): gradients are summed and each
 * rank keeps, updates and redistributes its piece. infrastructure.md 5.1; training.md D2. In one process a piece is the whole.
 *
 * Gradients arrive already divided by the global token count, so ranks only add. Norm weights and buffers do not decay (the report does
 * not say which are exempt). Moments are float32 or, as in the report, bfloat16.
 */
import type { Communicator } from "../distributed/communicator.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Arena } from "../tensor/arena.js";
import { bytesPerElement, type ComputeDtype } from "../tensor/dtype.js";
import { type Block, native } from "../tensor/native.js";
import { type Parameter, quantizeWeight } from "../tensor/parameter.js";
import { Tensor } from "../tensor/tensor.js";

export interface AdamwOptions {
  readonly beta1: number;
  readonly beta2: number;
  /** Not published; 1e-8 is the usual value. */
  readonly eps: number;
  readonly weightDecay: number;
  readonly momentDtype: ComputeDtype;
  /** Global gradient norm above which gradients are scaled down; 0 never clips. */
  readonly maxGradNorm: number;
}

export const defaultAdamw: AdamwOptions = {
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0.1,
  momentDtype: "float32",
  maxGradNorm: 1,
};

/** The processes of a job as the optimizer sees them. */
export interface ReplicaGroups {
  readonly world: Communicator;
  /** Ranks that hold the same dense parameters: all of them. */
  readonly dense: Communicator;
  /** Ranks that hold the same experts. */
  readonly experts: Communicator;
}

/** This rank's piece of one parameter. */
export interface OptimizerShard {
  readonly parameter: Parameter;
  readonly group: Communicator;
  /** Elements [start, start + length) of the flattened parameter; length is 0 past its end. */
  readonly start: number;
  readonly length: number;
  /** Elements of every rank's piece, the padding of the last included. */
  readonly piece: number;
  /** Float32 weights of the piece; the parameter's own memory when that is float32 and whole. */
  readonly master: Tensor;
  readonly m: Tensor;
  readonly v: Tensor;
}

export interface OptimizerStep {
  /** Global gradient norm before clipping. */
  readonly gradNorm: number;
  /** Names of parameters whose gradient is not finite; the step was then not applied. */
  readonly nonFinite: readonly string[];
}

export class AdamW {
  readonly shards: readonly OptimizerShard[];
  readonly options: AdamwOptions;
  readonly arena: Arena;
  readonly #groups: ReplicaGroups;
  /** For each shard's sum of squares. */
  readonly #cells: Block;
  /** Steps applied, for the bias correction. */
  #applied = 0;

  constructor(model: DeepseekV3, options: AdamwOptions, groups: ReplicaGroups) {
    this.options = options;
    this.arena = model.arena;
    this.#groups = groups;
    model.weights.createGrads();
    this.shards = model.weights.trained.map((parameter) => this.#createShard(parameter));
    this.#cells = native().alloc(8 * this.shards.length);
  }

  get stepsApplied(): number {
    return this.#applied;
  }

  /** For resuming; the shards' tensors are restored by their reader. */
  set stepsApplied(count: number) {
    this.#applied = count;
  }

  /** Copies the working weights into the masters, after an initialisation or a load. */
  adoptWeights(): void {
    for (const shard of this.shards) {
      const { data, fp8 } = shard.parameter;
      if (shard.master.address === data.address) continue;
      if (fp8?.exact) {
        shard.master.floats().set(fp8.exact.floats().subarray(shard.start, shard.start + shard.length));
        fp8.exact.free();
        fp8.exact = null;
        continue;
      }
      const from = data.address + shard.start * bytesPerElement[data.dtype];
      if (shard.length > 0) native().convert(shard.master.address, from, shard.length, 0, data.code);
    }
  }

  /** Quantises the weights of FP8 linears from the masters, after these were loaded. */
  async publishMasters(): Promise<void> {
    for (const shard of this.shards) {
      const { fp8 } = shard.parameter;
      if (!fp8) continue;
      fp8.exact?.free();
      fp8.exact = null;
      await this.#gather(shard);
    }
  }

  /** The weights of FP8 linears, which exist whole in E4M3 alone, from every rank's masters in bfloat16, by name; the caller's to free. */
  async exactWeights(): Promise<Map<string, Tensor>> {
    const weights = new Map<string, Tensor>();
    for (const shard of this.shards) {
      const { name, fp8 } = shard.parameter;
      if (!fp8) continue;
      const whole = await this.#whole(shard);
      weights.set(name, whole.converted(this.arena, "bfloat16"));
      if (whole !== shard.master) whole.free();
    }
    return weights;
  }

  /** Sums gradients over ranks, clips, updates. Nothing changes if any gradient is not finite. */
  async step(learningRate: number): Promise<OptimizerStep> {
    for (const shard of this.shards) await this.#reduce(shard);
    const { gradNorm, nonFinite } = await this.#norm();
    if (nonFinite.length > 0) return { gradNorm, nonFinite };
    const { beta1, beta2, eps, weightDecay, maxGradNorm, momentDtype } = this.options;
    const clip = maxGradNorm > 0 && gradNorm > maxGradNorm ? maxGradNorm / gradNorm : 1;
    this.#applied++;
    const bias1 = 1 - beta1 ** this.#applied;
    const bias2 = 1 - beta2 ** this.#applied;
    const momentCode = momentDtype === "float32" ? 0 : 1;
    for (const shard of this.shards) {
      const { parameter, master, m, v, start, length } = shard;
      const { data, grad } = parameter;
      if (grad && length > 0) {
        const working = data.dtype === "bfloat16" ? data.address + start * 2 : null;
        const decay = parameter.hasDecay ? weightDecay : 0;
        native().adamw(
          master.address,
          working,
          m.address,
          v.address,
          grad.address + start * 4,
          length,
          clip,
          learningRate,
          beta1,
          beta2,
          eps,
          decay,
          bias1,
          bias2,
          momentCode,
        );
      }
      await this.#gather(shard);
    }
    return { gradNorm, nonFinite };
  }

  #createShard(parameter: Parameter): OptimizerShard {
    const isExpert = parameter.shape.length === 3;
    const group = isExpert ? this.#groups.experts : this.#groups.dense;
    const { size } = parameter.data;
    const piece = Math.ceil(size / group.size);
    const start = Math.min(size, group.rank * piece);
    const length = Math.max(0, Math.min(piece, size - start));
    const isOwn = parameter.data.dtype === "float32";
    const master = isOwn ? parameter.data.view(start, [length]) : Tensor.empty(this.arena, [length], "float32");
    const { momentDtype } = this.options;
    const m = Tensor.zeros(this.arena, [length], momentDtype);
    const v = Tensor.zeros(this.arena, [length], momentDtype);
    return { parameter, group, start, length, piece, master, m, v };
  }

  /** Leaves the sum over the group in this rank's piece of the gradient. */
  async #reduce({ parameter, group, start, length, piece }: OptimizerShard): Promise<void> {
    const { grad } = parameter;
    if (!grad || group.size === 1) return;
    const padded = Tensor.zeros(this.arena, [piece * group.size], "float32");
    const mine = Tensor.empty(this.arena, [piece], "float32");
    padded.floats().set(grad.floats());
    await group.reduceScatter(mine.floats(), padded.floats());
    grad.floats().set(mine.floats().subarray(0, length), start);
    padded.free();
    mine.free();
  }

  /** The float32 values of all ranks' pieces: the master itself where there is one piece, else new. */
  async #whole({ parameter, group, piece, master }: OptimizerShard): Promise<Tensor> {
    if (group.size === 1) return master;
    const mine = Tensor.zeros(this.arena, [piece], "float32");
    mine.floats().set(master.floats());
    const all = Tensor.empty(this.arena, [piece * group.size], "float32");
    await group.allGather(all.bytes(), mine.bytes());
    const whole = Tensor.empty(this.arena, parameter.shape, "float32");
    whole.floats().set(all.floats().subarray(0, whole.size));
    mine.free();
    all.free();
    return whole;
  }

  /** Gives every rank of the group the new weights of all pieces; E4M3 is made of the whole, for its blocks cross pieces. */
  async #gather(shard: OptimizerShard): Promise<void> {
    const { parameter, group, start, length, piece } = shard;
    if (parameter.fp8) {
      const whole = await this.#whole(shard);
      quantizeWeight(parameter, whole);
      if (whole !== shard.master) whole.free();
      return;
    }
    if (group.size === 1) return;
    const { data } = parameter;
    const bytes = bytesPerElement[data.dtype];
    const mine = new Uint8Array(piece * bytes);
    mine.set(data.bytes().subarray(start * bytes, (start + length) * bytes));
    const all = new Uint8Array(piece * bytes * group.size);
    await group.allGather(all, mine);
    data.bytes().set(all.subarray(0, data.size * bytes));
  }

  /** Every parameter is counted once over the world: each rank adds its own pieces. */
  async #norm(): Promise<OptimizerStep> {
    const totals = new Float64Array(this.#cells.buffer, 0, this.shards.length).fill(0);
    this.shards.forEach(({ parameter, start, length }, i) => {
      if (!parameter.grad || length === 0) return;
      native().sumSquares(this.#cells.address + 8 * i, parameter.grad.address + start * 4, length, 0);
    });
    await this.#groups.world.allReduce(totals, "sum");
    const nonFinite = this.shards.filter((_, i) => !Number.isFinite(totals[i])).map(({ parameter }) => parameter.name);
    return { gradNorm: Math.sqrt(totals.reduce((sum, value) => sum + value, 0)), nonFinite };
  }
}
