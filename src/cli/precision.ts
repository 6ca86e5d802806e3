/** The options for how a model computes and how its weights lie in memory. */
import { Option } from "commander";
import { cacheDtypes, quantDtypes } from "../generate/precision.js";

export { type CachePrecision, cacheDtypes, quantDtypes, type WeightPrecision } from "../generate/precision.js";

/** --dtype */
export function arithmeticOption(): Option {
  return new Option("--dtype <type>", "arithmetic (default: the checkpoint's)").choices(["float32", "bfloat16"]);
}

/** --weights: quantise while loading. @param which matrices, in the help */
export function weightsOption(which = "matrices"): Option {
  const text = `keep ${which} in 8 or 4 bits in memory (default: FP8 where the checkpoint is FP8)`;
  return new Option("--weights <precision>", text).choices(Object.keys(quantDtypes));
}

/** --plain-head */
export function headOption(): Option {
  return new Option("--plain-head", "with --weights: the output head stays as it is; else it has 8 bits");
}

/** --adapter */
export function adapterOption(): Option {
  return new Option("--adapter <dir>", "an adapter (PEFT's layout) over the model; a model that is one opens its base");
}

/** --cache */
export function cacheOption(): Option {
  const text =
    "how the latent cache keeps a token: fp8 = latents in 8 bits, rotated keys in bf16 (default: the arithmetic's type)";
  return new Option("--cache <precision>", text).choices(Object.keys(cacheDtypes));
}
