/** The names that options use for how weights and cache lie in memory. */
import type { QuantDtype } from "../tensor/dtype.js";
import type { CacheDtype } from "../tensor/ops/latentAttention.js";

export type WeightPrecision = "fp8" | "int8" | "int4";

export const quantDtypes: Readonly<Record<WeightPrecision, QuantDtype>> = {
  fp8: "float8_e4m3fn",
  int8: "int8",
  int4: "int4",
};

export type CachePrecision = "f32" | "bf16" | "fp8";

export const cacheDtypes: Readonly<Record<CachePrecision, CacheDtype>> = {
  f32: "float32",
  bf16: "bfloat16",
  fp8: "float8_e4m3fn",
};
