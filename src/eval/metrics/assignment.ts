/**
 * The best one-to-one pairing of rows with columns: the assignment problem, solved by the Hungarian method with shortest augmenting paths
 * (Kuhn 1955; Jonker and Volgenant 1987), O(n^3). DROP aligns predicted with gold spans by it (evaluation specification, 7.4).
 */

/**
 * @param scores [rows][columns], all rows of one length, all values finite
 * @returns for each row its column, or null for rows left over when there are more rows than columns; the sum of scores is the largest
 * @throws RangeError for ragged rows or values that are not finite
 */
export function bestAssignment(scores: readonly (readonly number[])[]): (number | null)[] {
  const rows = scores.length;
  const columns = scores[0]?.length ?? 0;
  for (const [r, row] of scores.entries()) {
    if (row.length !== columns) {
      throw new RangeError(`bestAssignment: row ${r} has ${row.length} scores, row 0 has ${columns}`);
    }
    const bad = row.find((value) => !Number.isFinite(value));
    if (bad !== undefined) throw new RangeError(`bestAssignment: scores must be finite, row ${r} has ${bad}`);
  }
  // A square matrix: what is added scores 0, like staying alone.
  const size = Math.max(rows, columns);
  const cost = (r: number, c: number): number => -(scores[r]?.[c] ?? 0);
  // Index 0 of columns is the row being placed; rows and columns count from 1.
  const rowPrice = new Float64Array(size + 1);
  const columnPrice = new Float64Array(size + 1);
  const rowOf = new Int32Array(size + 1);
  for (let row = 1; row <= size; row++) {
    rowOf[0] = row;
    const slack = new Float64Array(size + 1).fill(Number.POSITIVE_INFINITY);
    const cameFrom = new Int32Array(size + 1);
    const done = new Uint8Array(size + 1);
    let column = 0;
    do {
      done[column] = 1;
      const placed = rowOf[column]!;
      let next = 0;
      let step = Number.POSITIVE_INFINITY;
      for (let c = 1; c <= size; c++) {
        if (done[c]) continue;
        const reduced = cost(placed - 1, c - 1) - rowPrice[placed]! - columnPrice[c]!;
        if (reduced < slack[c]!) {
          slack[c] = reduced;
          cameFrom[c] = column;
        }
        if (slack[c]! < step) {
          step = slack[c]!;
          next = c;
        }
      }
      for (let c = 0; c <= size; c++) {
        if (done[c]) {
          rowPrice[rowOf[c]!]! += step;
          columnPrice[c]! -= step;
        } else slack[c]! -= step;
      }
      column = next;
    } while (rowOf[column] !== 0);
    while (column !== 0) {
      const before = cameFrom[column]!;
      rowOf[column] = rowOf[before]!;
      column = before;
    }
  }
  const columnOf: (number | null)[] = new Array(rows).fill(null);
  for (let c = 1; c <= columns; c++) {
    const row = rowOf[c]! - 1;
    if (row < rows) columnOf[row] = c - 1;
  }
  return columnOf;
}
