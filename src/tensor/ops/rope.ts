/**
 * Rotary position embedding in DeepSeek's interleaved layout: pair i is channels (2i, 2i + 1). The angles are tables made once per model
 * (model/rope.ts), in float32 also when activations are bf16.
 */
import { native } from "../native.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { shown } from "./sizes.js";

export interface RopeTables {
  /** [positions, ropeDim / 2] float32 */
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** The rotated values of a row: `heads` blocks of `headDim` values, in each the `ropeDim` values from `offset` on. */
export interface RopeLayout {
  readonly heads: number;
  readonly headDim: number;
  readonly offset: number;
  readonly ropeDim: number;
}

/**
 * Rotates `x` in place. Its producer must not need the values in its backward (a linear does not), and no one may have read them before.
 * @param x [rows, heads * headDim]
 * @param positions [rows] int32, below the tables' length
 * @throws RangeError for sizes that differ
 */
export function rope(tape: Tape, x: Tensor, tables: RopeTables, positions: Tensor, layout: RopeLayout): void {
  rotate(x, tables, positions, layout, 1);
  tape.record(() => {
    if (x.grad) rotate(x.grad, tables, positions, layout, -1);
  });
}

/** Rotates in place; sign -1 undoes it. @throws RangeError for sizes that differ */
export function rotate(x: Tensor, tables: RopeTables, positions: Tensor, layout: RopeLayout, sign: 1 | -1): void {
  const { heads, headDim, offset, ropeDim } = layout;
  if (x.columns !== heads * headDim || offset < 0 || offset + ropeDim > headDim) {
    throw new RangeError(
      `rope: x ${shown(x)}, expected [rows, ${heads * headDim}]: ${heads} heads of ${headDim} with ${ropeDim} at ${offset}`,
    );
  }
  if (positions.size !== x.rows || positions.dtype !== "int32") {
    throw new RangeError(`rope: positions ${shown(positions)}, expected [${x.rows}] int32, as many as x has rows`);
  }
  checkTables("rope", tables, ropeDim);
  native().rope(
    x.address,
    tables.cos.address,
    tables.sin.address,
    positions.address,
    x.rows,
    heads,
    x.columns,
    headDim,
    offset,
    ropeDim,
    sign,
    x.code,
  );
}

/** @throws RangeError unless both tables are [positions, ropeDim / 2] */
export function checkTables(op: string, { cos, sin }: RopeTables, ropeDim: number): void {
  if (cos.columns === ropeDim / 2 && sin.columns === cos.columns && sin.rows === cos.rows) return;
  throw new RangeError(`${op}: tables ${shown(cos)} and ${shown(sin)}, expected [positions, ${ropeDim / 2}] each`);
}
