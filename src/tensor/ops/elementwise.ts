/** Sums and column joins of activations. */
import { bytesPerElement } from "../dtype.js";
import { native } from "../native.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/** a + b, same shape and type; the residual sum. */
export function add(tape: Tape, a: Tensor, b: Tensor): Tensor {
  if (a.size !== b.size || a.dtype !== b.dtype) {
    throw new RangeError(`add: [${a.shape.join(", ")}] ${a.dtype} and [${b.shape.join(", ")}] ${b.dtype} differ`);
  }
  const y = tape.empty(a.shape, a.dtype);
  native().add(y.address, a.address, b.address, y.size, y.code);
  recordSum(tape, y, a, b);
  return y;
}

/** The backward of y = a + b. */
export function recordSum(tape: Tape, y: Tensor, a: Tensor, b: Tensor): void {
  tape.record(() => {
    if (!y.grad) return;
    tape.contribute(a, y.grad);
    const dy = tape.takeGrad(y);
    if (dy) tape.contribute(b, dy);
  });
}

/** [rows, a] and [rows, b] side by side: [rows, a + b]. */
export function concatColumns(tape: Tape, a: Tensor, b: Tensor): Tensor {
  const [left, right] = [a.columns, b.columns];
  const { rows } = a;
  if (rows !== b.rows || a.dtype !== b.dtype) {
    throw new RangeError(
      `concatColumns: [${a.shape.join(", ")}] and [${b.shape.join(", ")}] have different rows or types`,
    );
  }
  const width = left + right;
  const y = tape.empty([rows, width], a.dtype);
  const bytes = bytesPerElement[a.dtype];
  native().copyRows(y.address, a.address, rows, left, width, left, bytes);
  native().copyRows(y.address + left * bytes, b.address, rows, right, width, right, bytes);
  tape.record(() => {
    if (!y.grad) return;
    const da = tape.empty(a.shape, a.dtype);
    const db = tape.empty(b.shape, b.dtype);
    native().copyRows(da.address, y.grad.address, rows, left, left, width, bytes);
    native().copyRows(db.address, y.grad.address + left * bytes, rows, right, right, width, bytes);
    tape.contribute(a, da);
    tape.contribute(b, db);
  });
  return y;
}

/** The first `left` columns and the rest, each contiguous. */
export function splitColumns(tape: Tape, x: Tensor, left: number): [Tensor, Tensor] {
  const { rows } = x;
  const width = x.columns;
  const right = width - left;
  if (left <= 0 || right <= 0) throw new RangeError(`splitColumns: ${left} of ${width} columns`);
  const a = tape.empty([rows, left], x.dtype);
  const b = tape.empty([rows, right], x.dtype);
  const bytes = bytesPerElement[x.dtype];
  native().copyRows(a.address, x.address, rows, left, left, width, bytes);
  native().copyRows(b.address, x.address + left * bytes, rows, right, right, width, bytes);
  tape.record(() => {
    const dx = tape.empty(x.shape, x.dtype);
    for (const [part, columns, offset] of [[a, left, 0] as const, [b, right, left] as const]) {
      const source = part.grad ?? tape.zeros(part.shape, part.dtype);
      native().copyRows(dx.address + offset * bytes, source.address, rows, columns, width, columns, bytes);
    }
    tape.contribute(x, dx);
  });
  return [a, b];
}

/** The given rows of x, each at most once, in that order. @returns [rows, columns], new */
export function gatherRows(tape: Tape, x: Tensor, rows: readonly number[]): Tensor {
  const dim = x.columns;
  const y = tape.empty([rows.length, dim], x.dtype);
  native().permuteForward(y.address, x.address, tape.ints(rows).address, rows.length, 1, dim, x.code);
  if (!tape.hasGrad) return y;
  // Where each row of x went: as slots of one expert each, of which most have none.
  const places = new Int32Array(x.rows).fill(-1);
  rows.forEach((row, i) => {
    if (places[row] !== -1) throw new Error(`internal: gatherRows: row ${row} twice, or not of the ${x.rows}`);
    places[row] = i;
  });
  const slotRow = tape.ints(places);
  tape.record(() => {
    if (!y.grad) return;
    const dx = tape.target(x);
    const sizes = [x.rows, 1, dim, dx.accumulate, x.code] as const;
    native().permuteBackward(dx.tensor.address, y.grad.address, slotRow.address, ...sizes);
  });
  return y;
}
