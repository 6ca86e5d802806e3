/**
 * A checkpoint in another precision, tensor by tensor, so that memory is that of the largest one: FP8 in the published layout (model.md B4:
 * E4M3 with one float32 scale for each block of 128 x 128, beside every matrix of attention, feed-forward parts and experts; embedding,
 * head, norms, router and the MTP projection stay as they are), or back to bfloat16 or float32.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../files/atomic.js";
import { serializeModelConfig } from "../model/config.js";
import { Arena } from "../tensor/arena.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import { native } from "../tensor/native.js";
import { Tensor } from "../tensor/tensor.js";
import { defaultShardBytes, fp8Block, readConfig, scalesFirst, writeShards } from "./modelFiles.js";
import { byteLength, type TensorSource } from "./safetensors.js";
import { type FoundTensor, TensorFiles } from "./tensorFiles.js";
import { fileDtypeOf, readTensor } from "./tensorIo.js";

/** fp8: matrices in E4M3, the rest in bfloat16. */
export type Precision = "fp8" | "bf16" | "f32";

export interface ConvertResult {
  readonly tensors: number;
  readonly bytes: number;
}

const blockEdge = 128;
const bufferName = /\.e_score_correction_bias$/;
/** Files of a model directory that say nothing about the weights. */
const otherFile =
  /^(tokenizer.*|special_tokens_map|generation_config|chat_template)\.(json|jinja|model)$|^vocab\.json$|^merges\.txt$/;

/** Whether the published FP8 files have this tensor quantised. */
export function isQuantizedInFp8(name: string, shape: readonly number[]): boolean {
  return shape.length === 2 && /\.(self_attn|mlp)\..*_proj(_with_mqa)?\.weight$/.test(name);
}

/**
 * @param to a directory that holds no model yet
 * @throws RangeError for a source that is not a whole checkpoint, or a target that holds a model
 */
export function convertCheckpoint(
  from: string,
  to: string,
  precision: Precision,
  maxShardBytes = defaultShardBytes,
): ConvertResult {
  if (existsSync(join(to, "config.json")))
    throw new RangeError(`${to}: there is a model already; choose another --out`);
  const config = readConfig(from);
  const files = new TensorFiles(from);
  const block = fp8Block(config, from);
  const arena = new Arena();
  const plain: ComputeDtype = precision === "f32" ? "float32" : "bfloat16";
  const sources = Array.from(files.tensors.values()).flatMap((found): TensorSource[] => {
    const { name, shape } = found;
    if (name.endsWith("_scale_inv") && files.get(name.slice(0, -"_scale_inv".length))?.dtype === "F8_E4M3") return [];
    const read = (dtype: ComputeDtype): Tensor => wholeTensor(arena, files, found, dtype, block);
    if (precision === "fp8" && isQuantizedInFp8(name, shape)) return quantizedSources(found, read);
    const dtype = bufferName.test(name) ? "float32" : plain;
    return [{ name, shape, dtype: fileDtypeOf(dtype), chunks: () => bytesAndFree(read(dtype)) }];
  });
  mkdirSync(to, { recursive: true });
  writeShards(to, scalesFirst(sources), maxShardBytes);
  for (const name of readdirSync(from)) if (otherFile.test(name)) copyFileSync(join(from, name), join(to, name));
  const quantizationConfig =
    precision === "fp8"
      ? { activation_scheme: "dynamic", fmt: "e4m3", quant_method: "fp8", weight_block_size: [blockEdge, blockEdge] }
      : null;
  const written = serializeModelConfig({ ...config, torchDtype: plain, quantizationConfig });
  writeFileAtomic(join(to, "config.json"), `${JSON.stringify(written, null, 2)}\n`);
  return { tensors: sources.length, bytes: sources.reduce((sum, source) => sum + byteLength(source), 0) };
}

/** A tensor of the files, dequantised where it is FP8. */
function wholeTensor(
  arena: Arena,
  files: TensorFiles,
  { name, shape }: FoundTensor,
  dtype: ComputeDtype,
  block: number,
): Tensor {
  const tensor = Tensor.empty(arena, shape, dtype);
  readTensor(files, { name, shape, slices: [{ start: 0, length: tensor.size }] }, tensor, block);
  return tensor;
}

function* bytesAndFree(tensor: Tensor): Iterable<Uint8Array> {
  yield tensor.bytes();
  tensor.free();
}

/** The E4M3 matrix and its scales; each is made when its turn to be written comes. */
function quantizedSources({ name, shape }: FoundTensor, read: (dtype: ComputeDtype) => Tensor): TensorSource[] {
  const [rows = 0, columns = 0] = shape;
  const scaleShape = [Math.ceil(rows / blockEdge), Math.ceil(columns / blockEdge)];
  const [valueBytes, scaleBytes] = [rows * columns, 4 * scaleShape.reduce((a, b) => a * b, 1)];
  function* part(which: "values" | "scales"): Iterable<Uint8Array> {
    const tensor = read("float32");
    const values = native().alloc(Math.max(1, valueBytes));
    const scales = native().alloc(Math.max(4, scaleBytes));
    native().quantizeFp8Blocks(values.address, scales.address, tensor.address, rows, columns, blockEdge, 0);
    yield which === "values"
      ? new Uint8Array(values.buffer, 0, valueBytes)
      : new Uint8Array(scales.buffer, 0, scaleBytes);
    for (const { address, bytes } of [values, scales]) native().release(address, bytes);
    tensor.free();
  }
  return [
    { name, shape, dtype: "F8_E4M3", chunks: () => part("values") },
    { name: `${name}_scale_inv`, shape: scaleShape, dtype: "F32", chunks: () => part("scales") },
  ];
}
