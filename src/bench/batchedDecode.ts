/**
 * Several sequences decoded together: one row each through the model's absorbed attention, with a page table and a length per row. The cache
 * is made of random latents of the wanted depth, which cost what real ones do; speed alone is asked of it.
 */
import type { DeepseekV3, OnDispatched } from "../model/deepseekV3.js";
import { cacheValuesPerLayer } from "../model/flops.js";
import type { Dispatched } from "../model/moe.js";
import { native } from "../tensor/native.js";
import type { LatentCacheView } from "../tensor/ops/latentAttention.js";
import { Tape } from "../tensor/tape.js";
import { Tensor } from "../tensor/tensor.js";

const pageSize = 64;

/** Caches of equal length. */
export class BatchedCache implements Disposable {
  readonly batch: number;
  readonly #capacity: number;
  readonly #layers: readonly Tensor[];
  readonly #blockTable: Tensor;
  readonly #pagesPerRow: number;
  #length: number;

  /** @param depth tokens each sequence holds already @param room tokens that can be added */
  constructor(model: DeepseekV3, batch: number, depth: number, room: number) {
    const { config, arena, dtype } = model;
    this.batch = batch;
    this.#length = depth;
    this.#capacity = depth + room;
    this.#pagesPerRow = Math.ceil((depth + room) / pageSize);
    const pages = batch * this.#pagesPerRow;
    const shape = [pages, pageSize, cacheValuesPerLayer(config)];
    const floats = Tensor.empty(arena, shape, "float32");
    native().randomNormal(floats.address, floats.size, 1, 2, 0, 1);
    this.#layers = Array.from({ length: config.numHiddenLayers }, () => floats.converted(arena, dtype));
    floats.free();
    this.#blockTable = Tensor.empty(arena, [batch, this.#pagesPerRow], "int32");
    this.#blockTable.ints().forEach((_, page, table) => {
      table[page] = page;
    });
  }

  /** Tokens each sequence holds. */
  get length(): number {
    return this.#length;
  }

  /** What the next step sees of a layer. @param lengths, slots [batch] int32 */
  view(layer: number, lengths: Tensor, slots: Tensor): LatentCacheView {
    const pages = this.#layers[layer];
    if (!pages) throw new Error(`internal: the cache has no layer ${layer}`);
    return { pages, pageSize, blockTable: this.#blockTable, lengths, slots };
  }

  /** Where the next token of a row goes, counted in entries over all pages. */
  slot(row: number): number {
    if (this.#length >= this.#capacity) throw new Error(`internal: the cache holds ${this.#capacity} tokens, no more`);
    return row * this.#pagesPerRow * pageSize + this.#length;
  }

  advance(): void {
    this.#length++;
  }

  [Symbol.dispose](): void {
    for (const layer of this.#layers) layer.free();
    this.#blockTable.free();
  }
}

/** One more token of each sequence. @param ids [batch] @returns [batch * vocab] logits */
export async function decodeRows(
  model: DeepseekV3,
  cache: BatchedCache,
  ids: Int32Array,
  onDispatched: OnDispatched | null = null,
): Promise<Float32Array> {
  using tape = new Tape(model.arena, { hasGrad: false });
  const rows = Array.from(ids, (_, row) => row);
  const positions = tape.ints(rows.map(() => cache.length));
  const lengths = tape.ints(rows.map(() => cache.length + 1));
  const slots = tape.ints(rows.map((row) => cache.slot(row)));
  const { normed } = await model.hidden(
    tape,
    tape.ints(ids),
    { kind: "decode", positions, cache: (layer) => cache.view(layer, lengths, slots) },
    cache.length + 1,
    onDispatched,
  );
  cache.advance();
  return model.logits(tape, normed, "decode").floats().slice();
}

/** Different experts that the rows of a layer went to. */
export function expertsMet({ routing }: Pick<Dispatched, "routing">): number {
  return new Set(routing.experts.ints()).size;
}
