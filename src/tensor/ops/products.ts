/**
 * The products of activations with weights that every projection is made of, whatever the weights are stored as: float32 and bfloat16, or
 * 8 and 4 bits with scales (kernels.h). The ops above know only shapes.
 */
import { quantFormat } from "../dtype.js";
import { native } from "../native.js";
import type { Parameter } from "../parameter.js";
import type { GradTarget, Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { addAdapters } from "./adapter.js";
import { fetchNext } from "./fetchAhead.js";
import { fp8Of, fp8Product } from "./fp8Linear.js";

/** Which kernel a row meets: many rows at once (training, prefill), or the streaming one of decoding. */
export type RowKind = "prefill" | "decode";

/** y [rows, n] = x [rows, k] W^T, and what adapters add. @param weight [n, k] */
export function productWithMatrix(tape: Tape, y: Tensor, x: Tensor, weight: Parameter, kind: RowKind): void {
  matrixProduct(tape, y, x, weight, kind);
  if (kind === "decode") fetchNext(weight);
  addAdapters(tape, y, x, weight, [0, x.rows]);
}

function matrixProduct(tape: Tape, y: Tensor, x: Tensor, weight: Parameter, kind: RowKind): void {
  const [n = 0, k = 0] = weight.shape;
  const { data: w, scales } = weight;
  const m = x.rows;
  const fp8 = fp8Of(weight, kind);
  if (fp8) fp8Product(tape, y, x, weight, fp8, tape.ints([0, m]));
  else if (scales && kind === "decode") {
    expertProducts(tape, y, x, weight, tape.ints([0, m]), kind);
  } else if (scales) {
    const { group, values } = scales;
    const [a, b, s] = [x.address, w.address, values.address];
    const format = quantFormat(weight.data.dtype);
    native().gemmBatchedQuantized(
      y.address,
      a,
      b,
      s,
      1,
      0,
      0,
      0,
      m,
      n,
      k,
      k,
      k,
      n,
      1,
      0,
      group,
      format,
      y.code,
      x.code,
    );
  } else if (kind === "decode") {
    native().linearDecode(y.address, x.address, w.address, m, n, k, y.code, x.code, w.code);
  } else {
    native().gemm(y.address, x.address, w.address, m, n, k, k, k, n, 0, 1, 0, y.code, x.code, w.code);
  }
}

/** dx [rows, k] (+)= dy [rows, n] W. @param weight [n, k] */
export function gradientThroughMatrix({ tensor: dx, accumulate }: GradTarget, dy: Tensor, weight: Parameter): void {
  const [n = 0, k = 0] = weight.shape;
  const { data: w, scales } = weight;
  const m = dy.rows;
  const [c, a, b] = [dx.address, dy.address, w.address];
  if (scales) {
    const { group, values } = scales;
    const sizes = [m, k, n, n, k, k, 0, accumulate, group, quantFormat(weight.data.dtype), dx.code, dy.code] as const;
    native().gemmBatchedQuantized(c, a, b, values.address, 1, 0, 0, 0, ...sizes);
  } else native().gemm(c, a, b, m, k, n, n, k, k, 0, 0, accumulate, dx.code, dy.code, w.code);
}

/**
 * y[r] = x[r] W[e]^T for the rows r of each expert, and what adapters add.
 * @param weight [experts, n, k] @param offsets [experts + 1] int32
 */
export function productOfExperts(
  tape: Tape,
  y: Tensor,
  x: Tensor,
  weight: Parameter,
  offsets: Tensor,
  kind: RowKind,
): void {
  expertProducts(tape, y, x, weight, offsets, kind);
  if (kind === "decode") fetchNext(weight, offsets);
  if (weight.adapters.length > 0) addAdapters(tape, y, x, weight, offsets.ints());
}

/** @param weight [experts, n, k] or, for one, [n, k] */
function expertProducts(tape: Tape, y: Tensor, x: Tensor, weight: Parameter, offsets: Tensor, kind: RowKind): void {
  const [n = 0, k = 0] = weight.shape.slice(-2);
  const e = offsets.size - 1;
  const { data: w, scales } = weight;
  const fp8 = fp8Of(weight, kind);
  if (fp8) {
    fp8Product(tape, y, x, weight, fp8, offsets);
    return;
  }
  const [c, a, b, o] = [y.address, x.address, w.address, offsets.address];
  if (scales) {
    const { group, values } = scales;
    const format = quantFormat(weight.data.dtype);
    const s = values.address;
    if (kind === "decode") native().linearDecodeQuantized(c, a, b, s, o, e, n, k, group, format, y.code, x.code);
    else native().groupedGemmQuantized(c, a, b, s, o, e, n, k, 1, 0, group, format, y.code, x.code);
  } else if (kind === "decode") {
    native().groupedLinearDecode(c, a, b, o, e, n, k, y.code, x.code, w.code);
  } else native().groupedGemm(c, a, b, o, e, n, k, 1, 0, y.code, x.code, w.code);
}

/** dx[r] (+)= dy[r] W[e]. @param weight [experts, n, k] */
export function gradientThroughExperts(
  { tensor: dx, accumulate }: GradTarget,
  dy: Tensor,
  weight: Parameter,
  offsets: Tensor,
): void {
  const [e = 0, n = 0, k = 0] = weight.shape;
  const { data: w, scales } = weight;
  const [c, a, b, o] = [dx.address, dy.address, w.address, offsets.address];
  if (scales) {
    const { group, values } = scales;
    const s = values.address;
    native().groupedGemmQuantized(
      c,
      a,
      b,
      s,
      o,
      e,
      k,
      n,
      0,
      accumulate,
      group,
      quantFormat(weight.data.dtype),
      dx.code,
      dy.code,
    );
  } else native().groupedGemm(c, a, b, o, e, k, n, 0, accumulate, dx.code, dy.code, w.code);
}
