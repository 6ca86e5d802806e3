/**
 * One transformer layer as four phases: attention, dispatch, experts, combine (report 3.2.1). Each phase is a function with explicit inputs
 * and outputs and its own tape segment, so that a pipeline schedule can interleave the phases of two micro-batches; `forward` runs them
 * one after the other. A dense layer has an empty dispatch and combine.
 */
import type { Communicator } from "../distributed/communicator.js";
import { add, gatherRows } from "../tensor/ops/elementwise.js";
import type { LatentCacheView, LatentRows } from "../tensor/ops/latentAttention.js";
import type { RowKind } from "../tensor/ops/products.js";
import { addRmsNorm, rmsNorm } from "../tensor/ops/rmsNorm.js";
import type { RopeTables } from "../tensor/ops/rope.js";
import type { Parameter } from "../tensor/parameter.js";
import type { Recomputable, Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Batch } from "./batch.js";
import { isMoeLayer, type ModelConfig } from "./config.js";
import { GroupedQueryAttention } from "./gqa.js";
import { MultiHeadLatentAttention } from "./mla.js";
import { SwigluMlp } from "./mlp.js";
import { type Dispatched, type DispatchOptions, type Dropping, MoE } from "./moe.js";
import type { Pause } from "./pieces.js";
import type { Weights } from "./weights.js";

/** How a block's attention sees other positions: whole sequences, or new rows against a latent cache. */
export type AttentionContext =
  | {
      readonly kind: "prefill";
      readonly batch: Batch;
      /** Where latents go and those of positions before the batch come from; null: whole sequences, nothing kept. */
      readonly cache: PrefillCache | null;
      /** V2's token dropping, in training: what a group of experts computes at most, 1 = the even share. Default: no limit. */
      readonly deviceCapacity?: number | null;
    }
  | { readonly kind: "decode"; readonly positions: Tensor; readonly cache: (layer: number) => LatentCacheView };

/**
 * Where among some rows a sequence's are: a beginning that other sequences may have too, and the rest. The two of one of those that share a
 * beginning lie one behind the other, and its rest is the longest.
 */
export interface SeenRows {
  readonly shared: { readonly begin: number; readonly rows: number };
  readonly rest: { readonly begin: number; readonly rows: number };
}

/** A latent cache as a prefill meets it. No gradients. */
export interface PrefillCache {
  /**
   * Keeps the new rows of a layer.
   * @returns what attention sees: latents that may be written over, and where those of each sequence are, from its first position on
   */
  extend(
    tape: Tape,
    layer: number,
    rows: LatentRows,
  ): { readonly seen: LatentRows; readonly sequences: readonly SeenRows[] };
  /** Called between pieces of work of some tens of milliseconds, to let others have the processor; null: nobody waits. */
  readonly pause: Pause | null;
}

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

  /** Its matrices in the order in which decoding reads them. */
  get readOrder(): readonly Parameter[] {
    const { selfAttn, mlp } = this;
    return [...(selfAttn instanceof MultiHeadLatentAttention ? selfAttn.readOrder : []), ...mlp.readOrder];
  }

  /**
   * @param h [T, hiddenSize], the residual stream
   * @param onDispatched sees each MoE layer's routing: counts, balance losses, reports
   * @param wanted rows to return, of a prefill through a cache; null: all
   * @returns [T or wanted, hiddenSize], new
   */
  async forward(
    tape: Tape,
    h: Tensor,
    context: AttentionContext,
    tables: RopeTables,
    onDispatched: ((layer: number, dispatched: Dispatched) => void) | null,
    wanted: readonly number[] | null = null,
  ): Promise<Tensor> {
    return tape.scopedAsync(async () => {
      const attended =
        context.kind === "prefill" && context.cache
          ? await this.#extend(tape, h, context.cache, context.batch, tables, wanted)
          : this.attention(tape, h, context, tables);
      const pause = (context.kind === "prefill" ? context.cache?.pause : null) ?? null;
      if (!(this.mlp instanceof MoE)) return this.dense(tape, this.mlp, attended, context.kind, pause);
      const dispatched = await this.dispatch(tape, this.mlp, attended, context.kind, {
        dropping: droppingOf(context),
        replay: context.kind === "prefill" ? (context.batch.replays?.get(this.layer) ?? null) : null,
      });
      onDispatched?.(this.layer, dispatched);
      const { y, shared } = pause
        ? await this.#expertsInPieces(tape, this.mlp, attended, dispatched, pause)
        : this.experts(tape, this.mlp, attended, dispatched, context.kind);
      return this.combine(tape, this.mlp, attended, dispatched, y, shared);
    });
  }

  /** Phase 1: h + Attn(norm(h)), and the norm that the feed-forward part reads. */
  attention(tape: Tape, h: Tensor, context: AttentionContext, tables: RopeTables): Attended {
    tape.beginSegment();
    const normed = rmsNorm(tape, h, this.inputLayernorm, this.#eps);
    const attention = this.#attend(tape, normed.y, context, tables);
    const attended = addRmsNorm(tape, h, attention, this.postAttentionLayernorm, this.#eps);
    tape.release(attention);
    tape.dropUntilBackward([normed.y], normed.recompute);
    return { h: attended.sum, normed: attended };
  }

  /** Phase 2. */
  async dispatch(
    tape: Tape,
    moe: MoE,
    attended: Attended,
    kind: RowKind,
    options: DispatchOptions,
  ): Promise<Dispatched> {
    tape.beginSegment();
    return moe.dispatch(tape, attended.normed.y, kind, options);
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

  /** Phase 3 of a prompt, with pauses. */
  async #expertsInPieces(
    tape: Tape,
    moe: MoE,
    attended: Attended,
    dispatched: Dispatched,
    pause: Pause,
  ): Promise<{ readonly y: Tensor; readonly shared: Tensor | null }> {
    const shared = (await moe.sharedExperts?.forwardInPieces(tape, attended.normed.y, pause)) ?? null;
    return { y: await moe.expertsInPieces(tape, dispatched, pause), shared };
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
  async dense(tape: Tape, mlp: SwigluMlp, attended: Attended, kind: RowKind, pause: Pause | null): Promise<Tensor> {
    tape.beginSegment();
    const { y: x } = attended.normed;
    const output = pause ? await mlp.forwardInPieces(tape, x, pause) : mlp.forward(tape, x, kind);
    const out = add(tape, attended.h, output);
    tape.release(output);
    tape.dropUntilBackward([attended.normed.y], attended.normed.recompute);
    return out;
  }

  /** Phase 1 through a latent cache, with pauses. */
  async #extend(
    tape: Tape,
    h: Tensor,
    cache: PrefillCache,
    batch: Batch,
    tables: RopeTables,
    wanted: readonly number[] | null,
  ): Promise<Attended> {
    const normed = rmsNorm(tape, h, this.inputLayernorm, this.#eps);
    const attention = await latentAttention(this.selfAttn).extend(tape, normed.y, batch, tables, this.layer, cache);
    const of = (rows: Tensor): Tensor => (wanted ? gatherRows(tape, rows, wanted) : rows);
    const attended = addRmsNorm(tape, of(h), of(attention), this.postAttentionLayernorm, this.#eps);
    await cache.pause?.();
    return { h: attended.sum, normed: attended };
  }

  #attend(tape: Tape, x: Tensor, context: AttentionContext, tables: RopeTables): Tensor {
    if (context.kind === "prefill") return this.selfAttn.forward(tape, x, context.batch, tables);
    return latentAttention(this.selfAttn).decode(tape, x, context.positions, tables, context.cache(this.layer));
  }
}

/** @throws RangeError for attention that has no latent cache */
function latentAttention(attention: MultiHeadLatentAttention | GroupedQueryAttention): MultiHeadLatentAttention {
  if (attention instanceof MultiHeadLatentAttention) return attention;
  throw new RangeError(
    "decoding needs the latent cache of `attention: mla`; the gqa and mha baselines only train and score",
  );
}

function droppingOf(context: AttentionContext): Dropping | null {
  if (context.kind !== "prefill") return null;
  const { batch, deviceCapacity = null } = context;
  return deviceCapacity === null ? null : { batch, capacityFactor: deviceCapacity };
}
