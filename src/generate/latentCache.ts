/**
 * The latent cache of one sequence: per layer, pages of entries of kvLoraRank + qkRopeHeadDim values, which is all that latent attention
 * keeps of a token (model.md A2), in f32, bf16 or FP8. The page table is the identity here; decoding reads through it all the same.
 */

import type { DeepseekV3 } from "../model/deepseekV3.js";
import {
  type CacheDtype,
  entrySize,
  type LatentCacheView,
  type LatentRows,
  writeLatents,
} from "../tensor/ops/latentAttention.js";
import { Tensor } from "../tensor/tensor.js";

const pageSize = 64;

export class LatentCache implements Disposable {
  /** Most tokens it can hold. */
  readonly capacity: number;
  readonly #layers: readonly Tensor[];
  readonly #blockTable: Tensor;
  readonly #model: DeepseekV3;
  #length = 0;

  /** @param dtype of the entries; the model's by default @throws RangeError for a model whose attention has no latent cache */
  constructor(model: DeepseekV3, capacity: number, dtype: CacheDtype = model.dtype) {
    const { config, arena } = model;
    if (config.attention !== "mla") {
      throw new RangeError(`generation needs attention: mla; the ${config.attention} baseline only trains and scores`);
    }
    const numPages = Math.max(1, Math.ceil(capacity / pageSize));
    const entryElements = entrySize(config.kvLoraRank, config.qkRopeHeadDim, dtype);
    this.#model = model;
    this.capacity = capacity;
    this.#layers = Array.from({ length: config.numHiddenLayers }, () =>
      Tensor.zeros(arena, [numPages, pageSize, entryElements], dtype),
    );
    this.#blockTable = Tensor.empty(arena, [1, numPages], "int32");
    this.#blockTable.ints().forEach((_, page, table) => {
      table[page] = page;
    });
  }

  /** Tokens held. */
  get length(): number {
    return this.#length;
  }

  /** Sizes are told once per pass, after its last layer. */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  /** Stores the rows of a prefill from position 0 on. */
  store(layer: number, rows: LatentRows): void {
    const pages = this.#layer(layer);
    const slots = Tensor.fromInts(
      this.#model.arena,
      Int32Array.from({ length: rows.latent.rows }, (_, i) => i),
    );
    writeLatents({ pages, slots }, rows);
    slots.free();
  }

  /** What decoding one more token sees. @param slots [1] its position @param lengths [1] positions up to and with it */
  view(layer: number, slots: Tensor, lengths: Tensor): LatentCacheView {
    return { pages: this.#layer(layer), pageSize, blockTable: this.#blockTable, lengths, slots };
  }

  [Symbol.dispose](): void {
    for (const layer of this.#layers) layer.free();
    this.#blockTable.free();
  }

  #layer(layer: number): Tensor {
    const pages = this.#layers[layer];
    if (!pages) throw new Error(`internal: the cache has no layer ${layer}`);
    return pages;
  }
}
