/**
 * A learned (or counted) array of the model under its Hugging Face name: working values in the compute type, a float32 gradient while
 * training. The optimizer keeps the float32 master copy and the moments.
 */
import type { Arena } from "./arena.js";
import type { Dtype } from "./dtype.js";
import { type Shape, Tensor } from "./tensor.js";

export interface Parameter {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Tensor;
  /** Float32; null when the parameter is frozen, a buffer, or the model only infers. */
  grad: Tensor | null;
  /** Matrices decay, norm weights do not (the report does not say; the common choice). */
  readonly hasDecay: boolean;
  /** False for buffers that no gradient moves: e_score_correction_bias. */
  readonly isTrained: boolean;
}

export function createParameter(arena: Arena, name: string, shape: Shape, dtype: Dtype, isTrained = true): Parameter {
  return { name, shape, data: Tensor.zeros(arena, shape, dtype), grad: null, hasDecay: shape.length > 1, isTrained };
}
