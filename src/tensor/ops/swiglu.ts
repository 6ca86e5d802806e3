/** The gated activation of every feed-forward part: silu(gate) * up. Shazeer 2020. */
import { native } from "../native.js";
import type { Recomputable, Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { emptyRows } from "./fp8Linear.js";

/**
 * @param gateUp [rows, 2 * width]: gate in the first half of a row, up in the second
 * @returns y [rows, width], new, and how to compute it anew: its output is not stored but recomputed (report 3.3.3)
 */
export function swiglu(tape: Tape, gateUp: Tensor): Recomputable {
  const { rows } = gateUp;
  const width = gateUp.columns / 2;
  if (!Number.isInteger(width)) throw new RangeError(`swiglu: ${gateUp.columns} columns are not two halves`);
  const y = tape.empty([rows, width], gateUp.dtype);
  const recompute = (): void => native().swigluForward(y.address, gateUp.address, rows, width, gateUp.code);
  recompute();
  gateUp.isReadInBackward = tape.hasGrad;
  tape.record(() => {
    if (!y.grad) return;
    const d = tape.empty(gateUp.shape, gateUp.dtype);
    native().swigluBackward(d.address, y.grad.address, gateUp.address, rows, width, gateUp.code);
    tape.contribute(gateUp, d);
  });
  return { y, recompute };
}

/**
 * The same between FP8 linears: the result leaves as quantised rows alone, and of `gateUp`, which is freed, FP8 rows are kept, from which the
 * backward computes the result anew (report 3.3.3). Gate and up have tiles of their own: rows of `width` values.
 */
export function swigluFp8(tape: Tape, gateUp: Tensor): Recomputable {
  const { rows } = gateUp;
  const width = gateUp.columns / 2;
  if (!Number.isInteger(width)) throw new RangeError(`swiglu: ${gateUp.columns} columns are not two halves`);
  const y = tape.empty([rows, width], gateUp.dtype);
  const result = emptyRows(tape, rows, width, "float8_e4m3fn", false, true);
  const halves = tape.hasGrad ? emptyRows(tape, 2 * rows, width, "float8_e4m3fn", false) : null;
  const [kept, keptScales] = [halves?.data.address ?? null, halves?.scales.address ?? null];
  const [q, s] = [result.data.address, result.scales.address];
  native().fp8SwigluForward(q, s, kept, keptScales, gateUp.address, rows, width, gateUp.code);
  y.quantized = result;
  y.isReadInBackward = true;
  y.free();
  tape.release(gateUp);
  tape.record(() => {
    if (!y.grad) return;
    const d = tape.empty(gateUp.shape, gateUp.dtype);
    native().fp8SwigluBackward(d.address, y.grad.address, kept, keptScales, rows, width, gateUp.code);
    tape.contribute(gateUp, d);
  });
  return { y, recompute: () => native().fp8SwigluOutput(y.address, kept, keptScales, rows, width, y.code) };
}
