/** Root-mean-square normalisation with a learned weight. Zhang & Sennrich 2019. */
import { native } from "../native.js";
import type { Parameter } from "../parameter.js";
import type { Recomputable, Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/**
 * y = x / sqrt(mean(x^2) + eps) * weight, row by row; the mean is taken in float32.
 * @param x [rows, dim]
 * @param weight [dim] float32
 * @returns y [rows, dim], new, and how to compute it anew: norm outputs need not be stored (report 3.2.3)
 */
export function rmsNorm(tape: Tape, x: Tensor, weight: Parameter, eps: number): Recomputable {
  const dim = x.columns;
  if (weight.data.size !== dim) {
    throw new RangeError(
      `rmsNorm: x [${x.shape.join(", ")}] has ${dim} columns, ${weight.name} has ${weight.data.size}`,
    );
  }
  const { rows } = x;
  const y = tape.empty([rows, dim], x.dtype);
  const rstd = tape.empty([rows], "float32");
  const compute = (): void =>
    native().rmsNormForward(y.address, rstd.address, x.address, weight.data.address, rows, dim, dim, eps, x.code);
  compute();
  tape.record(() => {
    const dy = y.grad;
    if (!dy) return;
    const dx = tape.target(x);
    const dweight = weight.grad ?? tape.zeros([dim], "float32");
    native().rmsNormBackward(
      dx.tensor.address,
      dweight.address,
      dy.address,
      x.address,
      weight.data.address,
      rstd.address,
      rows,
      dim,
      dim,
      dx.accumulate,
      x.code,
    );
  });
  return { y, recompute: compute };
}
