/**
 * A learned (or counted) array of the model under its Hugging Face name: working values in the compute type, a float32 gradient while
 * training. The optimizer keeps the float32 master copy and the moments.
 */
import type { Arena } from "./arena.js";
import type { Dtype, QuantDtype } from "./dtype.js";
import { native } from "./native.js";
import { type Shape, sizeOf, Tensor } from "./tensor.js";

/** value = stored * scale, one scale for each `group` values of a row (a multiple of 32). */
export interface QuantScales {
  readonly group: number;
  /** [rows, ceil(columns / group)] float32, rows over all experts */
  readonly values: Tensor;
}

/** How one FP8 linear quantises what it multiplies (report 3.3; training.md C3, C5). */
export interface Fp8Recipe {
  readonly inputFormat: "float8_e4m3fn" | "float12_e5m6";
  /** Scales rounded up to powers of two: of the input, and of the output gradient. */
  readonly powerOfTwoInput: boolean;
  readonly powerOfTwoGradient: boolean;
  /** Output gradients in blocks of 128 x 128 instead of 1 x 128 where the input's gradient is computed. */
  readonly gradientBlocks: boolean;
  /** 0: sums in float32; 14: as Hopper's tensor cores make them. */
  readonly accumulationBits: 0 | 14;
}

/** A trained weight that exists as E4M3 alone; the optimizer quantises its float32 master anew after each step. */
export interface Fp8Weight {
  readonly recipe: Fp8Recipe;
  /** [experts, ceil(out / 128), ceil(in / 128)] float32 */
  readonly scales: Tensor;
  /** Float32 values since an initialisation or a load, until the optimizer takes them over. */
  exact: Tensor | null;
}

/** Rows [start, start + length) of a matrix. */
export interface RowRun {
  readonly start: number;
  readonly length: number;
}

/**
 * A change of low rank that belongs to a frozen matrix, or to one for each expert: y = W x + scale * B (A x), in the rows that B's are
 * (LoRA, Hu and others 2021; ops/adapter.ts).
 */
export interface Adapter {
  /** [rank, in], or [experts, rank, in]; float32 */
  readonly a: Parameter;
  /** [rows, rank], or [experts, rows, rank]; float32 */
  readonly b: Parameter;
  readonly scale: number;
  /** Share of x that A does not see where a tape drops; see TapeOptions. */
  readonly dropout: number;
  /** Of the random numbers that choose what is dropped. */
  readonly stream: number;
  /** The matrix's rows that B's are, in order: all, or those of one projection where several are fused. */
  readonly runs: readonly RowRun[];
}

export interface Parameter {
  readonly name: string;
  readonly shape: Shape;
  /** In the compute type; with `scales`, stored values of 8 or 4 bits. A view of the file where a checkpoint is mapped. */
  data: Tensor;
  /** Null for weights that are not quantised. */
  readonly scales: QuantScales | null;
  /** Null for all but the trained weights of FP8 linears; these have `scales` too, for the kernels that only infer. */
  readonly fp8: Fp8Weight | null;
  /** Float32; null when the parameter is frozen, a buffer, or the model only infers. */
  grad: Tensor | null;
  /** Matrices decay, norm weights do not (the report does not say; the common choice). */
  readonly hasDecay: boolean;
  /** Counted, not learned: no gradient ever moves it (e_score_correction_bias). */
  readonly isBuffer: boolean;
  /** False for buffers and for what is frozen: quantised weights, and all of a model that has an adapter. */
  isTrained: boolean;
  /** What adds to a matrix's products; none for most. */
  adapters: readonly Adapter[];
  /** The matrix that decoding reads after this one; null if none is. */
  next: Parameter | null;
}

export function createParameter(arena: Arena, name: string, shape: Shape, dtype: Dtype, isBuffer = false): Parameter {
  const data = Tensor.zeros(arena, shape, dtype);
  return { ...unquantized, name, shape, data, hasDecay: shape.length > 1, isBuffer, isTrained: !isBuffer };
}

const unquantized = { scales: null, fp8: null, grad: null, adapters: [], next: null } as const;

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
  const scales = { group, values };
  return { ...unquantized, name, shape, data, scales, hasDecay: true, isBuffer: false, isTrained: false };
}

/** Edge of the blocks of a weight and length of the tiles of an activation that share a scale. */
export const fp8Tile = 128;

/** The weight of an FP8 linear, or of one for each expert, all zero. */
export function createFp8(arena: Arena, name: string, shape: Shape, recipe: Fp8Recipe): Parameter {
  const [n = 0, k = 0] = shape.slice(-2);
  const experts = sizeOf(shape) / (n * k);
  const across = Math.ceil(k / fp8Tile);
  const scales = Tensor.zeros(arena, [experts, Math.ceil(n / fp8Tile), across], "float32");
  const values = Tensor.zeros(arena, [experts * n, across], "float32");
  const data = Tensor.zeros(arena, shape, "float8_e4m3fn");
  const fp8 = { recipe, scales, exact: null };
  const rowScales = { group: fp8Tile, values };
  return {
    ...unquantized,
    name,
    shape,
    data,
    scales: rowScales,
    fp8,
    hasDecay: true,
    isBuffer: false,
    isTrained: true,
  };
}

/** Stores float32 values of the parameter's shape as E4M3 in blocks of 128 x 128, each expert's by itself. */
export function quantizeWeight({ name, shape, data, scales, fp8 }: Parameter, exact: Tensor): void {
  if (!fp8 || !scales) throw new Error(`internal: ${name} is not the weight of an FP8 linear`);
  const [n = 0, k = 0] = shape.slice(-2);
  const experts = data.size / (n * k);
  native().fp8QuantizeWeights(data.address, fp8.scales.address, scales.values.address, exact.address, experts, n, k);
}

/** The same, keeping the values, which become the parameter's, for the optimizer. */
export function setExact(parameter: Parameter, exact: Tensor): void {
  quantizeWeight(parameter, exact);
  if (!parameter.fp8) return;
  parameter.fp8.exact?.free();
  parameter.fp8.exact = exact;
}
