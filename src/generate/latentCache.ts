/**
 * The memory of the latent cache: for each layer, MTP modules included, pages of entries of kvLoraRank + qkRopeHeadDim values, which is all
 * that latent attention keeps of a token (model.md A2), in f32, bf16 or FP8. Sequences are lists of pages; pages.ts says whose they are.
 */
import type { PrefillCache } from "../model/block.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import { native } from "../tensor/native.js";
import {
  type CacheDtype,
  entrySize,
  type LatentCacheView,
  type LatentRows,
  readLatents,
  writeLatents,
} from "../tensor/ops/latentAttention.js";
import type { Tape } from "../tensor/tape.js";
import { Tensor } from "../tensor/tensor.js";
import { pageSize } from "./pages.js";
import { runningSums } from "./runningSums.js";

/** Pages of a sequence, the first with its first tokens. */
export type PageList = readonly number[];

/** A run of new positions of one sequence. */
export interface NewPositions {
  /** Position of the first; a multiple of the page's size. */
  readonly start: number;
  readonly count: number;
  readonly pages: PageList;
}

/** One new position. */
export interface NewPosition {
  readonly position: number;
  readonly pages: PageList;
}

export class LatentCache implements Disposable {
  readonly dtype: CacheDtype;
  readonly numPages: number;
  readonly #layers: readonly Tensor[];
  readonly #model: DeepseekV3;

  /**
   * Costs address space alone until pages are written.
   * @param dtype of the entries; the model's by default @param withMtp keep latents of the MTP modules too
   * @throws RangeError for a model whose attention has no latent cache, or memory that is not there
   */
  constructor(model: DeepseekV3, numPages: number, dtype: CacheDtype = model.dtype, withMtp = false) {
    const { config, arena } = model;
    if (config.attention !== "mla") {
      throw new RangeError(`generation needs attention: mla; the ${config.attention} baseline only trains and scores`);
    }
    const elements = entrySize(config.kvLoraRank, config.qkRopeHeadDim, dtype);
    const count = config.numHiddenLayers + (withMtp ? config.numNextnPredictLayers : 0);
    this.#model = model;
    this.dtype = dtype;
    this.numPages = numPages;
    this.#layers = Array.from({ length: count }, () => Tensor.zeros(arena, [numPages, pageSize, elements], dtype));
  }

  /** How a prefill of these runs, in their order in the batch, meets the cache. */
  forPrefill(tape: Tape, runs: readonly NewPositions[], pause: (() => Promise<void>) | null): PrefillCache {
    const { kvLoraRank, qkRopeHeadDim } = this.#model.config;
    const slots = tape.ints(runs.flatMap(({ start, count, pages }) => slotsOf(pages, start, start + count)));
    const ends = runs.map(({ start, count }) => start + count);
    const offsets = tape.ints([0, ...runningSums(ends)]);
    // Latents as they were are what the cache holds, unless it rounds.
    const isWhole = this.dtype === this.#model.dtype && runs.every(({ start }) => start === 0);
    const all = isWhole ? null : tape.ints(runs.flatMap(({ pages }, i) => slotsOf(pages, 0, ends[i] ?? 0)));
    return {
      pause,
      extend: (tape, layer, rows: LatentRows) => {
        const pages = this.#layer(layer);
        writeLatents({ pages, slots }, rows);
        if (!all) return { seen: rows, offsets };
        const seen = readLatents(tape, { pages, slots: all }, kvLoraRank, qkRopeHeadDim, this.#model.dtype);
        return { seen, offsets };
      },
    };
  }

  /** How rows that decode meet the cache, one after the other in the batch; each sees all up to itself. */
  forDecode(tape: Tape, rows: readonly NewPosition[]): (layer: number) => LatentCacheView {
    const most = Math.max(1, ...rows.map(({ position }) => Math.floor(position / pageSize) + 1));
    const blockTable = tape.empty([rows.length, most], "int32");
    const table = blockTable.ints();
    rows.forEach(({ position, pages }, row) => {
      const count = Math.floor(position / pageSize) + 1;
      for (let i = 0; i < count; i++) table[row * most + i] = pageAt(pages, i);
    });
    const lengths = tape.ints(rows.map(({ position }) => position + 1));
    const slots = tape.ints(rows.map(({ position, pages }) => slotOf(pages, position)));
    return (layer) => ({ pages: this.#layer(layer), pageSize, blockTable, lengths, slots });
  }

  /** Copies a page in every layer. */
  copyPage(to: number, from: number): void {
    for (const layer of this.#layers) {
      const bytes = layer.bytes();
      const size = bytes.length / this.numPages;
      bytes.copyWithin(to * size, from * size, (from + 1) * size);
    }
  }

  /** Random latents everywhere, which cost attention what real ones do: for measuring at a depth. Not for FP8. */
  fillRandomly(seed: number): void {
    for (const [layer, pages] of this.#layers.entries()) {
      const floats = Tensor.empty(this.#model.arena, pages.shape, "float32");
      native().randomNormal(floats.address, floats.size, seed + layer, 2, 0, 1);
      native().convert(pages.address, floats.address, floats.size, pages.code, 0);
      floats.free();
    }
  }

  [Symbol.dispose](): void {
    for (const layer of this.#layers) layer.free();
  }

  #layer(layer: number): Tensor {
    const pages = this.#layers[layer];
    if (!pages) throw new Error(`internal: the cache has no layer ${layer}`);
    return pages;
  }
}

function pageAt(pages: PageList, i: number): number {
  const page = pages[i];
  if (page === undefined) throw new Error(`internal: the sequence has ${pages.length} pages, page ${i} is asked for`);
  return page;
}

/** Where the entry of a position lies, counted in entries over all pages. */
function slotOf(pages: PageList, position: number): number {
  return pageAt(pages, Math.floor(position / pageSize)) * pageSize + (position % pageSize);
}

function slotsOf(pages: PageList, begin: number, end: number): number[] {
  return Array.from({ length: end - begin }, (_, i) => slotOf(pages, begin + i));
}
