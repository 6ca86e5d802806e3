/**
 * y = x W^T, as every projection of the model is written; W is [out, in] as in the checkpoint. FP8 is a property of W (fp8Linear.ts), and
 * so is an adapter (adapter.ts): over a frozen W gradients reach x and the adapter.
 */
import type { Dtype } from "../dtype.js";
import { native } from "../native.js";
import type { Parameter } from "../parameter.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { adapterGradients } from "./adapter.js";
import { fp8Of, recordFp8 } from "./fp8Linear.js";
import {
  gradientThroughExperts,
  gradientThroughMatrix,
  productOfExperts,
  productWithMatrix,
  type RowKind,
} from "./products.js";
import { coveredRows, shown } from "./sizes.js";

/**
 * @param x [rows, in]
 * @param weight [out, in]
 * @param outDtype type of the result; that of `x` unless the caller needs float32 (router, logits)
 * @returns [rows, out], new
 * @throws RangeError if the inner sizes differ
 */
export function linear(
  tape: Tape,
  x: Tensor,
  weight: Parameter,
  kind: RowKind = "prefill",
  outDtype: Dtype = x.dtype,
): Tensor {
  const [n = 0, k = 0] = weight.shape;
  if (weight.shape.length !== 2 || x.columns !== k) {
    throw new RangeError(
      `linear: inner sizes differ: x [${x.shape.join(", ")}] has ${x.columns} columns, ${weight.name} [${weight.shape.join(", ")}] takes ${k}`,
    );
  }
  const m = x.rows;
  const y = tape.empty([m, n], outDtype);
  productWithMatrix(tape, y, x, weight, kind);
  const fp8 = fp8Of(weight, kind);
  if (fp8) {
    recordFp8(tape, y, x, weight, fp8, tape.ints([0, m]));
    return y;
  }
  readInBackward(tape, x, weight);
  tape.record(() => {
    const dy = y.grad;
    if (!dy) return;
    gradientThroughMatrix(tape.target(x), dy, weight);
    adapterGradients(tape, x, dy, weight, [0, m]);
    tape.weightGrad(() => {
      const dw = weight.grad;
      // dW [n, k] += dy^T [n, m] x [m, k]
      if (dw) native().gemm(dw.address, dy.address, x.address, n, k, m, n, k, k, 1, 0, 1, 0, dy.code, x.code);
    });
  });
  return y;
}

/**
 * One matrix per expert over rows sorted by expert: y[r] = x[r] W[e]^T for r in [offsets[e], offsets[e + 1]).
 * @param x [rows, in]
 * @param weight [experts, out, in]
 * @param offsets [experts + 1] int32
 * @returns [rows, out], new
 * @throws RangeError if the inner sizes differ, or the offsets are not those of all rows for as many experts
 */
export function groupedLinear(
  tape: Tape,
  x: Tensor,
  weight: Parameter,
  offsets: Tensor,
  kind: RowKind = "prefill",
): Tensor {
  const [e = 0, n = 0, k = 0] = weight.shape;
  if (weight.shape.length !== 3 || x.columns !== k || offsets.size !== e + 1 || coveredRows(offsets) !== x.rows) {
    throw new RangeError(
      `groupedLinear: x ${shown(x)}, offsets ${shown(offsets)} to ${coveredRows(offsets)} do not fit ${weight.name} ${shown(weight)}: ` +
        `expected [rows, ${k}] and [${e + 1}] to the number of rows`,
    );
  }
  const y = tape.empty([x.rows, n], x.dtype);
  productOfExperts(tape, y, x, weight, offsets, kind);
  const fp8 = fp8Of(weight, kind);
  if (fp8) {
    recordFp8(tape, y, x, weight, fp8, offsets);
    return y;
  }
  readInBackward(tape, x, weight);
  tape.record(() => {
    const dy = y.grad;
    if (!dy) return;
    gradientThroughExperts(tape.target(x), dy, weight, offsets);
    if (weight.adapters.length > 0) adapterGradients(tape, x, dy, weight, offsets.ints());
    tape.weightGrad(() => {
      const dw = weight.grad;
      if (dw) native().groupedGemmWgrad(dw.address, dy.address, x.address, offsets.address, e, n, k, dy.code, x.code);
    });
  });
  return y;
}

/**
 * Keeps the input of a product that is computed anew in the backward (`productWithMatrix`), whether or not its matrix is trained; of the
 * input of an FP8 linear the quantised rows stay.
 */
export function keepInput({ hasGrad }: Tape, x: Tensor, weight: Parameter): void {
  if (hasGrad && !fp8Of(weight, "prefill")) x.isReadInBackward = true;
}

/** Through a frozen matrix without an adapter a gradient passes without the input's values. */
function readInBackward({ hasGrad }: Tape, x: Tensor, { isTrained, adapters }: Parameter): void {
  if (hasGrad && (isTrained || adapters.length > 0)) x.isReadInBackward = true;
}
