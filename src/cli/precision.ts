/** The options for how a model computes and how its weights lie in memory. */
import { Option } from "commander";
import type { QuantDtype } from "../tensor/dtype.js";
import type { CacheDtype } from "../tensor/ops/latentAttention.js";

export type WeightPrecision = "fp8" | "int8" | "int4";

export const quantDtypes: Readonly<Record<WeightPrecision, QuantDtype>> = {
  fp8: "float8_e4m3fn",
  int8: "int8",
  int4: "int4",
};

/** --dtype */
export function arithmeticOption(): Option {
  return new Option("--dtype <type>", "arithmetic (default: the checkpoint's)").choices(["float32", "bfloat16"]);
}

/** --weights: quantise while loading. */
export function weightsOption(): Option {
  const text = "keep matrices in 8 or 4 bits in memory (default: FP8 where the checkpoint is FP8)";
  return new Option("--weights <precision>", text).choices(Object.keys(quantDtypes));
}

export type CachePrecision = "f32" | "bf16" | "fp8";

export const cacheDtypes: Readonly<Record<CachePrecision, CacheDtype>> = {
  f32: "float32",
  bf16: "bfloat16",
  fp8: "float8_e4m3fn",
};

/** --cache */
export function cacheOption(): Option {
  const text =
    "how the latent cache keeps a token: fp8 = latents in 8 bits, rotated keys in bf16 (default: the arithmetic's type)";
  return new Option("--cache <precision>", text).choices(Object.keys(cacheDtypes));
}
