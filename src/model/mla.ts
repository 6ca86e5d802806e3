/**
 * Multi-head latent attention: keys and values are rebuilt from one small vector per token, so the cache holds kvLoraRank +
 * qkRopeHeadDim numbers per token instead of heads x dims. DeepSeek-V3 report, section 2.1.1; model.md A2.
 * Training and prefill build keys and values per head (naive form); decoding uses the absorbed form (W_UK folded into the query, W_UV into
 * the output); mla.test.ts holds both equal.
 * T rows, H heads, C kvLoraRank, R qkRopeHeadDim, N qkNopeHeadDim, V vHeadDim
 */
import { type AttentionShape, attendBack, attention, type SeenKeys } from "../tensor/ops/attention.js";
import { splitColumns } from "../tensor/ops/elementwise.js";
import { keepQuantized } from "../tensor/ops/fp8Linear.js";
import {
  absorbQueries,
  appendLatents,
  attendLatents,
  expandValues,
  type LatentCacheView,
  type LatentRows,
  type LatentShape,
} from "../tensor/ops/latentAttention.js";
import { keepInput, linear } from "../tensor/ops/linear.js";
import { productWithMatrix, type RowKind } from "../tensor/ops/products.js";
import { rmsNorm } from "../tensor/ops/rmsNorm.js";
import { type RopeTables, rope, rotate } from "../tensor/ops/rope.js";
import type { Parameter } from "../tensor/parameter.js";
import type { Recomputable, Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Batch } from "./batch.js";
import type { PrefillCache, SeenRows } from "./block.js";
import { type ModelConfig, softmaxScale } from "./config.js";
import { type Pause, pieces } from "./pieces.js";
import type { Weights } from "./weights.js";

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
  readonly #shape: LatentShape;
  readonly #naiveShape: AttentionShape;

  constructor(weights: Weights, prefix: string, config: ModelConfig) {
    const { hiddenSize, qLoraRank, kvLoraRank, numAttentionHeads: heads } = config;
    const qDim = heads * (config.qkNopeHeadDim + config.qkRopeHeadDim);
    this.#config = config;
    this.#scale = softmaxScale(config);
    this.#shape = {
      heads,
      nopeDim: config.qkNopeHeadDim,
      ropeDim: config.qkRopeHeadDim,
      latentDim: kvLoraRank,
      vDim: config.vHeadDim,
    };
    this.#naiveShape = { ...this.#shape, kvHeads: heads, scale: this.#scale };
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

  /** Matrices in the order in which decoding reads them. */
  get readOrder(): readonly Parameter[] {
    const { qProj, qAProj, qBProj, kvAProjWithMqa, kvBProj, oProj } = this;
    return [qProj, qAProj, qBProj, kvAProjWithMqa, kvBProj, oProj].flatMap((matrix) => matrix ?? []);
  }

  /**
   * Naive form over whole sequences.
   * @param x [T, hiddenSize], normed
   * @returns [T, hiddenSize], new
   */
  forward(tape: Tape, x: Tensor, batch: Batch, tables: RopeTables): Tensor {
    const q = this.#query(tape, x, batch.positions, tables);
    const { latent, kRope } = this.#latent(tape, x, batch.positions, tables);
    const kv = linear(tape, latent, this.kvBProj); // [T, H * (N + V)], per head key part then value
    keepInput(tape, latent, this.kvBProj);
    const o = attention(tape, q.y, kv, kRope, batch.seqOffsets, this.#naiveShape);
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
   * Naive form of rows that continue sequences whose latents a cache holds. Every row gets the bits of one pass over the whole sequence if
   * passes begin at multiples of 64, however they are cut.
   * @param x [T, hiddenSize], normed; no gradient
   * @returns [T, hiddenSize], new
   */
  async extend(
    tape: Tape,
    x: Tensor,
    batch: Batch,
    tables: RopeTables,
    layer: number,
    cache: PrefillCache,
  ): Promise<Tensor> {
    const q = this.#query(tape, x, batch.positions, tables).y;
    const { seen, sequences } = cache.extend(tape, layer, this.#latent(tape, x, batch.positions, tables));
    const kv = tape.empty([seen.latent.rows, this.kvBProj.shape[0] ?? 0], x.dtype);
    const o = tape.empty([x.rows, this.oProj.shape[1] ?? 0], x.dtype);
    const { pause } = cache;
    for (const { begin, rows } of pieces(kv.rows, 2 * kv.columns * seen.latent.columns)) {
      productWithMatrix(tape, kv.rowsFrom(begin, rows), seen.latent.rowsFrom(begin, rows), this.kvBProj, "prefill");
      await pause?.();
    }
    await this.#attendInTurns(tape, o, q, { kv, kRope: seen.kRope }, batch.seqOffsets, sequences, pause);
    return linear(tape, o, this.oProj);
  }

  /**
   * One sequence after the other, whole blocks of queries at a time, so that the bits are those of one call. Keys and values of a beginning
   * that sequences share are there once: those of each one's rest are brought behind it, over those of the one before.
   * @param o [T, H * V], overwritten
   */
  async #attendInTurns(
    tape: Tape,
    o: Tensor,
    q: Tensor,
    { kv, kRope }: Omit<SeenKeys, "offsets">,
    seqOffsets: Tensor,
    sequences: readonly SeenRows[],
    pause: Pause | null,
  ): Promise<void> {
    const { heads, nopeDim: n, ropeDim: r, vDim: v } = this.#naiveShape;
    const queryOffsets = seqOffsets.ints();
    // The one that lies behind the shared beginning has its turn before it is written over.
    const isInPlace = ({ shared, rest }: SeenRows): boolean => shared.begin + shared.rows === rest.begin;
    const turns = sequences
      .map((seen, s) => ({ seen, s }))
      .sort((a, b) => Number(isInPlace(b.seen)) - Number(isInPlace(a.seen)));
    for (const { seen, s } of turns) {
      const { shared, rest } = seen;
      const [first = 0, end = 0] = queryOffsets.subarray(s, s + 2);
      const firstKey = shared.begin;
      const total = shared.rows + rest.rows;
      if (!isInPlace(seen)) {
        for (const keys of [kv, kRope]) if (keys) copyRows(keys, shared.begin + shared.rows, rest.begin, rest.rows);
      }
      for (const { begin, rows } of pieces(end - first, 2 * heads * (n + r + v) * total)) {
        const numKeys = total - (end - first) + begin + rows;
        const keys = {
          kv: kv.rowsFrom(firstKey, numKeys),
          kRope: kRope?.rowsFrom(firstKey, numKeys) ?? null,
          offsets: tape.ints([0, numKeys]),
        };
        const [to, from] = [o.rowsFrom(first + begin, rows), q.rowsFrom(first + begin, rows)];
        attendBack(tape, to, from, keys, tape.ints([0, rows]), this.#naiveShape);
        await pause?.();
      }
    }
  }

  /**
   * Absorbed form: new rows are written to the cache, then each attends to its own first `lengths` positions.
   * @param x [rows, hiddenSize], normed; no gradient
   * @returns [rows, hiddenSize], new
   */
  decode(tape: Tape, x: Tensor, positions: Tensor, tables: RopeTables, cache: LatentCacheView): Tensor {
    if (tape.hasGrad) throw new Error("internal: the absorbed form has no backward");
    const q = this.#projectQuery(tape, x, "decode").y;
    const z = linear(tape, x, this.kvAProjWithMqa, "decode"); // [rows, C + R]
    appendLatents(cache, z, this.kvALayernorm, this.#config.latentNormEps, tables, positions);
    const absorbed = absorbQueries(tape, q, this.kvBProj, tables, positions, this.#shape); // [rows, H * (C + R)]
    const oLatent = attendLatents(tape, absorbed, cache, this.#shape, this.#scale); // [rows, H * C]
    const o = expandValues(tape, oLatent, this.kvBProj, this.#shape); // [rows, H * V]
    return linear(tape, o, this.oProj, "decode");
  }

  /** [T, H * (N + R)], the last R values of each head rotated, and the normed latent that it is made of, if there is one. */
  #query(
    tape: Tape,
    x: Tensor,
    positions: Tensor,
    tables: RopeTables,
  ): Recomputable & { readonly normed: Recomputable | null } {
    const { numAttentionHeads: heads, qkNopeHeadDim: n, qkRopeHeadDim: r } = this.#config;
    const layout = { heads, headDim: n + r, offset: n, ropeDim: r };
    const { y, from, up, normed } = this.#projectQuery(tape, x, "prefill");
    keepInput(tape, from, up);
    rope(tape, y, tables, positions, layout);
    const recompute = (): void => {
      productWithMatrix(tape, y, from, up, "prefill");
      rotate(y, tables, positions, layout, 1);
    };
    return { y, recompute, normed };
  }

  /** The same before the rotation, with what it is the product of: `from` [T, qLoraRank or hiddenSize] and `up`. */
  #projectQuery(
    tape: Tape,
    x: Tensor,
    kind: RowKind,
  ): { readonly y: Tensor; readonly from: Tensor; readonly up: Parameter; readonly normed: Recomputable | null } {
    const { qAProj, qALayernorm, qBProj } = this;
    const isCompressed = qAProj !== null && qALayernorm !== null && qBProj !== null;
    const up = isCompressed ? qBProj : this.qProj;
    if (!up) throw new Error("internal: attention without a query projection");
    const normed = isCompressed
      ? rmsNorm(tape, linear(tape, x, qAProj, kind), qALayernorm, this.#config.latentNormEps)
      : null;
    const from = normed?.y ?? x;
    return { y: linear(tape, from, up, kind), from, up, normed };
  }

  /** The normed latent [T, C] and the rotated shared key part [T, R]: exactly what the cache holds. */
  #latent(tape: Tape, x: Tensor, positions: Tensor, tables: RopeTables): LatentRows {
    const { kvLoraRank, qkRopeHeadDim: r } = this.#config;
    const z = linear(tape, x, this.kvAProjWithMqa); // [T, C + R]
    const [cKV, kRope] = splitColumns(tape, z, kvLoraRank);
    tape.release(z);
    const latent = rmsNorm(tape, cKV, this.kvALayernorm, this.#config.latentNormEps).y;
    rope(tape, kRope, tables, positions, { heads: 1, headDim: r, offset: 0, ropeDim: r });
    return { latent, kRope };
  }
}

/** Rows of a tensor over others of it. */
function copyRows(x: Tensor, to: number, from: number, rows: number): void {
  const bytes = x.bytes();
  const size = bytes.length / x.rows;
  bytes.copyWithin(to * size, from * size, (from + rows) * size);
}
