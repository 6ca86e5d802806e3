/**
 * A large FP8 checkpoint in the published layout, for trying out how one opens: the shape of a preset with as many layers as a size asks for. Its
 * matrices repeat one quantised random block, and so it is written at the speed of the disk; norms and routers are drawn as `fathom init` does.
 */
import { existsSync, mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { isQuantizedInFp8 } from "../checkpoint/convert.js";
import { hfTensors } from "../checkpoint/hfNames.js";
import { defaultShardBytes, quantGroups, writeShards } from "../checkpoint/modelFiles.js";
import { byteLength, type TensorSource } from "../checkpoint/safetensors.js";
import { singleCommunicator } from "../distributed/single.js";
import { writeFileAtomic } from "../files/atomic.js";
import { type ModelConfig, serializeModelConfig } from "../model/config.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { parameterCounts } from "../model/flops.js";
import { drawParameter } from "../model/init.js";
import { native } from "../tensor/native.js";
import type { Parameter } from "../tensor/parameter.js";

const blockEdge = quantGroups.float8_e4m3fn;
/** Edge of the random matrix that repeats. */
const edge = 2048;

/** The config with the number of layers, one at least beyond the dense ones, that makes files of about this size. */
export function configOfSize(config: ModelConfig, bytes: number): ModelConfig {
  const { layers, embedding } = parameterCounts(config);
  const dense = layers.slice(0, config.firstKDenseReplace).reduce((sum, { total }) => sum + total, 0);
  const perLayer = layers.at(-1)?.total ?? 1;
  const sparse = Math.max(1, Math.round((bytes - 4 * embedding - dense) / perLayer));
  return { ...config, numHiddenLayers: config.firstKDenseReplace + sparse, numNextnPredictLayers: 0 };
}

/** @throws RangeError if there is a model already, or the disk is too small */
export function writeFp8Checkpoint(directory: string, config: ModelConfig): { readonly bytes: number } {
  if (existsSync(join(directory, "config.json"))) throw new RangeError(`${directory}: there is a model already`);
  mkdirSync(directory, { recursive: true });
  const model = new DeepseekV3(config, "bfloat16", singleCommunicator(), (name, shape) => {
    const parts = hfTensors(config, { name, shape });
    const isQuantized = parts.every((part) => isQuantizedInFp8(part.name, part.shape));
    return isQuantized ? { dtype: "float8_e4m3fn", group: blockEdge } : null;
  });
  const block = randomBlock(config.initializerRange);
  const isScale = ({ name }: TensorSource): boolean => name.endsWith("_scale_inv");
  const made = model.parameters.map((parameter) => sources(config, parameter, block));
  // Every parameter's matrices one after the other and in one file, so that they can be mapped.
  const tensors = [...made.flat().filter(isScale), ...made.map((list) => list.filter((tensor) => !isScale(tensor)))];
  const bytes = made.flat().reduce((sum, tensor) => sum + byteLength(tensor), 0);
  const disk = statfsSync(directory);
  const free = disk.bavail * disk.bsize;
  if (bytes > free) throw new RangeError(`${directory}: the model takes ${bytes} bytes, the disk has ${free} left`);
  writeShards(directory, tensors, defaultShardBytes);
  const quantizationConfig = {
    activation_scheme: "dynamic",
    fmt: "e4m3",
    quant_method: "fp8",
    weight_block_size: [blockEdge, blockEdge],
  };
  const written = serializeModelConfig({ ...config, torchDtype: "bfloat16", quantizationConfig });
  writeFileAtomic(join(directory, "config.json"), `${JSON.stringify(written, null, 2)}\n`);
  model.free();
  return { bytes };
}

interface RandomBlock {
  readonly fp8: Uint8Array;
  /** Of each block of 128 x 128: nearly equal in normal numbers, so that one stands for all. */
  readonly scale: number;
  readonly bf16: Uint8Array;
}

function randomBlock(std: number): RandomBlock {
  const n = native();
  const count = edge * edge;
  const [floats, fp8, bf16] = [n.alloc(4 * count), n.alloc(count), n.alloc(2 * count)];
  const scales = n.alloc(4 * (edge / blockEdge) ** 2);
  n.randomNormal(floats.address, count, 1, 1, 0, std);
  n.quantizeFp8Blocks(fp8.address, scales.address, floats.address, edge, edge, blockEdge, 0);
  n.convert(bf16.address, floats.address, count, 1, 0);
  return {
    fp8: new Uint8Array(fp8.buffer, 0, count),
    scale: new Float32Array(scales.buffer, 0, 1)[0] ?? 1,
    bf16: new Uint8Array(bf16.buffer, 0, 2 * count),
  };
}

function sources(config: ModelConfig, parameter: Parameter, block: RandomBlock): TensorSource[] {
  return hfTensors(config, parameter).flatMap(({ name, shape }): TensorSource[] => {
    const count = shape.reduce((product, extent) => product * extent, 1);
    if (parameter.scales) {
      const scaleShape = shape.map((extent) => Math.ceil(extent / blockEdge));
      const scales = new Float32Array(scaleShape.reduce((a, b) => a * b, 1)).fill(block.scale);
      return [
        { name, shape, dtype: "F8_E4M3", chunks: () => repeated(block.fp8, count) },
        { name: `${name}_scale_inv`, shape: scaleShape, dtype: "F32", chunks: () => [new Uint8Array(scales.buffer)] },
      ];
    }
    if (parameter.data.dtype === "bfloat16") {
      return [{ name, shape, dtype: "BF16", chunks: () => repeated(block.bf16, 2 * count) }];
    }
    return [{ name, shape, dtype: "F32", chunks: () => drawn(config, parameter, count) }];
  });
}

function* repeated(block: Uint8Array, length: number): Iterable<Uint8Array> {
  for (let at = 0; at < length; at += block.length) yield block.subarray(0, Math.min(block.length, length - at));
}

function* drawn(config: ModelConfig, parameter: Parameter, count: number): Iterable<Uint8Array> {
  const memory = native().alloc(4 * count);
  drawParameter(memory.address, count, 0, parameter, config, 1);
  yield new Uint8Array(memory.buffer, 0, 4 * count);
  native().release(memory.address, memory.bytes);
}
