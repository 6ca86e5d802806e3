/**
 * A map from byte strings to the integers 0, 1, 2, ... in order of insertion: open addressing over one arena of keys, so
 * that looking a piece up costs no allocation and no string. Values live in arrays of the caller, indexed by that integer.
 */
export class ByteMap {
  /** Keys, one after the other; key i is arena[offsets[i], offsets[i + 1]). */
  arena: Uint8Array<ArrayBuffer>;
  offsets: Int32Array<ArrayBuffer>;
  size = 0;
  #hashes: Int32Array;
  #slots: Int32Array; // index + 1, 0 where empty
  #mask: number;

  constructor(capacity = 1024) {
    let slots = 16;
    while (slots < capacity * 2) slots *= 2;
    this.#slots = new Int32Array(slots);
    this.#mask = slots - 1;
    this.#hashes = new Int32Array(slots / 2);
    this.offsets = new Int32Array(slots / 2 + 1);
    this.arena = new Uint8Array(slots * 4);
  }

  /** Index of the key bytes[from, to), or -1. */
  find(bytes: Uint8Array, from: number, to: number): number {
    return this.#slots[this.#slot(bytes, from, to, hashOf(bytes, from, to))]! - 1;
  }

  /** Index of the key bytes[from, to), which is added (index = old size) when missing. */
  findOrAdd(bytes: Uint8Array, from: number, to: number): number {
    const hash = hashOf(bytes, from, to);
    const slot = this.#slot(bytes, from, to, hash);
    const found = this.#slots[slot]!;
    if (found !== 0) return found - 1;
    const index = this.size;
    const start = this.offsets[index]!;
    const end = start + (to - from);
    if (end > this.arena.length) {
      if (end > 0x7fffffff) throw new RangeError("too much distinct text: the pieces of one map are limited to 2 GiB");
      const arena = new Uint8Array(Math.min(0x7fffffff, Math.max(end, this.arena.length * 2)));
      arena.set(this.arena);
      this.arena = arena;
    }
    for (let i = from, j = start; i < to; i++, j++) this.arena[j] = bytes[i]!;
    this.offsets[index + 1] = end;
    this.#hashes[index] = hash;
    this.#slots[slot] = index + 1;
    this.size = index + 1;
    if (this.size === this.#hashes.length) this.#grow();
    return index;
  }

  clear(): void {
    this.#slots.fill(0);
    this.size = 0;
  }

  #slot(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const slots = this.#slots;
    const length = to - from;
    for (let slot = (hash ^ (hash >>> 15)) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = slots[slot]! - 1;
      if (index < 0) return slot;
      if (this.#hashes[index] !== hash) continue;
      const start = this.offsets[index]!;
      if (this.offsets[index + 1]! - start !== length) continue;
      const arena = this.arena;
      let i = 0;
      while (i < length && arena[start + i] === bytes[from + i]) i++;
      if (i === length) return slot;
    }
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    const hashes = new Int32Array(slots.length / 2);
    hashes.set(this.#hashes);
    const offsets = new Int32Array(slots.length / 2 + 1);
    offsets.set(this.offsets);
    for (let index = 0; index < this.size; index++) {
      const hash = hashes[index]!;
      let slot = (hash ^ (hash >>> 15)) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#slots = slots;
    this.#mask = mask;
    this.#hashes = hashes;
    this.offsets = offsets;
  }
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}
