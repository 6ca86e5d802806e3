/**
 * A map from pairs of token ids to the integers 0, 1, 2, ... in order of insertion; values live in arrays of the caller.
 * The encoder finds the rank of a merge in it, the trainer the count of a pair.
 */
export class PairTable {
  /** The two ids of pair i. Both arrays are replaced when the table grows. */
  left: Int32Array;
  right: Int32Array;
  size = 0;
  #slots: Int32Array; // index + 1, 0 where empty
  #mask: number;

  constructor(capacity = 1024) {
    let slots = 16;
    while (slots < capacity * 2) slots *= 2;
    this.#slots = new Int32Array(slots);
    this.#mask = slots - 1;
    this.left = new Int32Array(slots / 2);
    this.right = new Int32Array(slots / 2);
  }

  /** Index of the pair, or -1. */
  find(left: number, right: number): number {
    return this.#slots[this.#slot(left, right)]! - 1;
  }

  /** Index of the pair, which is added (index = old size) when missing. */
  findOrAdd(left: number, right: number): number {
    const slot = this.#slot(left, right);
    const found = this.#slots[slot]!;
    if (found !== 0) return found - 1;
    const index = this.size++;
    this.left[index] = left;
    this.right[index] = right;
    this.#slots[slot] = index + 1;
    if (this.size === this.left.length) this.#grow();
    return index;
  }

  #slot(left: number, right: number): number {
    const slots = this.#slots;
    for (let slot = hashOf(left, right) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = slots[slot]! - 1;
      if (index < 0 || (this.left[index] === left && this.right[index] === right)) return slot;
    }
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    const left = new Int32Array(slots.length / 2);
    const right = new Int32Array(slots.length / 2);
    left.set(this.left);
    right.set(this.right);
    for (let index = 0; index < this.size; index++) {
      let slot = hashOf(left[index]!, right[index]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#slots = slots;
    this.#mask = mask;
    this.left = left;
    this.right = right;
  }
}

function hashOf(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
