/** Element types of tensors, with the names that config.json uses (torch_dtype). */
import type { DtypeCode, QuantFormatCode } from "./native.js";

/**
 * int8 and int4 are weights with scales; two int4 share a byte, 32 of them 16 bytes. float12_e5m6 is a kept activation of FP8 training, two
 * values in three bytes.
 */
export type Dtype = "float32" | "bfloat16" | "float16" | "float8_e4m3fn" | "float12_e5m6" | "int8" | "int4" | "int32";

/** What weights may be stored as with a scale for each group of a row. */
export type QuantDtype = "float8_e4m3fn" | "int8" | "int4";

/** What activations and working weights may be stored as; sums are always float32. */
export type ComputeDtype = "float32" | "bfloat16";

/** How a model is trained. fp8: the linears of attention and feed-forward parts in E4M3, everything else in bfloat16 (report 3.3). */
export type TrainPrecision = ComputeDtype | "fp8";

export const trainPrecisions: readonly TrainPrecision[] = ["float32", "bfloat16", "fp8"];

export function computeDtypeOf(precision: TrainPrecision): ComputeDtype {
  return precision === "fp8" ? "bfloat16" : precision;
}

export const bytesPerElement: Readonly<Record<Dtype, number>> = {
  float32: 4,
  bfloat16: 2,
  float16: 2,
  float8_e4m3fn: 1,
  float12_e5m6: 1.5,
  int8: 1,
  int4: 0.5,
  int32: 4,
};

/** The kernels' code of a floating type. @throws TypeError for the others, which kernels take by their own argument types */
export function dtypeCode(dtype: Dtype): DtypeCode {
  switch (dtype) {
    case "float32":
      return 0;
    case "bfloat16":
      return 1;
    case "float8_e4m3fn":
      return 2;
    case "float16":
      return 3;
    case "float12_e5m6":
      return 4;
    case "int8":
    case "int4":
    case "int32":
      throw new TypeError(`internal: ${dtype} has no floating type code`);
    default:
      return dtype satisfies never;
  }
}

/** How kernels read quantised weights. @throws TypeError for types that have no scales */
export function quantFormat(dtype: Dtype): QuantFormatCode {
  switch (dtype) {
    case "float8_e4m3fn":
      return 0;
    case "int8":
      return 1;
    case "int4":
      return 2;
    default:
      throw new TypeError(`internal: ${dtype} has no quantised form`);
  }
}
