/**
 * A checkpoint in another precision, tensor by tensor, so that memory is that of the largest one: FP8 in the published layout (model.md
 * B4: E4M3 with one float32 scale for each block of 128 x 128, beside every matrix of attention, feed-forward parts and experts;
 * embedding, head, norms, router and the MTP projection stay as they are), or back to bfloat16 or float32. An adapter can be merged on
 * the way: weights are dequantised, it is added in float32, and the sum is rounded or quantised once.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../files/atomic.js";
import { serializeModelConfig } from "../model/config.js";
import { Arena } from "../tensor/arena.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import { native } from "../tensor/native.js";
import { Tensor } from "../tensor/tensor.js";
import { checkFit } from "./adapter.js";
import type { StoredAdapter, StoredPair } from "./adapterFile.js";
import { defaultShardBytes, fp8Block, readConfig, scalesFirst, writeShards } from "./modelFiles.js";
import { byteLength, type TensorSource } from "./safetensors.js";
import { type FoundTensor, TensorFiles } from "./tensorFiles.js";
import { fileDtypeOf, readElements, readTensor } from "./tensorIo.js";

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
 * @param to a directory that holds no model yet @param adapter merged into the weights; null: none
 * @throws RangeError for a source that is not a whole checkpoint, a target that holds a model, or an adapter that does not fit the source
 */
export function convertCheckpoint(
  from: string,
  to: string,
  precision: Precision,
  maxShardBytes = defaultShardBytes,
  adapter: StoredAdapter | null = null,
): ConvertResult {
  if (existsSync(join(to, "config.json")))
    throw new RangeError(`${to}: there is a model already; choose another --out`);
  const config = readConfig(from);
  const files = new TensorFiles(from);
  const block = fp8Block(config, from);
  const arena = new Arena();
  const plain: ComputeDtype = precision === "f32" ? "float32" : "bfloat16";
  if (adapter) checkAdapter(adapter, files);
  const sources = Array.from(files.tensors.values()).flatMap((found): TensorSource[] => {
    const { name, shape } = found;
    if (name.endsWith("_scale_inv") && files.get(name.slice(0, -"_scale_inv".length))?.dtype === "F8_E4M3") return [];
    const pair = adapter?.pairs.get(name.replace(/\.weight$/, ""));
    const read = (dtype: ComputeDtype): Tensor =>
      pair ? mergedTensor(arena, files, found, dtype, block, pair) : wholeTensor(arena, files, found, dtype, block);
    if (precision === "fp8" && isQuantizedInFp8(name, shape)) return quantizedSources(found, read);
    const dtype = bufferName.test(name) ? "float32" : plain;
    return [{ name, shape, dtype: fileDtypeOf(dtype), chunks: () => bytesAndFree(read(dtype)) }];
  });
  mkdirSync(to, { recursive: true });
  writeShards(to, scalesFirst(sources), maxShardBytes);
  // An adapter's tokenizer, with the template it was trained with, takes the place of the base's.
  for (const folder of adapter ? [from, adapter.directory] : [from]) {
    for (const name of readdirSync(folder)) if (otherFile.test(name)) copyFileSync(join(folder, name), join(to, name));
  }
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

/** W + s B A, summed in float32. */
function mergedTensor(
  arena: Arena,
  files: TensorFiles,
  found: FoundTensor,
  dtype: ComputeDtype,
  block: number,
  { a, b, rank, scale }: StoredPair,
): Tensor {
  const sum = wholeTensor(arena, files, found, "float32", block);
  const [rows = 0, columns = 0] = found.shape;
  const [left, right] = [b, a].map((matrix) => {
    const values = Tensor.empty(arena, matrix.shape, "float32");
    readElements(matrix, 0, values, 0, values.size);
    return values;
  }) as [Tensor, Tensor];
  native().scale(left.address, scale, left.size, 0);
  const sizes = [rows, columns, rank, rank, columns, columns, 0, 0, 1, 0, 0, 0] as const;
  native().gemm(sum.address, left.address, right.address, ...sizes);
  left.free();
  right.free();
  if (dtype === "float32") return sum;
  const rounded = sum.converted(arena, dtype);
  sum.free();
  return rounded;
}

/** @throws RangeError for a linear that the checkpoint lacks or has with other sizes */
function checkAdapter({ pairs, directory }: StoredAdapter, files: TensorFiles): void {
  for (const [module, { a, b }] of pairs) {
    const weight = files.get(`${module}.weight`);
    if (!weight) {
      throw new RangeError(
        `${directory}: ${files.directory} has no ${module}.weight for an adapter: made for another model?`,
      );
    }
    const [rows = 0, columns = 0] = weight.shape;
    checkFit(a, [a.shape[0] ?? 0, columns], module, weight.shape);
    checkFit(b, [rows, b.shape[1] ?? 0], module, weight.shape);
  }
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
