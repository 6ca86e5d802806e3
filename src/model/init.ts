/**
 * Random initial weights: every matrix normal with the config's initializer_range (the report trains with 0.006), norm weights one, the
 * routing bias zero (model.md B7). Each parameter draws from a stream of its own, keyed by its name, so adding a layer or splitting
 * experts over processes changes nothing else.
 */
import { native } from "../tensor/native.js";
import type { Parameter } from "../tensor/parameter.js";
import { Tensor } from "../tensor/tensor.js";
import type { DeepseekV3 } from "./deepseekV3.js";

/** Overwrites all parameters. @param seed integer below 2^53 @param expertRank rank of this process among those that share experts */
export function initialize(model: DeepseekV3, seed: number, expertRank = 0): void {
  for (const parameter of model.parameters) initializeParameter(model, parameter, seed, expertRank);
}

function initializeParameter(model: DeepseekV3, parameter: Parameter, seed: number, expertRank: number): void {
  const { data, shape } = parameter;
  if (!parameter.isTrained || shape.length === 1) {
    data.fill(parameter.isTrained ? 1 : 0);
    return;
  }
  // Experts of rank r are elements [r * size, (r + 1) * size) of the whole array.
  const start = shape.length === 3 ? expertRank * data.size : 0;
  const std = model.config.initializerRange;
  const stream = streamOf(parameter.name);
  const target = data.dtype === "float32" ? data : Tensor.empty(model.arena, shape, "float32");
  native().randomNormal(target.address, data.size, seed, stream, start, std);
  if (target !== data) {
    native().convert(data.address, target.address, data.size, data.code, 0);
    target.free();
  }
}

/** FNV-1a over the name: 32 bits, equal on every machine. */
export function streamOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
