/**
 * Random checkpoints of any size the disk holds: weights are drawn a piece at a time and never lie in memory all at once (an untouched model
 * is address space alone). They are the very numbers that `initialize` gives a model in memory, since every element depends on the seed,
 * its parameter's name and its place alone.
 */
import { existsSync, mkdirSync, statfsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { singleCommunicator } from "../distributed/single.js";
import { writeFileAtomic } from "../files/atomic.js";
import { type ModelConfig, serializeModelConfig } from "../model/config.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { parameterCounts } from "../model/flops.js";
import { drawParameter } from "../model/init.js";
import { bytesPerElement, type ComputeDtype } from "../tensor/dtype.js";
import { type Block, native } from "../tensor/native.js";
import type { Parameter } from "../tensor/parameter.js";
import { hfTensors, sharedCopies } from "./hfNames.js";
import { writeShards } from "./modelFiles.js";
import { byteLength, type TensorSource } from "./safetensors.js";

export interface RandomModelOptions {
  readonly dtype: ComputeDtype;
  readonly seed: number;
  readonly maxShardBytes: number;
}

/** @throws RangeError if the disk has less room than the model needs */
export function writeRandomModel(
  directory: string,
  config: ModelConfig,
  options: RandomModelOptions,
): { readonly tensors: number; readonly bytes: number } {
  const { total, mtp, embedding, head } = parameterCounts(config);
  const needed = (total + mtp + config.numNextnPredictLayers * (embedding + head)) * bytesPerElement[options.dtype];
  const disk = statfsSync(nearestFolder(directory));
  const free = disk.bavail * disk.bsize;
  if (needed > free) {
    throw new RangeError(`${directory}: the model takes ${needed} bytes, the disk has ${free} left`);
  }
  mkdirSync(directory, { recursive: true });
  const model = new DeepseekV3(config, options.dtype, singleCommunicator());
  const scratch: Scratch = { floats: native().alloc(pieceElements * 4), narrow: native().alloc(pieceElements * 2) };
  const own = model.parameters.flatMap((parameter) => randomSources(config, parameter, options.seed, scratch));
  const copies = sharedCopies(config).flatMap(({ name, of }) =>
    own.filter((source) => source.name === of).map((source) => ({ ...source, name })),
  );
  const tensors = [...own, ...copies];
  writeShards(directory, tensors, options.maxShardBytes);
  const written = { ...config, torchDtype: options.dtype, quantizationConfig: null };
  writeFileAtomic(join(directory, "config.json"), `${JSON.stringify(serializeModelConfig(written), null, 2)}\n`);
  model.free();
  return { tensors: tensors.length, bytes: tensors.reduce((sum, tensor) => sum + byteLength(tensor), 0) };
}

/** The folder itself, or the one in which it would be made. */
function nearestFolder(path: string): string {
  const absolute = resolve(path);
  return existsSync(absolute) ? absolute : nearestFolder(dirname(absolute));
}

const pieceElements = 1 << 20;

/** One piece as it is drawn and as it is stored; a piece is written before the next is drawn. */
interface Scratch {
  readonly floats: Block;
  readonly narrow: Block;
}

function randomSources(
  config: ModelConfig,
  parameter: Parameter,
  seed: number,
  { floats, narrow }: Scratch,
): TensorSource[] {
  const { dtype } = parameter.data;
  return hfTensors(config, parameter).map(({ name, shape, slices }) => ({
    name,
    shape,
    dtype: dtype === "bfloat16" ? "BF16" : "F32",
    *chunks(): Iterable<Uint8Array> {
      for (const { start, length } of slices) {
        for (let at = 0; at < length; at += pieceElements) {
          const count = Math.min(pieceElements, length - at);
          drawParameter(floats.address, count, start + at, parameter, config, seed);
          if (dtype === "bfloat16") {
            native().convert(narrow.address, floats.address, count, 1, 0);
            yield new Uint8Array(narrow.buffer, 0, count * 2);
          } else yield new Uint8Array(floats.buffer, 0, count * 4);
        }
      }
    },
  }));
}
