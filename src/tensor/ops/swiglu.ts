/** The gated activation of every feed-forward part: silu(gate) * up. Shazeer 2020. */
import { native } from "../native.js";
import type { Recomputable, Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

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
  tape.record(() => {
    if (!y.grad) return;
    const d = tape.empty(gateUp.shape, gateUp.dtype);
    native().swigluBackward(d.address, y.grad.address, gateUp.address, rows, width, gateUp.code);
    tape.contribute(gateUp, d);
  });
  return { y, recompute };
}
