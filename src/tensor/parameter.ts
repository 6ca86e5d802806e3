/**
 * A learned (or counted) array of the model under its Hugging Face name: working values in the compute type, a float32 gradient while
 * training. The optimizer keeps the float32 master copy and the moments.
 */
import type { Arena } from "./arena.js";
import type { Dtype, QuantDtype } from "./dtype.js";
import { type Shape, sizeOf, Tensor } from "./tensor.js";

/** value = stored * scale, one scale for each `group` values of a row (a multiple of 32). */
export interface QuantScales {
  readonly group: number;
  /** [rows, ceil(columns / group)] float32, rows over all experts */
  readonly values: Tensor;
}

export interface Parameter {
  readonly name: string;
  readonly shape: Shape;
  /** In the compute type; with `scales`, stored values of 8 or 4 bits. A view of the file where a checkpoint is mapped. */
  data: Tensor;
  /** Null for weights that are not quantised. */
  readonly scales: QuantScales | null;
  /** Float32; null when the parameter is frozen, a buffer, or the model only infers. */
  grad: Tensor | null;
  /** Matrices decay, norm weights do not (the report does not say; the common choice). */
  readonly hasDecay: boolean;
  /** False for buffers that no gradient moves (e_score_correction_bias) and for quantised weights. */
  readonly isTrained: boolean;
}

export function createParameter(arena: Arena, name: string, shape: Shape, dtype: Dtype, isTrained = true): Parameter {
  const data = Tensor.zeros(arena, shape, dtype);
  return { name, shape, data, scales: null, grad: null, hasDecay: shape.length > 1, isTrained };
}

/** A frozen matrix, or one for each expert, of quantised weights, all zero. @throws RangeError for int4 rows that are not whole steps */
export function createQuantized(arena: Arena, name: string, shape: Shape, dtype: QuantDtype, group: number): Parameter {
  const columns = shape.at(-1) ?? 0;
  if (group % 32 !== 0) throw new RangeError(`${name}: groups of ${group} values; expected a multiple of 32`);
  if (dtype === "int4" && columns % 32 !== 0) {
    throw new RangeError(`${name}: rows of ${columns} values in int4; expected a multiple of 32`);
  }
  const rows = sizeOf(shape) / columns;
  const values = Tensor.zeros(arena, [rows, Math.ceil(columns / group)], "float32");
  values.fill(1);
  const data = Tensor.zeros(arena, shape, dtype);
  return { name, shape, data, scales: { group, values }, grad: null, hasDecay: true, isTrained: false };
}
