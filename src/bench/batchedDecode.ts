/**
 * Several sequences decoded together: one row each through the model's absorbed attention. The cache is made of random latents of the wanted
 * depth, which cost what real ones do; speed alone is asked of it.
 */
import { decodeRows } from "../generate/forward.js";
import { LatentCache } from "../generate/latentCache.js";
import { pagesFor } from "../generate/pages.js";
import type { DeepseekV3, OnDispatched } from "../model/deepseekV3.js";
import type { Dispatched } from "../model/moe.js";

/** Caches of equal length. */
export class BatchedCache implements Disposable {
  readonly latents: LatentCache;
  readonly pages: readonly (readonly number[])[];
  /** Tokens each sequence holds. */
  length: number;
  readonly #capacity: number;

  /** @param depth tokens each sequence holds already @param room tokens that can be added */
  constructor(model: DeepseekV3, batch: number, depth: number, room: number) {
    const each = pagesFor(depth + room);
    this.length = depth;
    this.#capacity = depth + room;
    this.latents = new LatentCache(model, batch * each);
    this.latents.fillRandomly(1);
    this.pages = Array.from({ length: batch }, (_, row) => Array.from({ length: each }, (_, i) => row * each + i));
  }

  /** One token more in each sequence. @returns its position */
  advance(): number {
    if (this.length >= this.#capacity) throw new Error(`internal: the cache holds ${this.#capacity} tokens, no more`);
    return this.length++;
  }

  [Symbol.dispose](): void {
    this.latents[Symbol.dispose]();
  }
}

/** One more token of each sequence. @param ids [batch] @returns [batch * vocab] logits */
export async function decodeTogether(
  model: DeepseekV3,
  cache: BatchedCache,
  ids: Int32Array,
  onDispatched: OnDispatched | null = null,
): Promise<Float32Array> {
  const position = cache.advance();
  const rows = cache.pages.map((pages, row) => ({ id: ids[row] ?? 0, position, pages }));
  using pass = await decodeRows(model, cache.latents, rows, { onDispatched });
  return model.logits(pass.tape, pass.hidden.normed, "decode").floats().slice();
}

/** Different experts that the rows of a layer went to. */
export function expertsMet({ routing }: Pick<Dispatched, "routing">): number {
  return new Set(routing.experts.ints()).size;
}
