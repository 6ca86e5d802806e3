/**
 * One transformer layer as four phases: attention, dispatch, experts, combine (report 3.2.1). Each phase is a function with explicit inputs
 * and outputs and its own tape segment, so that a pipeline schedule can interleave the phases of two micro-batches; `forward` runs them
 * one after the other. A dense layer has an empty dispatch and combine.
 */
import type { Communicator } from "../distributed/communicator.js";
import { add } from "../tensor/ops/elementwise.js";
import type { RowKind } from "../tensor/ops/products.js";
import { rmsNorm } from "../tensor/ops/rmsNorm.js";
import type { RopeTables } from "../tensor/ops/rope.js";
import type { Parameter } from "../tensor/parameter.js";
import type { Recomputable, Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Batch } from "./batch.js";
import { isMoeLayer, type ModelConfig } from "./config.js";
import { GroupedQueryAttention } from "./gqa.js";
import { type LatentCacheView, type LatentRows, MultiHeadLatentAttention } from "./mla.js";
import { SwigluMlp } from "./mlp.js";
import { type Dispatched, type Dropping, MoE } from "./moe.js";
import type { Weights } from "./weights.js";

/** How a block's attention sees other positions: whole sequences, or new rows against a latent cache. */
export type AttentionContext =
  | {
      readonly kind: "prefill";
      readonly batch: Batch;
      readonly onLatent: ((layer: number, rows: LatentRows) => void) | null;
      /** V2's token dropping, in training: what a group of experts computes at most, 1 = the even share. Default: no limit. */
      readonly deviceCapacity?: number | null;
    }
  | { readonly kind: "decode"; readonly positions: Tensor; readonly cache: (layer: number) => LatentCacheView };

/** The residual stream after attention and what the feed-forward part reads. */
interface Attended {
  readonly h: Tensor;
  readonly normed: Recomputable;
}

export class Block {
  readonly layer: number;
  readonly inputLayernorm: Parameter;
  readonly selfAttn: MultiHeadLatentAttention | GroupedQueryAttention;
  readonly postAttentionLayernorm: Parameter;
  readonly mlp: SwigluMlp | MoE;
  readonly #eps: number;

  /** @param layer index in the checkpoint; MTP modules follow the main layers and are always MoE when the model has experts */
  constructor(weights: Weights, config: ModelConfig, layer: number, experts: Communicator) {
    const prefix = `model.layers.${layer}`;
    this.layer = layer;
    this.#eps = config.rmsNormEps;
    this.inputLayernorm = weights.norm(`${prefix}.input_layernorm.weight`, config.hiddenSize);
    this.selfAttn =
      config.attention === "mla"
        ? new MultiHeadLatentAttention(weights, `${prefix}.self_attn`, config)
        : new GroupedQueryAttention(weights, `${prefix}.self_attn`, config);
    this.postAttentionLayernorm = weights.norm(`${prefix}.post_attention_layernorm.weight`, config.hiddenSize);
    this.mlp = isMoeLayer(config, layer)
      ? new MoE(weights, `${prefix}.mlp`, config, experts)
      : new SwigluMlp(weights, `${prefix}.mlp`, config.hiddenSize, config.intermediateSize);
  }

  /**
   * @param h [T, hiddenSize], the residual stream
   * @param onDispatched sees each MoE layer's routing: counts, balance losses, reports
   * @returns [T, hiddenSize], new
   */
  async forward(
    tape: Tape,
    h: Tensor,
    context: AttentionContext,
    tables: RopeTables,
    onDispatched: ((layer: number, dispatched: Dispatched) => void) | null,
  ): Promise<Tensor> {
    return tape.scopedAsync(async () => {
      const attended = this.attention(tape, h, context, tables);
      if (!(this.mlp instanceof MoE)) return this.dense(tape, this.mlp, attended, context.kind);
      const dispatched = await this.dispatch(tape, this.mlp, attended, droppingOf(context));
      onDispatched?.(this.layer, dispatched);
      const { y, shared } = this.experts(tape, this.mlp, attended, dispatched, context.kind);
      return this.combine(tape, this.mlp, attended, dispatched, y, shared);
    });
  }

  /** Phase 1: h + Attn(norm(h)), and the norm that the feed-forward part reads. */
  attention(tape: Tape, h: Tensor, context: AttentionContext, tables: RopeTables): Attended {
    tape.beginSegment();
    const normed = rmsNorm(tape, h, this.inputLayernorm, this.#eps);
    const output = this.#attend(tape, normed.y, context, tables);
    const attended = add(tape, h, output);
    tape.release(output);
    tape.dropUntilBackward([normed.y], normed.recompute);
    return { h: attended, normed: rmsNorm(tape, attended, this.postAttentionLayernorm, this.#eps) };
  }

  /** Phase 2. */
  async dispatch(tape: Tape, moe: MoE, attended: Attended, dropping: Dropping | null): Promise<Dispatched> {
    tape.beginSegment();
    return moe.dispatch(tape, attended.normed.y, dropping);
  }

  /** Phase 3: routed experts, and the shared ones beside them. */
  experts(
    tape: Tape,
    moe: MoE,
    attended: Attended,
    dispatched: Dispatched,
    kind: RowKind,
  ): { readonly y: Tensor; readonly shared: Tensor | null } {
    tape.beginSegment();
    const shared = moe.sharedExperts?.forward(tape, attended.normed.y, kind) ?? null;
    return { y: moe.experts(tape, dispatched, kind), shared };
  }

  /** Phase 4. */
  async combine(
    tape: Tape,
    moe: MoE,
    attended: Attended,
    dispatched: Dispatched,
    y: Tensor,
    shared: Tensor | null,
  ): Promise<Tensor> {
    tape.beginSegment();
    const combined = await moe.combine(tape, dispatched, y, shared);
    const out = add(tape, attended.h, combined);
    tape.release(combined, ...(shared ? [shared] : []));
    tape.dropUntilBackward([attended.normed.y], attended.normed.recompute);
    return out;
  }

  /** The feed-forward part of a dense layer, in the place of phases 2 to 4. */
  dense(tape: Tape, mlp: SwigluMlp, attended: Attended, kind: RowKind): Tensor {
    tape.beginSegment();
    const output = mlp.forward(tape, attended.normed.y, kind);
    const out = add(tape, attended.h, output);
    tape.release(output);
    tape.dropUntilBackward([attended.normed.y], attended.normed.recompute);
    return out;
  }

  #attend(tape: Tape, x: Tensor, context: AttentionContext, tables: RopeTables): Tensor {
    const attention = this.selfAttn;
    if (context.kind === "prefill") {
      const { batch, onLatent } = context;
      if (attention instanceof GroupedQueryAttention) return attention.forward(tape, x, batch, tables);
      return attention.forward(tape, x, batch, tables, onLatent && ((rows) => onLatent(this.layer, rows)));
    }
    if (attention instanceof GroupedQueryAttention) {
      throw new RangeError(
        "decoding needs the latent cache of `attention: mla`; the gqa and mha baselines only train and score",
      );
    }
    return attention.decode(tape, x, context.positions, tables, context.cache(this.layer));
  }
}

function droppingOf(context: AttentionContext): Dropping | null {
  if (context.kind !== "prefill") return null;
  const { batch, deviceCapacity = null } = context;
  return deviceCapacity === null ? null : { batch, capacityFactor: deviceCapacity };
}
