/**
 * The memory of the latent cache: for each layer, MTP modules included, pages of entries of kvLoraRank + qkRopeHeadDim values, which is all
 * that latent attention keeps of a token (model.md A2), in f32, bf16 or FP8. Sequences are lists of pages; pages.ts says whose they are.
 */
import type { PrefillCache, SeenRows } from "../model/block.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Pause } from "../model/pieces.js";
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
  forPrefill(tape: Tape, runs: readonly NewPositions[], pause: Pause | null): PrefillCache {
    const { kvLoraRank, qkRopeHeadDim } = this.#model.config;
    const slots = tape.ints(runs.flatMap(({ start, count, pages }) => slotsOf(pages, start, start + count)));
    // Latents as they were are what the cache holds, unless it rounds.
    const isWhole = this.dtype === this.#model.dtype && runs.every(({ start }) => start === 0);
    const layout = isWhole ? null : layOut(runs);
    const all = layout && tape.ints(layout.slots);
    const sequences = layout?.sequences ?? inARow(runs.map(({ count }) => count));
    return {
      pause,
      extend: (tape, layer, rows: LatentRows) => {
        const pages = this.#layer(layer);
        writeLatents({ pages, slots }, rows);
        if (!all) return { seen: rows, sequences };
        const seen = readLatents(tape, { pages, slots: all }, kvLoraRank, qkRopeHeadDim, this.#model.dtype);
        return { seen, sequences };
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

/** Sequences without a beginning in common. */
function inARow(lengths: readonly number[]): SeenRows[] {
  const ends = runningSums(lengths);
  return lengths.map((rows, i) => {
    const begin = (ends[i] ?? 0) - rows;
    return { shared: { begin, rows: 0 }, rest: { begin, rows } };
  });
}

/**
 * An order of all entries that some runs see, in which those of a beginning that runs share (few-shot examples, the question before its
 * choices) are there once: keys and values are made of each entry of the order.
 */
function layOut(runs: readonly NewPositions[]): { readonly slots: number[]; readonly sequences: readonly SeenRows[] } {
  const byPage = new Map<number, number[]>();
  for (const [i, { start, pages }] of runs.entries()) {
    // Without cached positions a run shares nothing, whatever page it has.
    const key = start === 0 ? -1 - i : pageAt(pages, 0);
    byPage.set(key, [...(byPage.get(key) ?? []), i]);
  }
  const slots: number[] = [];
  const sequences: SeenRows[] = new Array<SeenRows>(runs.length);
  for (const group of byPage.values()) {
    const own = group.map((i) => ({ i, run: runs[i] as NewPositions }));
    const shared = {
      begin: slots.length,
      rows: own.length > 1 ? commonPages(own.map(({ run }) => run)) * pageSize : 0,
    };
    const lengthOf = ({ start, count }: NewPositions): number => start + count;
    own.sort((a, b) => lengthOf(b.run) - lengthOf(a.run));
    slots.push(...slotsOf(own[0]?.run.pages ?? [], 0, shared.rows));
    for (const { i, run } of own) {
      sequences[i] = { shared, rest: { begin: slots.length, rows: lengthOf(run) - shared.rows } };
      slots.push(...slotsOf(run.pages, shared.rows, lengthOf(run)));
    }
  }
  return { slots, sequences };
}

/** Whole pages of cached positions that all of some runs begin with. */
function commonPages(runs: readonly NewPositions[]): number {
  const [first] = runs;
  const most = Math.min(...runs.map(({ start }) => Math.floor(start / pageSize)));
  let count = 0;
  while (count < most && runs.every(({ pages }) => pages[count] === first?.pages[count])) count++;
  return count;
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
