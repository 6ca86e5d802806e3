/**
 * Random initial weights: every matrix normal with the config's initializer_range (the report trains with 0.006), norm weights one, the
 * routing bias zero (model.md B7). Each parameter draws from a stream of its own, keyed by its name, so adding a layer or splitting
 * experts over processes changes nothing else.
 */
import { native } from "../tensor/native.js";
import { type Parameter, setExact } from "../tensor/parameter.js";
import { Tensor } from "../tensor/tensor.js";
import type { ModelConfig } from "./config.js";
import type { DeepseekV3 } from "./deepseekV3.js";

/**
 * Overwrites all parameters.
 * @param seed integer below 2^53 @param expertRank rank of this process among those that share experts
 * @throws RangeError for a model whose weights an adapter has frozen
 */
export function initialize(model: DeepseekV3, seed: number, expertRank = 0): void {
  if (model.adapter) throw new RangeError("initialize: the model has an adapter, which belongs to the weights it has");
  for (const parameter of model.parameters) {
    const { data, shape, fp8 } = parameter;
    // Experts of rank r are elements [r * size, (r + 1) * size) of the whole array.
    const start = shape.length === 3 ? expertRank * data.size : 0;
    const target = data.dtype === "float32" ? data : Tensor.empty(model.arena, shape, "float32");
    drawParameter(target.address, data.size, start, parameter, model.config, seed);
    if (fp8) setExact(parameter, target);
    else if (target !== data) {
      native().convert(data.address, target.address, data.size, data.code, 0);
      target.free();
    }
  }
}

/** Initial values of elements [start, start + count) of a parameter, as float32 at `address`. */
export function drawParameter(
  address: number,
  count: number,
  start: number,
  { name, shape, isTrained }: Parameter,
  config: ModelConfig,
  seed: number,
): void {
  if (!isTrained) native().fill(address, 0, count);
  else if (shape.length === 1) native().fill(address, 1, count);
  else native().randomNormal(address, count, seed, streamOf(name), start, config.initializerRange);
}

/** FNV-1a over the name: 32 bits, equal on every machine. */
export function streamOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
