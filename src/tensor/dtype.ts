/** Element types of tensors, with the names that config.json uses (torch_dtype). */
import type { DtypeCode } from "./native.js";

export type Dtype = "float32" | "bfloat16" | "float16" | "float8_e4m3fn" | "int32";

/** What activations and working weights may be stored as; sums are always float32. */
export type ComputeDtype = "float32" | "bfloat16";

export const bytesPerElement: Readonly<Record<Dtype, number>> = {
  float32: 4,
  bfloat16: 2,
  float16: 2,
  float8_e4m3fn: 1,
  int32: 4,
};

/** The kernels' code of a floating type. @throws TypeError for int32, which kernels take by their own argument types */
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
    case "int32":
      throw new TypeError("internal: int32 has no floating type code");
    default:
      return dtype satisfies never;
  }
}
