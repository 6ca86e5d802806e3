/**
 * DeepSeek-V3: embedding, pre-norm blocks of latent attention and DeepSeekMoE, final norm, output head, and the multi-token-prediction
 * modules beside them. Used by training, evaluation and serving alike; V2-style checkpoints and the baselines are a matter of config.
 *
 *   h = Emb(t)        for each layer: h += Attn(norm(h)); h += FFN(norm(h))        logits = head(norm(h))
 */
import type { Communicator } from "../distributed/communicator.js";
import { Arena } from "../tensor/arena.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import { type CrossEntropyResult, linearCrossEntropy } from "../tensor/ops/crossEntropy.js";
import { embedding } from "../tensor/ops/embedding.js";
import { linear } from "../tensor/ops/linear.js";
import { rmsNorm } from "../tensor/ops/rmsNorm.js";
import type { RopeTables } from "../tensor/ops/rope.js";
import type { Parameter } from "../tensor/parameter.js";
import { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ModelAdapter } from "./adapter.js";
import type { Batch } from "./batch.js";
import { type AttentionContext, Block } from "./block.js";
import type { ModelConfig } from "./config.js";
import type { Fp8Options } from "./fp8.js";
import { type Dispatched, MoE } from "./moe.js";
import { MtpModule } from "./mtp.js";
import type { Pause } from "./pieces.js";
import { createRopeTables } from "./rope.js";
import type { BalanceFactors, RouterReport } from "./router.js";
import { type StorageOf, Weights } from "./weights.js";

/** Factors that turn a batch's losses into the gradient of one training step. */
export interface LossWeights {
  /**
   * The divisor T of every cross-entropy: targets of the main head in the whole step, over micro-batches and ranks; 1 where a batch's
   * `scales` hold all of it.
   */
  readonly globalTargets: number;
  readonly globalSequences: number;
  /** lambda of the MTP loss; divided by the number of depths */
  readonly mtp: number;
  readonly balance: BalanceFactors;
  /** V2's token dropping: what a group of experts computes at most, 1 = the even share. Default: nothing is dropped. */
  readonly deviceCapacity?: number | null;
  /** Logits are divided by it before the loss. Default 1. */
  readonly temperature?: number;
}

/** Sums over the batch, so that they add up over micro-batches and ranks. */
export interface BatchLosses {
  /** Sum of cross-entropies in nats, main head, each times its scale where the batch has scales; the same below */
  readonly main: number;
  /** The same for each MTP depth. */
  readonly mtp: readonly number[];
  /** Rows whose arg max was the target: main, then each depth. */
  readonly correct: readonly number[];
  /** Rows with a target: main, then each depth. */
  readonly targets: readonly number[];
  /** Per MoE layer, in layer order, MTP layers last. */
  readonly routers: readonly { readonly layer: number; readonly report: RouterReport }[];
}

/** Of each row's target, 0 where it has none. */
export interface TokenLogprobs {
  /** [T] natural logarithms */
  readonly logprobs: Float32Array;
  /** [T] entropy of the row's distribution in nats */
  readonly entropies: Float32Array;
  /** [T] 1 where the target is the arg max */
  readonly correct: Int32Array;
}

/** Final states of a forward pass. */
export interface Hidden {
  /** [T, hiddenSize] before model.norm; with `wanted` those rows alone, here and below */
  readonly raw: Tensor;
  /** [T, hiddenSize] after model.norm: input of the head */
  readonly normed: Tensor;
}

export type OnDispatched = (layer: number, dispatched: Dispatched) => void;

/** Hears a forward pass and gathers what its routers report. */
export interface RouterWatch {
  readonly onDispatched: OnDispatched;
  readonly routers: BatchLosses["routers"];
}

export class DeepseekV3 {
  readonly config: ModelConfig;
  readonly dtype: ComputeDtype;
  readonly fp8: Fp8Options | null;
  readonly arena: Arena;
  readonly weights: Weights;
  readonly embedTokens: Parameter;
  readonly layers: readonly Block[];
  readonly norm: Parameter;
  readonly lmHead: Parameter;
  readonly mtp: readonly MtpModule[];
  /** Over the frozen weights; see adapter.ts. */
  adapter: ModelAdapter | null = null;
  #tables: RopeTables | null = null;

  /**
   * Parameters are zero (norm weights one) until `initialize` or a checkpoint fills them.
   * @param experts see MoE @param storageOf matrices to keep quantised, and frozen; none by default
   * @param fp8 how to train linears in FP8; null: in the compute type
   */
  constructor(
    config: ModelConfig,
    dtype: ComputeDtype,
    experts: Communicator,
    storageOf?: StorageOf,
    fp8: Fp8Options | null = null,
  ) {
    this.fp8 = fp8;
    this.config = config;
    this.dtype = dtype;
    this.arena = new Arena();
    this.weights = new Weights(this.arena, dtype, storageOf, fp8);
    this.embedTokens = this.weights.matrix("model.embed_tokens.weight", config.vocabSize, config.hiddenSize);
    this.layers = Array.from(
      { length: config.numHiddenLayers },
      (_, layer) => new Block(this.weights, config, layer, experts),
    );
    this.norm = this.weights.norm("model.norm.weight", config.hiddenSize);
    this.lmHead = this.weights.matrix("lm_head.weight", config.vocabSize, config.hiddenSize);
    const order = [...this.layers.flatMap(({ readOrder }) => readOrder), this.lmHead];
    for (const [i, matrix] of order.entries()) matrix.next = order[i + 1] ?? order[0] ?? null;
    this.mtp = Array.from(
      { length: config.numNextnPredictLayers },
      (_, k) => new MtpModule(this.weights, config, k + 1, experts),
    );
  }

  get parameters(): readonly Parameter[] {
    return this.weights.all;
  }

  /** MoE layers by checkpoint index, those of MTP modules last. */
  get moeLayers(): readonly { readonly layer: number; readonly moe: MoE }[] {
    return [...this.layers, ...this.mtp.map((module) => module.block)].flatMap(({ layer, mlp }) =>
      mlp instanceof MoE ? [{ layer, moe: mlp }] : [],
    );
  }

  /** Rotation tables for at least `positions` positions; grown by doubling, so that a decode rarely rebuilds them. */
  tables(positions: number): RopeTables {
    if (!this.#tables || this.#tables.cos.rows < positions) {
      this.#tables?.cos.free();
      this.#tables?.sin.free();
      this.#tables = createRopeTables(this.arena, this.config, Math.max(256, 2 ** Math.ceil(Math.log2(positions))));
    }
    return this.#tables;
  }

  /**
   * Embedding, blocks and final norm.
   * @param ids [T] int32 @param positions number of positions the tables must cover @param pause called after each layer
   * @param wanted rows whose states are returned, of a prefill through a cache: the last layer's experts then compute no others; null: all
   */
  async hidden(
    tape: Tape,
    ids: Tensor,
    context: AttentionContext,
    positions: number,
    onDispatched: OnDispatched | null = null,
    pause: Pause | null = null,
    wanted: readonly number[] | null = null,
  ): Promise<Hidden> {
    const tables = this.tables(positions);
    let h = embedding(tape, ids, this.embedTokens, this.dtype);
    for (const block of this.layers) {
      const isLast = block === this.layers.at(-1);
      const next = await block.forward(tape, h, context, tables, onDispatched, isLast ? wanted : null);
      if (!tape.hasGrad) h.free();
      h = next;
      if (pause) await pause();
    }
    return { raw: h, normed: rmsNorm(tape, h, this.norm, this.config.rmsNormEps).y };
  }

  /** [rows, vocab] float32 logits of normed states. */
  logits(tape: Tape, normed: Tensor, kind: "prefill" | "decode" = "prefill"): Tensor {
    return linear(tape, normed, this.lmHead, kind, "float32");
  }

  /**
   * Losses of a batch with targets. With a tape that has gradients, `tape.backward()` afterwards leaves d(total)/d(parameter) added to
   * every parameter's gradient, total = main / T + lambda / D sum of MTP_k / T + balance losses. The MTP divisor is T, as printed
   * in the report, although depth k has T - k terms.
   */
  async losses(
    tape: Tape,
    batch: Batch,
    weights: LossWeights,
    onDispatched: OnDispatched | null = null,
  ): Promise<BatchLosses> {
    const watch = this.watchRouters(tape, batch, weights);
    const hears: OnDispatched = (layer, dispatched) => {
      watch.onDispatched(layer, dispatched);
      onDispatched?.(layer, dispatched);
    };
    const scaleOf = (depth: number): number =>
      depth === 0 ? 1 / weights.globalTargets : weights.mtp / this.mtp.length / weights.globalTargets;
    const { deviceCapacity = null, temperature = 1 } = weights;
    const heads = await this.#heads(tape, batch, hears, scaleOf, { deviceCapacity, temperature });
    const sums = heads.map(({ losses }, depth) => {
      const scales = (depth === 0 ? batch.scales : batch.mtp[depth - 1]?.scales)?.floats();
      return losses.floats().reduce((sum, loss, row) => sum + loss * (scales?.[row] ?? 1), 0);
    });
    const [main = 0, ...mtp] = sums;
    const correct = heads.map((head) => head.correct.ints().reduce((sum, hit) => sum + hit, 0));
    return { main, mtp, correct, targets: batch.numTargets, routers: watch.routers };
  }

  /** For `hidden` of a batch: reports of its routers, whose balance losses enter the tape. */
  watchRouters(tape: Tape, batch: Batch, weights: Pick<LossWeights, "balance" | "globalSequences">): RouterWatch {
    const routers: { layer: number; report: RouterReport }[] = [];
    const gates = new Map(this.moeLayers.map(({ layer, moe }) => [layer, moe.gate]));
    const onDispatched: OnDispatched = (layer, { routing }) => {
      const report = gates.get(layer)?.report(tape, routing, batch, weights.balance, weights.globalSequences);
      if (report) routers.push({ layer, report });
    };
    return { onDispatched, routers };
  }

  /**
   * Cross-entropy in nats of every target of a batch, without gradients: main head, then each MTP depth; 0 where a row has no target.
   * @returns arrays of [T]
   */
  async tokenLosses(batch: Batch, onDispatched: OnDispatched | null = null): Promise<Float32Array[]> {
    using tape = new Tape(this.arena, { hasGrad: false });
    const heads = await this.#heads(tape, batch, onDispatched, () => 0, { deviceCapacity: null, temperature: 1 });
    return heads.map(({ losses }) => losses.floats().slice());
  }

  /**
   * What a policy says of a batch's targets, without gradients and without MTP.
   * @param temperature logits are divided by it, as the sampler divides them
   */
  async tokenLogprobs(
    batch: Batch,
    temperature: number,
    onDispatched: OnDispatched | null = null,
  ): Promise<TokenLogprobs> {
    if (!batch.targets) throw new Error("internal: log-probabilities of a batch without targets");
    using tape = new Tape(this.arena, { hasGrad: false });
    const context: AttentionContext = { kind: "prefill", batch, cache: null };
    const { normed } = await this.hidden(tape, batch.ids, context, batch.maxSequenceLength, onDispatched);
    const options = { temperature, entropies: true };
    const { losses, entropies, correct } = linearCrossEntropy(tape, normed, this.lmHead, batch.targets, 0, options);
    return {
      logprobs: losses.floats().map((loss) => -loss),
      entropies: entropies?.floats().slice() ?? new Float32Array(),
      correct: correct.ints().slice(),
    };
  }

  /** Losses of the main head and of each MTP depth. @param scaleOf factor of each one's gradient */
  async #heads(
    tape: Tape,
    batch: Batch,
    onDispatched: OnDispatched | null,
    scaleOf: (depth: number) => number,
    { deviceCapacity, temperature }: { readonly deviceCapacity: number | null; readonly temperature: number },
  ): Promise<CrossEntropyResult[]> {
    const { targets } = batch;
    if (!targets) throw new Error("internal: losses of a batch without targets");
    const context: AttentionContext = { kind: "prefill", batch, cache: null, deviceCapacity };
    const length = batch.maxSequenceLength;
    const hidden = await this.hidden(tape, batch.ids, context, length, onDispatched);
    tape.beginSegment();
    const options = { temperature, rowScales: batch.scales };
    const heads = [linearCrossEntropy(tape, hidden.normed, this.lmHead, targets, scaleOf(0), options)];
    let previous = this.config.mtpHiddenPostNorm ? hidden.normed : hidden.raw;
    for (const [k, module] of this.mtp.entries()) {
      const shifted = batch.mtp[k];
      if (!shifted) break;
      const output = await module.forward(
        tape,
        previous,
        shifted.ids,
        this.embedTokens,
        context,
        this.tables(length),
        onDispatched,
      );
      const ofDepth = { temperature, rowScales: shifted.scales };
      heads.push(linearCrossEntropy(tape, output.normed, this.lmHead, shifted.targets, scaleOf(k + 1), ofDepth));
      previous = this.config.mtpHiddenPostNorm ? output.normed : output.hidden;
    }
    return heads;
  }

  free(): void {
    this.weights.free();
    this.#tables?.cos.free();
    this.#tables?.sin.free();
    this.#tables = null;
  }
}
