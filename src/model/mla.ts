/**
 * Multi-head latent attention: keys and values are rebuilt from one small vector per token, so the cache holds kvLoraRank +
 * qkRopeHeadDim numbers per token instead of heads x dims. DeepSeek-V3 report, section 2.1.1; model.md A2.
 * Training and prefill build keys and values per head (naive form); decoding uses the absorbed form (W_UK folded into the query, W_UV into
 * the output); mla.test.ts holds both equal.
 * T rows, H heads, C kvLoraRank, R qkRopeHeadDim, N qkNopeHeadDim, V vHeadDim
 */
import { native } from "../tensor/native.js";
import { attention } from "../tensor/ops/attention.js";
import { splitColumns } from "../tensor/ops/elementwise.js";
import { keepQuantized } from "../tensor/ops/fp8Linear.js";
import { linear } from "../tensor/ops/linear.js";
import { productOfHeads, productWithMatrix, type RowKind } from "../tensor/ops/products.js";
import { rmsNorm } from "../tensor/ops/rmsNorm.js";
import { type RopeTables, rope, rotate } from "../tensor/ops/rope.js";
import type { Parameter } from "../tensor/parameter.js";
import type { Recomputable, Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Batch } from "./batch.js";
import { type ModelConfig, softmaxScale } from "./config.js";
import type { Weights } from "./weights.js";

/** One layer of a latent cache, as decoding reads and writes it; generate/kvCache.ts owns the pages. */
export interface LatentCacheView {
  /** [pages, pageSize, C + R] */
  readonly pages: Tensor;
  readonly pageSize: number;
  /** [rows, maxPages] int32 */
  readonly blockTable: Tensor;
  /** [rows] int32: positions a row may see, its own included */
  readonly lengths: Tensor;
  /** [rows] int32: where each row's own entry goes, counted in entries over all pages */
  readonly slots: Tensor;
}

/** The latent rows of a prefill, for the cache: latent [T, C] after its norm, kRope [T, R] after the rotation. */
export interface LatentRows {
  readonly latent: Tensor;
  readonly kRope: Tensor;
}

export class MultiHeadLatentAttention {
  readonly qProj: Parameter | null;
  readonly qAProj: Parameter | null;
  readonly qALayernorm: Parameter | null;
  readonly qBProj: Parameter | null;
  readonly kvAProjWithMqa: Parameter;
  readonly kvALayernorm: Parameter;
  readonly kvBProj: Parameter;
  readonly oProj: Parameter;
  readonly #config: ModelConfig;
  readonly #scale: number;

  constructor(weights: Weights, prefix: string, config: ModelConfig) {
    const { hiddenSize, qLoraRank, kvLoraRank, numAttentionHeads: heads } = config;
    const qDim = heads * (config.qkNopeHeadDim + config.qkRopeHeadDim);
    this.#config = config;
    this.#scale = softmaxScale(config);
    const isCompressed = qLoraRank !== null;
    this.qProj = isCompressed ? null : weights.matrix(`${prefix}.q_proj.weight`, qDim, hiddenSize);
    this.qAProj = isCompressed ? weights.matrix(`${prefix}.q_a_proj.weight`, qLoraRank, hiddenSize) : null;
    this.qALayernorm = isCompressed ? weights.norm(`${prefix}.q_a_layernorm.weight`, qLoraRank) : null;
    this.qBProj = isCompressed ? weights.matrix(`${prefix}.q_b_proj.weight`, qDim, qLoraRank) : null;
    this.kvAProjWithMqa = weights.matrix(
      `${prefix}.kv_a_proj_with_mqa.weight`,
      kvLoraRank + config.qkRopeHeadDim,
      hiddenSize,
    );
    this.kvALayernorm = weights.norm(`${prefix}.kv_a_layernorm.weight`, kvLoraRank);
    this.kvBProj = weights.matrix(
      `${prefix}.kv_b_proj.weight`,
      heads * (config.qkNopeHeadDim + config.vHeadDim),
      kvLoraRank,
    );
    this.oProj = weights.matrix(`${prefix}.o_proj.weight`, hiddenSize, heads * config.vHeadDim);
  }

  /**
   * Naive form over whole sequences.
   * @param x [T, hiddenSize], normed
   * @param onLatent receives what a cache stores, before this returns
   * @returns [T, hiddenSize], new
   */
  forward(
    tape: Tape,
    x: Tensor,
    batch: Batch,
    tables: RopeTables,
    onLatent: ((rows: LatentRows) => void) | null,
  ): Tensor {
    const c = this.#config;
    const q = this.#query(tape, x, batch.positions, tables, "prefill");
    const { latent, kRope } = this.#latent(tape, x, batch.positions, tables, "prefill");
    onLatent?.({ latent, kRope });
    const kv = linear(tape, latent, this.kvBProj); // [T, H * (N + V)], per head key part then value
    const o = attention(tape, q.y, kv, kRope, batch.seqOffsets, {
      heads: c.numAttentionHeads,
      kvHeads: c.numAttentionHeads,
      nopeDim: c.qkNopeHeadDim,
      ropeDim: c.qkRopeHeadDim,
      vDim: c.vHeadDim,
      scale: this.#scale,
    });
    // Up-projections are not stored but computed again from the latents (report 3.2.3).
    tape.dropUntilBackward([q.y], q.recompute);
    if (q.normed) tape.dropUntilBackward([q.normed.y], q.normed.recompute);
    tape.dropUntilBackward([kv], () => productWithMatrix(tape, kv, latent, this.kvBProj, "prefill"));
    const y = linear(tape, o, this.oProj);
    keepQuantized(tape, o);
    tape.release(latent); // An FP8 projection keeps its quantised rows.
    return y;
  }

  /**
   * Absorbed form: new rows are written to the cache, then each attends to its own first `lengths` positions.
   * @param x [rows, hiddenSize], normed; no gradient
   * @returns [rows, hiddenSize], new
   */
  decode(tape: Tape, x: Tensor, positions: Tensor, tables: RopeTables, cache: LatentCacheView): Tensor {
    if (tape.hasGrad) throw new Error("internal: the absorbed form has no backward");
    const { numAttentionHeads: heads, kvLoraRank: c, qkRopeHeadDim: r, qkNopeHeadDim: n, vHeadDim: v } = this.#config;
    const { rows } = x;
    const q = this.#query(tape, x, positions, tables, "decode").y;
    const { latent, kRope } = this.#latent(tape, x, positions, tables, "decode");
    writeLatent(cache, { latent, kRope });
    const absorbed = tape.empty([rows, heads * (c + r)], x.dtype);
    const size = x.dtype === "float32" ? 4 : 2;
    // kv_b_proj is [H, N + V, C]. q~[t, h] = q^C[t, h] U_K[h]: per head [rows, N] x [N, C]
    const perHead = { heads, rowStride: n + v };
    productOfHeads(absorbed, q, this.kvBProj, {
      ...perHead,
      firstRow: 0,
      xStride: n + r,
      yStride: c + r,
      inner: n,
      outer: c,
      transposed: false,
    });
    // The rotated part of every head moves beside its absorbed part.
    for (let h = 0; h < heads; h++) {
      const to = absorbed.address + (h * (c + r) + c) * size;
      native().copyRows(to, q.address + (h * (n + r) + n) * size, rows, r, heads * (c + r), heads * (n + r), size);
    }
    const oLatent = tape.empty([rows, heads * c], x.dtype);
    native().mlaDecode(
      oLatent.address,
      absorbed.address,
      cache.pages.address,
      cache.blockTable.address,
      cache.lengths.address,
      rows,
      heads,
      c,
      r,
      cache.pageSize,
      cache.blockTable.columns,
      this.#scale,
      x.code,
      cache.pages.code,
    );
    // o[t, h] = U_V[h] o~[t, h]: per head [rows, C] x [V, C]^T
    const o = tape.empty([rows, heads * v], x.dtype);
    productOfHeads(o, oLatent, this.kvBProj, {
      ...perHead,
      firstRow: n,
      xStride: c,
      yStride: v,
      inner: c,
      outer: v,
      transposed: true,
    });
    return linear(tape, o, this.oProj, "decode");
  }

  /** [T, H * (N + R)], the last R values of each head rotated, and the normed latent that it is made of, if there is one. */
  #query(
    tape: Tape,
    x: Tensor,
    positions: Tensor,
    tables: RopeTables,
    kind: RowKind,
  ): Recomputable & { readonly normed: Recomputable | null } {
    const { numAttentionHeads: heads, qkNopeHeadDim: n, qkRopeHeadDim: r } = this.#config;
    const layout = { heads, headDim: n + r, offset: n, ropeDim: r };
    const { qAProj, qALayernorm, qBProj } = this;
    const isCompressed = qAProj !== null && qALayernorm !== null && qBProj !== null;
    const up = isCompressed ? qBProj : this.qProj;
    if (!up) throw new Error("internal: attention without a query projection");
    let from = x;
    let normed: Recomputable | null = null;
    if (isCompressed) {
      normed = rmsNorm(tape, linear(tape, x, qAProj, kind), qALayernorm, this.#config.latentNormEps);
      from = normed.y;
    }
    const y = linear(tape, from, up, kind);
    rope(tape, y, tables, positions, layout);
    const recompute = (): void => {
      productWithMatrix(tape, y, from, up, kind);
      rotate(y, tables, positions, layout, 1);
    };
    return { y, recompute, normed };
  }

  /** The normed latent [T, C] and the rotated shared key part [T, R]: exactly what the cache holds. */
  #latent(tape: Tape, x: Tensor, positions: Tensor, tables: RopeTables, kind: RowKind): LatentRows {
    const { kvLoraRank, qkRopeHeadDim: r } = this.#config;
    const z = linear(tape, x, this.kvAProjWithMqa, kind); // [T, C + R]
    const [cKV, kRope] = splitColumns(tape, z, kvLoraRank);
    tape.release(z);
    const latent = rmsNorm(tape, cKV, this.kvALayernorm, this.#config.latentNormEps).y;
    rope(tape, kRope, tables, positions, { heads: 1, headDim: r, offset: 0, ropeDim: r });
    return { latent, kRope };
  }
}

/** Puts latent rows into their slots of the cache. */
export function writeLatent(cache: Pick<LatentCacheView, "pages" | "slots">, rows: LatentRows): void {
  const { pages, slots } = cache;
  const c = rows.latent.columns;
  const r = rows.kRope.columns;
  const width = c + r;
  const size = pages.dtype === "float32" ? 4 : 2;
  const code = pages.code;
  slots.ints().forEach((slot, row) => {
    const to = pages.address + slot * width * size;
    native().convert(to, rows.latent.view(row * c, [c]).address, c, code, rows.latent.code);
    native().convert(to + c * size, rows.kRope.view(row * r, [r]).address, r, code, rows.kRope.code);
  });
}
