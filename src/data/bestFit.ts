/**
 * Best fit decreasing: which pieces share a row of limited width. The longest piece comes first (equal ones in their order), each goes into the
 * fullest row that still has room, else into a new one. O(n log width): lengths are small integers, so sorting is counting and the rows wait
 * in buckets by the room they have left. post-training.md 3.5; 11.10 is the worked example.
 */

/**
 * @param lengths of the pieces, 1 to `width`
 * @returns rows in the order they were opened, each with the indices of its pieces in the order they came
 * @throws RangeError for a piece that is empty or longer than a row
 */
export function bestFitDecreasing(lengths: Int32Array, width: number): number[][] {
  if (!Number.isInteger(width) || width < 1)
    throw new RangeError(`best fit: a row's width must be 1 or more, got ${width}`);
  lengths.forEach((length, i) => {
    if (length < 1 || length > width) {
      throw new RangeError(`best fit: piece ${i} has length ${length}, expected 1 to ${width}`);
    }
  });
  const rows: number[][] = [];
  const sizes: number[] = [];
  const open = new RoomIndex(width);
  for (const piece of sortedByLength(lengths, width)) {
    const length = lengths[piece]!;
    const room = open.smallest(length);
    const row = room === null ? rows.length : open.take(room);
    if (room === null) {
      rows.push([]);
      sizes.push(0);
    }
    rows[row]!.push(piece);
    sizes[row]! += length;
    if (sizes[row]! < width) open.put(width - sizes[row]!, row);
  }
  return rows;
}

/** Indices of the lengths, longest first, equal ones in their order: a counting sort. */
function sortedByLength(lengths: Int32Array, width: number): Uint32Array {
  const at = new Float64Array(width + 2);
  for (const length of lengths) at[width - length + 1]!++;
  for (let i = 1; i < at.length; i++) at[i]! += at[i - 1]!;
  const order = new Uint32Array(lengths.length);
  lengths.forEach((length, i) => {
    order[at[width - length]!++] = i;
  });
  return order;
}

/** Rows by the room they have left, and the smallest room that is enough for a piece, in O(log width). */
class RoomIndex {
  readonly #rows: number[][];
  /** A binary tree over rooms: is there a row below this node? */
  readonly #any: Uint8Array;
  readonly #leaves: number;

  constructor(width: number) {
    this.#rows = Array.from({ length: width + 1 }, () => []);
    this.#leaves = 2 ** Math.ceil(Math.log2(width + 1));
    this.#any = new Uint8Array(2 * this.#leaves);
  }

  put(room: number, row: number): void {
    const rows = this.#rows[room]!;
    rows.push(row);
    if (rows.length === 1)
      for (let node = room + this.#leaves; node > 0 && !this.#any[node]; node >>= 1) this.#any[node] = 1;
  }

  take(room: number): number {
    const rows = this.#rows[room]!;
    const row = rows.pop();
    if (row === undefined) throw new Error(`internal: no row with room ${room}`);
    if (rows.length === 0) {
      let node = room + this.#leaves;
      this.#any[node] = 0;
      for (node >>= 1; node > 0; node >>= 1) this.#any[node] = this.#any[2 * node]! | this.#any[2 * node + 1]!;
    }
    return row;
  }

  /** The smallest room of at least `length` that some row has, or null. */
  smallest(length: number): number | null {
    let node = length + this.#leaves;
    if (this.#any[node]) return length;
    // Up until a right neighbour holds something, then down its left side.
    for (;;) {
      if (node <= 1) return null;
      const isLeft = (node & 1) === 0;
      if (isLeft && this.#any[node + 1]) {
        node++;
        break;
      }
      node >>= 1;
    }
    while (node < this.#leaves) node = this.#any[2 * node] ? 2 * node : 2 * node + 1;
    return node - this.#leaves;
  }
}
