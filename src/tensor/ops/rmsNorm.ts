/** Root-mean-square normalisation with a learned weight. Zhang & Sennrich 2019. */
import { native } from "../native.js";
import type { Parameter } from "../parameter.js";
import type { Recomputable, Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { recordSum } from "./elementwise.js";
import { shown } from "./sizes.js";

/**
 * y = x / sqrt(mean(x^2) + eps) * weight, row by row; the mean is taken in float32.
 * @param x [rows, dim]
 * @param weight [dim] float32
 * @returns y [rows, dim], new, and how to compute it anew: norm outputs need not be stored (report 3.2.3)
 */
export function rmsNorm(tape: Tape, x: Tensor, weight: Parameter, eps: number): Recomputable {
  const dim = x.columns;
  if (weight.data.size !== dim || weight.data.dtype !== "float32") {
    throw new RangeError(
      `rmsNorm: x ${shown(x)} has ${dim} columns, ${weight.name} is ${shown(weight.data)}, expected [${dim}] float32`,
    );
  }
  const { rows } = x;
  const y = tape.empty([rows, dim], x.dtype);
  const rstd = tape.empty([rows], "float32");
  const compute = (): void =>
    native().rmsNormForward(y.address, rstd.address, x.address, weight.data.address, rows, dim, dim, eps, x.code);
  compute();
  recordNorm(tape, { x, y, rstd }, weight);
  return { y, recompute: compute };
}

/**
 * A residual sum and the norm that reads it, in one pass: the values of `add` and `rmsNorm`.
 * @param a [rows, dim] @param b the same
 * @returns sum and y [rows, dim], both new; `recompute` computes y anew from the sum
 */
export function addRmsNorm(
  tape: Tape,
  a: Tensor,
  b: Tensor,
  weight: Parameter,
  eps: number,
): Recomputable & { readonly sum: Tensor } {
  const dim = a.columns;
  const isSame = a.rows === b.rows && a.size === b.size && a.dtype === b.dtype;
  if (!isSame || weight.data.size !== dim || weight.data.dtype !== "float32") {
    throw new RangeError(
      `addRmsNorm: a ${shown(a)}, b ${shown(b)}, ${weight.name} ${shown(weight.data)}: expected a and b alike, [${dim}] float32`,
    );
  }
  const { rows } = a;
  const sum = tape.empty(a.shape, a.dtype);
  const y = tape.empty(a.shape, a.dtype);
  const rstd = tape.empty([rows], "float32");
  const [to, scale, w] = [y.address, rstd.address, weight.data.address];
  native().addRmsNormForward(to, scale, sum.address, a.address, b.address, w, rows, dim, eps, a.code);
  recordSum(tape, sum, a, b);
  recordNorm(tape, { x: sum, y, rstd }, weight);
  const recompute = (): void =>
    native().rmsNormForward(y.address, rstd.address, sum.address, w, rows, dim, dim, eps, a.code);
  return { sum, y, recompute };
}

interface Normed {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly rstd: Tensor;
}

function recordNorm(tape: Tape, { x, y, rstd }: Normed, weight: Parameter): void {
  const { rows, columns: dim } = x;
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
}
