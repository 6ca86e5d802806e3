/**
 * Grouped-query and multi-head attention: the baselines that the paper compares latent attention with, chosen by config
 * (`attention: gqa | mha`). Rotary embedding covers the whole head, in the same interleaved layout as MLA.
 */
import { attention } from "../tensor/ops/attention.js";
import { keepQuantized } from "../tensor/ops/fp8Linear.js";
import { linear } from "../tensor/ops/linear.js";
import { type RopeTables, rope } from "../tensor/ops/rope.js";
import type { Parameter } from "../tensor/parameter.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Batch } from "./batch.js";
import { type ModelConfig, softmaxScale } from "./config.js";
import type { Weights } from "./weights.js";

export class GroupedQueryAttention {
  readonly qProj: Parameter;
  /** [kvHeads * 2 * headDim, hiddenSize]: per head the key's rows, then the value's */
  readonly kvProj: Parameter;
  readonly oProj: Parameter;
  readonly #config: ModelConfig;
  readonly #kvHeads: number;
  readonly #scale: number;

  constructor(weights: Weights, prefix: string, config: ModelConfig) {
    const { hiddenSize, numAttentionHeads, headDim } = config;
    this.#config = config;
    this.#kvHeads = config.attention === "mha" ? numAttentionHeads : config.numKeyValueHeads;
    this.#scale = softmaxScale(config);
    this.qProj = weights.matrix(`${prefix}.q_proj.weight`, numAttentionHeads * headDim, hiddenSize);
    this.kvProj = weights.matrix(`${prefix}.kv_proj.weight`, this.#kvHeads * 2 * headDim, hiddenSize);
    this.oProj = weights.matrix(`${prefix}.o_proj.weight`, hiddenSize, numAttentionHeads * headDim);
  }

  /** @param x [T, hiddenSize], normed @returns [T, hiddenSize], new */
  forward(tape: Tape, x: Tensor, batch: Batch, tables: RopeTables): Tensor {
    const { numAttentionHeads: heads, headDim } = this.#config;
    const q = linear(tape, x, this.qProj);
    const kv = linear(tape, x, this.kvProj);
    rope(tape, q, tables, batch.positions, { heads, headDim, offset: 0, ropeDim: headDim });
    rope(tape, kv, tables, batch.positions, {
      heads: this.#kvHeads,
      headDim: 2 * headDim,
      offset: 0,
      ropeDim: headDim,
    });
    const o = attention(tape, q, kv, null, batch.seqOffsets, {
      heads,
      kvHeads: this.#kvHeads,
      nopeDim: headDim,
      ropeDim: 0,
      vDim: headDim,
      scale: this.#scale,
    });
    const y = linear(tape, o, this.oProj);
    keepQuantized(tape, o);
    return y;
  }
}
