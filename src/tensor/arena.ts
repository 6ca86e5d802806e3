/**
 * Native memory that is taken once and reused: freed pieces wait in lists by size, so a training step whose shapes repeat allocates
 * nothing new after the first one. Sizes are rounded up by at most an eighth, which lets nearly equal shapes share pieces.
 */
import { type Block, native } from "./native.js";

/** A piece of native memory handed out by an arena. */
export interface Allocation {
  readonly block: Block;
  /** Bytes from the start of the block. */
  readonly offset: number;
  /** Rounded size; the caller asked for at most this. */
  readonly bytes: number;
}

const slabBytes = 8 * 2 ** 20;
const alignment = 64;

export class Arena {
  #free = new Map<number, Allocation[]>();
  #slab: Block | null = null;
  #slabUsed = 0;
  #reserved = 0;
  #inUse = 0;
  #peak = 0;

  /** Bytes taken from the system so far. */
  get reservedBytes(): number {
    return this.#reserved;
  }

  /** Bytes handed out now, and the most there ever were. */
  get usedBytes(): number {
    return this.#inUse;
  }

  get peakBytes(): number {
    return this.#peak;
  }

  /** Contents are undefined (zero only the first time). @throws RangeError when there is no memory */
  take(bytes: number): Allocation {
    const size = roundedSize(bytes);
    const allocation = this.#free.get(size)?.pop() ?? this.#fresh(size);
    this.#inUse += size;
    this.#peak = Math.max(this.#peak, this.#inUse);
    return allocation;
  }

  /** The same, zeroed; memory fresh from the system is zero already and stays untouched, so it costs nothing until it is written. */
  takeZeroed(bytes: number): Allocation {
    const size = roundedSize(bytes);
    const isReused = (this.#free.get(size)?.length ?? 0) > 0;
    const allocation = this.take(bytes);
    if (isReused) new Uint8Array(allocation.block.buffer, allocation.offset, allocation.bytes).fill(0);
    return allocation;
  }

  give(allocation: Allocation): void {
    this.#inUse -= allocation.bytes;
    const list = this.#free.get(allocation.bytes);
    if (list) list.push(allocation);
    else this.#free.set(allocation.bytes, [allocation]);
  }

  #fresh(size: number): Allocation {
    if (size > slabBytes / 8) {
      this.#reserved += size;
      return { block: native().alloc(size), offset: 0, bytes: size };
    }
    if (!this.#slab || this.#slabUsed + size > slabBytes) {
      this.#slab = native().alloc(slabBytes);
      this.#slabUsed = 0;
      this.#reserved += slabBytes;
    }
    const allocation = { block: this.#slab, offset: this.#slabUsed, bytes: size };
    this.#slabUsed += size;
    return allocation;
  }
}

/** The next multiple of an eighth of the power of two below, and of the alignment. */
export function roundedSize(bytes: number): number {
  const step = Math.max(alignment, powerBelow(bytes) / 8);
  return Math.max(alignment, Math.ceil(bytes / step) * step);
}

/** The largest power of two that is not above `bytes`, and 1 for 0; a decoded token asks some hundred times, so without logarithms. */
function powerBelow(bytes: number): number {
  return bytes < 2 ** 31 ? 1 << (31 - Math.clz32(Math.max(bytes, 1))) : 2 ** Math.floor(Math.log2(bytes));
}
