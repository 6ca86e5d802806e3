/** The options for how a model computes and how its weights lie in memory. */
import { Option } from "commander";
import type { QuantDtype } from "../tensor/dtype.js";

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
