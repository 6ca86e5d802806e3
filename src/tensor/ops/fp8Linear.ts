/**
 * Linears in FP8 (report 3.3; training.md C1 to C5): all three products read E4M3 bytes and sum in float32, promoted every 128 terms.
 *
 *   y  = Q(x) Q(W)^T     x in tiles of 1 x 128, W in blocks of 128 x 128
 *   dx = Q(dy) Q(W)       dy in tiles of 1 x 128
 *   dW = Q(dy)^T Q(x)     both in tiles of 128 x 1; the stored tiles of x are dequantised and quantised anew
 *
 * Gradients are straight through: those of the quantised operands. Of the input only the quantised rows are kept, once for all linears that
 * read the same tensor; values that are computed anew in the backward (SwiGLU's) are quantised from there.
 */
import type { Arena } from "../arena.js";
import { native } from "../native.js";
import { type Fp8Weight, fp8Tile, type Parameter } from "../parameter.js";
import type { Tape } from "../tape.js";
import { type QuantizedRows, Tensor } from "../tensor.js";

/** What the largest value of a tile counts as at least: the reference's floor of activations. */
const activationFloor = 1e-4;
/**
 * Gradients have been divided by the tokens of a step: with 1e-4 as their floor most would round to zero, and the more the larger the batch.
 * This only keeps scales and their inverses normal numbers.
 */
const gradientFloor = 2 ** -100;

/** @param isDropped see QuantizedRows */
export function emptyRows(
  tape: Tape,
  rows: number,
  columns: number,
  dtype: "float8_e4m3fn" | "float12_e5m6",
  isPowerOfTwo: boolean,
  isDropped = false,
): QuantizedRows {
  const stored = dtype === "float12_e5m6" ? Math.ceil(columns / 2) * 2 : columns;
  const data = tape.empty([rows, stored], dtype);
  const scales = tape.empty([rows, Math.ceil(columns / fp8Tile)], "float32");
  return { data, scales, isPowerOfTwo, isDropped };
}

/** The rows of x as the linear reads them: those that another linear has made, if they are alike. */
export function quantizedInput(tape: Tape, x: Tensor, { recipe }: Fp8Weight): QuantizedRows {
  const { inputFormat, powerOfTwoInput } = recipe;
  const made = x.quantized;
  if (made && made.data.dtype === inputFormat && (made.isPowerOfTwo || !powerOfTwoInput)) return made;
  const result = emptyRows(tape, x.rows, x.columns, inputFormat, powerOfTwoInput);
  quantizeRows(result, x, activationFloor);
  x.quantized ??= result;
  return result;
}

function quantizeRows({ data, scales, isPowerOfTwo }: QuantizedRows, x: Tensor, floor: number): void {
  const flag = isPowerOfTwo ? 1 : 0;
  native().fp8QuantizeRows(data.address, scales.address, x.address, x.rows, x.columns, data.code, flag, floor, x.code);
}

/**
 * Drops values that an FP8 linear has read and another op's backward reads too (the attention's output, report 3.3.3): from the quantised rows
 * kept for both they come back in the backward. Values of other precisions stay.
 */
export function keepQuantized(tape: Tape, x: Tensor): void {
  const { quantized } = x;
  if (!quantized) return;
  const { data, scales } = quantized;
  tape.dropUntilBackward([x], () =>
    native().fp8DequantizeRows(x.address, data.address, scales.address, x.rows, x.columns, data.code, x.code),
  );
}

/** y[r] = x[r] W[e]^T for the rows r of each expert. @param offsets [experts + 1] int32 */
export function fp8Product(tape: Tape, y: Tensor, x: Tensor, weight: Parameter, fp8: Fp8Weight, offsets: Tensor): void {
  const [n = 0, k = 0] = weight.shape.slice(-2);
  const q = quantizedInput(tape, x, fp8);
  native().fp8Forward(
    y.address,
    q.data.address,
    q.scales.address,
    weight.data.address,
    fp8.scales.address,
    offsets.address,
    offsets.size - 1,
    n,
    k,
    q.data.code,
    y.code,
    fp8.recipe.accumulationBits,
  );
}

/** Records the backward of `fp8Product`. */
export function recordFp8(tape: Tape, y: Tensor, x: Tensor, weight: Parameter, fp8: Fp8Weight, offsets: Tensor): void {
  if (!tape.hasGrad) return;
  const input = quantizedInput(tape, x, fp8);
  tape.record(() => {
    const dy = y.grad;
    if (!dy) return;
    inputGradient(tape, x, dy, weight, fp8, offsets);
    tape.weightGrad(() => {
      if (weight.grad) weightGradient(tape.arena, weight.grad, dy, x, input, fp8, offsets);
    });
  });
}

function inputGradient(tape: Tape, x: Tensor, dy: Tensor, weight: Parameter, fp8: Fp8Weight, offsets: Tensor): void {
  const [n = 0, k = 0] = weight.shape.slice(-2);
  const experts = offsets.size - 1;
  const { gradientBlocks, powerOfTwoGradient, accumulationBits } = fp8.recipe;
  const q = emptyRows(tape, dy.rows, n, "float8_e4m3fn", powerOfTwoGradient);
  const flag = powerOfTwoGradient ? 1 : 0;
  if (gradientBlocks) {
    const [to, scales] = [q.data.address, q.scales.address];
    native().fp8QuantizeGradientBlocks(
      to,
      scales,
      dy.address,
      offsets.address,
      experts,
      n,
      flag,
      gradientFloor,
      dy.code,
    );
  } else quantizeRows(q, dy, gradientFloor);
  const { tensor: dx, accumulate } = tape.target(x);
  native().fp8InputGradient(
    dx.address,
    q.data.address,
    q.scales.address,
    weight.data.address,
    fp8.scales.address,
    offsets.address,
    experts,
    n,
    k,
    accumulate,
    dx.code,
    accumulationBits,
  );
}

function weightGradient(
  arena: Arena,
  dw: Tensor,
  dy: Tensor,
  x: Tensor,
  input: QuantizedRows,
  fp8: Fp8Weight,
  offsets: Tensor,
): void {
  const { powerOfTwoGradient, accumulationBits } = fp8.recipe;
  const experts = offsets.size - 1;
  const rows = dy.columns === 0 ? 0 : dy.rows;
  // Values computed anew are read in place of the rows that were dropped with them.
  const isDropped = input.data.isFreed;
  const columnsOf = (
    source: Tensor,
    scales: Tensor | null,
    k: number,
    isPowerOfTwo: boolean,
    floor: number,
  ): [Tensor, Tensor] => {
    const q = Tensor.empty(arena, [rows, k], "float8_e4m3fn");
    const s = Tensor.empty(arena, [Math.floor(rows / fp8Tile) + experts, k], "float32");
    const flag = isPowerOfTwo ? 1 : 0;
    const from = scales?.address ?? null;
    native().fp8QuantizeColumns(
      q.address,
      s.address,
      source.address,
      from,
      offsets.address,
      experts,
      k,
      flag,
      floor,
      source.code,
    );
    return [q, s];
  };
  const [dyColumns, dyScales] = columnsOf(dy, null, dy.columns, powerOfTwoGradient, gradientFloor);
  const [xColumns, xScales] = columnsOf(
    isDropped ? x : input.data,
    isDropped ? null : input.scales,
    x.columns,
    input.isPowerOfTwo,
    activationFloor,
  );
  native().fp8WeightGradient(
    dw.address,
    dyColumns.address,
    dyScales.address,
    xColumns.address,
    xScales.address,
    offsets.address,
    experts,
    dy.columns,
    x.columns,
    accumulationBits,
  );
  for (const tensor of [dyColumns, dyScales, xColumns, xScales]) tensor.free();
}

/** Whether a linear of this kind of rows multiplies in FP8; decoding reads the same bytes with activations as they are. */
export function fp8Of(weight: Parameter, kind: "prefill" | "decode"): Fp8Weight | null {
  return kind === "prefill" ? weight.fp8 : null;
}
