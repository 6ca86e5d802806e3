/**
 * Who holds which page of the latent cache: a free list, reference counts, and the pages of finished prompts kept under the hash of all
 * tokens up to their end, so that a prompt that begins alike finds them (infrastructure.md 7.1). A page that nobody refers to stays under its
 * hash until its room is needed; the one unused longest goes first. Numbers alone: latentCache.ts owns the memory.
 */
import { createHash } from "node:crypto";

/** Tokens of a page: what the kernels take as one tile of keys, so that a prompt may be cut at any page border without a change of a bit. */
export const pageSize = 64;

export function pagesFor(tokens: number): number {
  return Math.ceil(tokens / pageSize);
}

/**
 * Keys of the whole pages of a prompt, each over everything before it.
 * @param salt keeps the prompts of one tenant from those of another
 */
export function prefixKeys(ids: Int32Array, salt: string): string[] {
  const keys: string[] = [];
  let parent = `salt:${salt}`;
  for (let end = pageSize; end <= ids.length; end += pageSize) {
    const page = ids.subarray(end - pageSize, end);
    const bytes = new Uint8Array(page.buffer, page.byteOffset, page.byteLength);
    parent = createHash("sha256").update(parent).update("\0").update(bytes).digest("base64");
    keys.push(parent);
  }
  return keys;
}

export class PagePool {
  readonly total: number;
  readonly #references: Int32Array;
  readonly #keyOf: (string | null)[];
  readonly #pageOf = new Map<string, number>();
  readonly #free: number[];
  /** Pages under a key that nobody refers to, longest unused first. */
  readonly #idle = new Set<number>();

  constructor(total: number) {
    this.total = total;
    this.#references = new Int32Array(total);
    this.#keyOf = new Array<string | null>(total).fill(null);
    this.#free = Array.from({ length: total }, (_, i) => total - 1 - i);
  }

  /** Pages that can be taken. */
  get available(): number {
    return this.#free.length + this.#idle.size;
  }

  /** Pages that someone refers to. */
  get used(): number {
    return this.total - this.available;
  }

  /** Pages found under a key, referred to or not. */
  get cached(): number {
    return this.#pageOf.size;
  }

  /** `count` pages to write to, or null and nothing taken if there are not as many. */
  take(count: number): number[] | null {
    if (count > this.available) return null;
    return Array.from({ length: count }, () => {
      const page = this.#free.pop() ?? this.#evict();
      this.#references[page] = 1;
      return page;
    });
  }

  /** One more reference to each. */
  share(pages: readonly number[]): void {
    for (const page of pages) this.#references[page] = (this.#references[page] ?? 0) + 1;
  }

  /** One reference less to each. The last page counts as unused longest: without those before it nobody finds it. */
  release(pages: readonly number[]): void {
    for (const page of pages.toReversed()) {
      const left = (this.#references[page] ?? 0) - 1;
      if (left < 0) throw new Error(`internal: page ${page} of the cache is released twice`);
      this.#references[page] = left;
      if (left > 0) continue;
      if (this.#keyOf[page] === null) this.#free.push(page);
      else this.#idle.add(page);
    }
  }

  /** Pages of the first of `keys` that are there, up to the first that is not; each with a reference more. */
  find(keys: readonly string[]): number[] {
    const pages: number[] = [];
    for (const key of keys) {
      const page = this.#pageOf.get(key);
      if (page === undefined) break;
      this.#idle.delete(page);
      this.#references[page] = (this.#references[page] ?? 0) + 1;
      pages.push(page);
    }
    return pages;
  }

  /** A page that is full and will not be written again can be found from now on. The first of equal ones is. */
  publish(page: number, key: string): void {
    if (this.#pageOf.has(key) || this.#keyOf[page] !== null) return;
    this.#pageOf.set(key, page);
    this.#keyOf[page] = key;
  }

  #evict(): number {
    const [page] = this.#idle;
    if (page === undefined) throw new Error("internal: no page to take");
    this.#idle.delete(page);
    const key = this.#keyOf[page];
    if (key) this.#pageOf.delete(key);
    this.#keyOf[page] = null;
    return page;
  }
}
