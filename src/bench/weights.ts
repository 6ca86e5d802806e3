/**
 * Models of random weights in memory, for speed alone: matrices repeat one block of normal numbers, so that billions of weights are there in
 * seconds and cost what fresh ones would; the routers are drawn whole, so that tokens spread over the experts.
 */
import { quantizedTo } from "../checkpoint/modelFiles.js";
import { singleCommunicator } from "../distributed/single.js";
import type { ModelConfig } from "../model/config.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { drawParameter } from "../model/init.js";
import { bytesPerElement, type ComputeDtype, type QuantDtype, quantFormat } from "../tensor/dtype.js";
import { native } from "../tensor/native.js";
import type { Parameter } from "../tensor/parameter.js";
import { Tensor } from "../tensor/tensor.js";

/** Most values of the block that repeats. */
const blockValues = 1 << 22;

/** How a benchmarked model computes, and what its matrices are stored as; null = in the type of the arithmetic. */
export interface ModelPrecision {
  readonly dtype: ComputeDtype;
  readonly weights: QuantDtype | null;
}

export const formatNames: Readonly<Record<QuantDtype, string>> = { float8_e4m3fn: "fp8", int8: "int8", int4: "int4" };

/** In words: "bfloat16", or "int8 weights". */
export function precisionName({ dtype, weights }: ModelPrecision): string {
  return weights === null ? dtype : `${formatNames[weights]} weights`;
}

/** A model without MTP modules, which plain decoding does not run. */
export function randomModel(config: ModelConfig, { dtype, weights }: ModelPrecision, seed = 1): DeepseekV3 {
  const main = { ...config, numNextnPredictLayers: 0 };
  const model = new DeepseekV3(main, dtype, singleCommunicator(), weights ? quantizedTo(weights) : undefined);
  const block = Tensor.empty(model.arena, [blockValues], "float32");
  native().randomNormal(block.address, blockValues, seed, 0, 0, config.initializerRange);
  for (const parameter of model.parameters) {
    const { data, name, scales, shape } = parameter;
    if (scales) repeatQuantized(parameter, block);
    else if (shape.length === 1 || name.endsWith(".gate.weight"))
      drawParameter(data.address, data.size, 0, parameter, main, seed);
    else repeat(data, block);
  }
  block.free();
  return model;
}

function repeat(data: Tensor, block: Tensor): void {
  for (let at = 0; at < data.size; at += block.size) {
    const count = Math.min(block.size, data.size - at);
    native().convert(data.address + at * bytesPerElement[data.dtype], block.address, count, data.code, block.code);
  }
}

function repeatQuantized(parameter: Parameter, block: Tensor): void {
  const columns = parameter.shape.at(-1) ?? 1;
  const rows = parameter.data.size / columns;
  const step = Math.max(1, Math.floor(block.size / columns));
  for (let row = 0; row < rows; row += step) {
    quantizeInto(parameter, row, block.address, Math.min(step, rows - row), columns);
  }
}

/** Quantises float32 rows into those of a parameter from `first` on. @param from address of [rows, columns] */
export function quantizeInto(
  { name, data, scales }: Parameter,
  first: number,
  from: number,
  rows: number,
  columns: number,
): void {
  if (!scales) throw new Error(`internal: ${name} has no scales`);
  const { group, values } = scales;
  const to = data.address + first * columns * bytesPerElement[data.dtype];
  const scalesAt = values.address + first * values.columns * 4;
  native().quantizeRows(to, scalesAt, from, rows, columns, group, quantFormat(data.dtype), 0);
}

/** Layer of a parameter, -1 outside layers; modules for multi-token prediction are layers beyond the model's. */
export function layerOf({ name }: Pick<Parameter, "name">): number {
  return Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? -1);
}

/** Bytes of a parameter in memory, scales included. */
export function weightBytes({ data, scales }: Parameter): number {
  return data.size * bytesPerElement[data.dtype] + (scales ? scales.values.size * 4 : 0);
}
