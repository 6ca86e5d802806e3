/**
 * A model as a directory that Hugging Face transformers, vLLM and SGLang open: config.json and safetensors under the published names, MTP
 * layers with their copies of embedding and head included (model.md B). Weights of any floating type are read, FP8 blocks too; a model in
 * memory is written unquantised, and convert.ts makes FP8 files of it.
 *
 * Processes that share the experts write a file each, the first everything but the experts too; no weights travel.
 */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../files/atomic.js";
import { readJson } from "../files/json.js";
import { type ModelConfig, parseModelConfig, serializeModelConfig, type TorchDtype } from "../model/config.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { StorageOf } from "../model/weights.js";
import { Arena } from "../tensor/arena.js";
import type { QuantDtype } from "../tensor/dtype.js";
import { type Parameter, setExact } from "../tensor/parameter.js";
import { Tensor } from "../tensor/tensor.js";
import { type HfTensor, hfTensors, isExpertArray, sharedCopies } from "./hfNames.js";
import { byteLength, type TensorSource, writeSafetensors } from "./safetensors.js";
import { hasTensorFiles, indexName, singleName, TensorFiles, tensorNames } from "./tensorFiles.js";
import {
  type FloatDtype,
  fileDtypeOf,
  mapParameter,
  readMappedScales,
  readQuantized,
  readTensor,
  sliceChunks,
} from "./tensorIo.js";

/** This process among those that deal out the experts: it holds [rank * E / size, (rank + 1) * E / size). */
export interface ExpertShare {
  readonly rank: number;
  readonly size: number;
}

const alone: ExpertShare = { rank: 0, size: 1 };
const configName = "config.json";
/** A file of this size can still be mapped, which ends at 4 GiB in Node 20. */
export const defaultShardBytes = 4e9;

/** What of a model goes into files. */
export type ModelWeights = Pick<DeepseekV3, "config" | "dtype" | "parameters">;

export interface SourceOptions {
  /** Type in the file, but for the routing bias, which stays float32; null = as each parameter is held, which loses nothing. */
  readonly dtype: TorchDtype | null;
  readonly share: ExpertShare;
}

/**
 * The checkpoint tensors of a share of the experts, and of everything else if `withDense`.
 * Shapes and names of another process's share can be asked for too; its bytes cannot.
 */
export function tensorSources(
  model: ModelWeights,
  { dtype, share }: SourceOptions,
  withDense: boolean,
): TensorSource[] {
  const own = model.parameters
    .filter((parameter) => withDense || isExpertArray(parameter))
    .flatMap((parameter) => parameterSources(model.config, parameter, dtype, share.rank));
  if (!withDense) return own;
  const byName = new Map(own.map((source) => [source.name, source]));
  const copies = sharedCopies(model.config).map(({ name, of }) => {
    const source = byName.get(of);
    if (!source) throw new Error(`internal: no tensor ${of} to copy`);
    return { ...source, name };
  });
  return [...own, ...copies];
}

function parameterSources(
  config: ModelConfig,
  parameter: Parameter,
  dtype: TorchDtype | null,
  expertRank: number,
): TensorSource[] {
  const { data, isBuffer, adapters } = parameter;
  if (adapters.length > 0) {
    throw new RangeError(
      `${parameter.name} has an adapter, which a checkpoint cannot hold: save that, or merge it first`,
    );
  }
  if (
    parameter.scales ||
    data.dtype === "int32" ||
    data.dtype === "int8" ||
    data.dtype === "int4" ||
    data.dtype === "float12_e5m6"
  ) {
    throw new RangeError(`${parameter.name} is quantised: convert the checkpoint to bf16 first`);
  }
  const target: FloatDtype = dtype === null || isBuffer ? data.dtype : dtype;
  return hfTensors(config, parameter, expertRank).map(({ name, shape, slices }) => ({
    name,
    shape,
    dtype: fileDtypeOf(target),
    chunks: () => sliceChunks(data, slices, target),
  }));
}

export function shardName(index: number, count: number): string {
  const digits = (n: number): string => String(n).padStart(5, "0");
  return `model-${digits(index + 1)}-of-${digits(count)}.safetensors`;
}

/**
 * The tensors with the scales of FP8 weights before all others: matrices that make up one parameter then follow each other in the file, and are
 * mapped in place of being read (`loadWeights`).
 */
export function scalesFirst(tensors: readonly TensorSource[]): TensorSource[] {
  const isScale = ({ name }: TensorSource): boolean => name.endsWith("_scale_inv");
  return [...tensors.filter(isScale), ...tensors.filter((tensor) => !isScale(tensor))];
}

/**
 * Writes the tensors in one file, or in as many as `maxShardBytes` (of tensors) asks for, with an index. Tensors of an inner list stay in one file,
 * as mapping those of one parameter needs.
 */
export function writeShards(
  directory: string,
  tensors: readonly (TensorSource | readonly TensorSource[])[],
  maxShardBytes: number,
): void {
  if (!(maxShardBytes > 0)) throw new RangeError(`the size of a shard must be positive, got ${maxShardBytes}`);
  const shards: TensorSource[][] = [];
  let left = 0;
  for (const one of tensors) {
    const together = [one].flat();
    const bytes = together.reduce((sum, tensor) => sum + byteLength(tensor), 0);
    if (shards.length === 0 || bytes > left) {
      shards.push([]);
      left = maxShardBytes;
    }
    shards.at(-1)?.push(...together);
    left -= bytes;
  }
  const [only] = shards;
  if (shards.length === 1 && only) {
    writeSafetensors(join(directory, singleName), only);
    return;
  }
  const named = shards.map((ofShard, i) => ({ file: shardName(i, shards.length), tensors: ofShard }));
  for (const { file, tensors: ofShard } of named) writeSafetensors(join(directory, file), ofShard);
  writeIndex(directory, named);
}

export function writeIndex(
  directory: string,
  shards: readonly { readonly file: string; readonly tensors: readonly TensorSource[] }[],
): void {
  const entries = shards.flatMap(({ file, tensors }) => tensors.map((tensor) => ({ file, tensor })));
  writeJson(join(directory, indexName), {
    metadata: { total_size: entries.reduce((sum, { tensor }) => sum + byteLength(tensor), 0) },
    weight_map: Object.fromEntries(entries.map(({ file, tensor }) => [tensor.name, file])),
  });
}

/** config.json of weights written in `dtype` (null: as held), which are not quantised whatever they were read from. */
export function writeConfig(directory: string, model: ModelWeights, dtype: TorchDtype | null): void {
  const torchDtype: TorchDtype = dtype ?? model.dtype;
  const config = { ...model.config, torchDtype, quantizationConfig: null };
  writeJson(join(directory, configName), serializeModelConfig(config));
}

function writeJson(path: string, value: unknown): void {
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

export interface SaveModelOptions {
  readonly dtype?: TorchDtype | null;
  readonly maxShardBytes?: number;
}

/** Writes a whole model, held by this process alone, with its config. @throws the system's error; every file is whole or absent */
export function saveModel(directory: string, model: ModelWeights, options: SaveModelOptions = {}): void {
  const { dtype = null, maxShardBytes = defaultShardBytes } = options;
  mkdirSync(directory, { recursive: true });
  writeShards(directory, tensorSources(model, { dtype, share: alone }, true), maxShardBytes);
  writeConfig(directory, model, dtype);
}

/**
 * Reads config.json. MTP modules that it announces and the files lack are left out, as after a save by a program that drops them.
 * @throws RangeError naming what is wrong
 */
export function readConfig(directory: string): ModelConfig {
  if (!existsSync(directory)) throw new RangeError(`${directory}: no such directory`);
  if (!statSync(directory).isDirectory()) throw new RangeError(`${directory}: not a directory`);
  const path = join(directory, configName);
  const config = parseModelConfig(readJson(path), path, { allowUnknown: true });
  if (config.numNextnPredictLayers === 0 || !hasTensorFiles(directory)) return config;
  const found = new Set<number>();
  for (const name of tensorNames(directory)) {
    found.add(Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? -1));
  }
  let depths = 0;
  while (depths < config.numNextnPredictLayers && found.has(config.numHiddenLayers + depths)) depths++;
  return { ...config, numNextnPredictLayers: depths };
}

export interface LoadResult {
  /** Tensors of the files that no parameter takes. */
  readonly unexpected: readonly string[];
}

/**
 * Fills the model's parameters from a directory, converting to their types.
 * @param from the directory, or its files where the caller goes on with them
 * @param share this process's part of the experts
 * @param memory "mapped": parameters that a file holds as they are become views of it, uncopied, for models that are only read; of the
 * others no second copy stays in memory. Default: all are copied
 * @throws RangeError for missing tensors (how many, and the first of them), or one of another shape or type
 */
export function loadWeights(
  model: Pick<DeepseekV3, "config" | "parameters">,
  from: string | TensorFiles,
  share: ExpertShare = alone,
  memory: "copied" | "mapped" = "copied",
): LoadResult {
  const { config } = model;
  const files = typeof from === "string" ? new TensorFiles(from) : from;
  const { directory } = files;
  const parameters = model.parameters.map((parameter) => ({
    parameter,
    parts: hfTensors(config, parameter, share.rank),
  }));
  const wanted = parameters.flatMap(({ parts }) => parts);
  const missing = wanted.map(({ name }) => name).filter((name) => !files.tensors.has(name));
  if (missing.length > 0) {
    const first = missing.slice(0, 3).join(", ") + (missing.length > 3 ? ", ..." : "");
    throw new RangeError(`${directory}: ${missing.length} of ${wanted.length} tensors are missing: ${first}`);
  }
  const block = fp8Block(config, directory);
  for (const { parameter, parts } of parameters) {
    if (parameter.fp8) {
      loadExact(files, parts, parameter, block);
      continue;
    }
    const isMapped = memory === "mapped" && mapParameter(files, parts, parameter, block);
    if (isMapped) {
      if (parameter.scales) readMappedScales(files, parts, parameter, block);
      continue;
    }
    for (const part of parts) {
      if (parameter.scales) readQuantized(files, part, parameter, block);
      else readTensor(files, part, parameter.data, block);
      const found = files.need(part.name);
      found.file.forget(found);
    }
  }
  return { unexpected: unexpectedNames(model, files, share.size) };
}

/** Values of a parameter that trains in FP8: exact until the optimizer has them. */
function loadExact(files: TensorFiles, parts: readonly HfTensor[], parameter: Parameter, block: number): void {
  const exact = Tensor.empty(new Arena(), parameter.shape, "float32");
  for (const part of parts) readTensor(files, part, exact, block);
  setExact(parameter, exact);
}

/**
 * Keeps the matrices quantised whose tensors are E4M3 in the files, so that nothing of them is expanded; for `DeepseekV3`.
 * @throws RangeError for malformed files or blocks
 */
export function storedAs(directory: string, config: ModelConfig): StorageOf {
  const files = new TensorFiles(directory);
  const block = fp8Block(config, directory);
  return (name, shape) => {
    const parts = hfTensors(config, { name, shape });
    const isQuantized = parts.every((part) => files.get(part.name)?.dtype === "F8_E4M3");
    // Blocks that are no multiple of the kernels' step are expanded.
    return isQuantized && block % 32 === 0 ? { dtype: "float8_e4m3fn", group: block } : null;
  };
}

/** Values that share a scale in weights that are quantised while they are read. */
export const quantGroups: Readonly<Record<QuantDtype, number>> = { float8_e4m3fn: 128, int8: 128, int4: 32 };

/**
 * Quantises the matrices of attention, feed-forward parts and experts while they are read, whatever the files hold, and (hasHead) the output
 * head in 8 bits, since it is read whole for every token. Embedding, norms and router stay, and rows that int4 cannot hold (no multiple of
 * 32 values).
 */
export function quantizedTo(dtype: QuantDtype, hasHead = true): StorageOf {
  const stored = { dtype, group: quantGroups[dtype] };
  const head = dtype === "int4" ? ({ dtype: "int8", group: quantGroups.int8 } as const) : stored;
  return (name, shape) => {
    if (name === "lm_head.weight") return hasHead ? head : null;
    const isProjection = /\.(self_attn|mlp)\..*_proj(_with_mqa)?(\.weight)?$/.test(name);
    return isProjection && (dtype !== "int4" || (shape.at(-1) ?? 0) % 32 === 0) ? stored : null;
  };
}

/** Edge of the quantised blocks. */
export function fp8Block({ quantizationConfig }: ModelConfig, directory: string): number {
  const size: unknown = quantizationConfig?.weight_block_size ?? [128, 128];
  const [rows, columns]: unknown[] = Array.isArray(size) && size.length === 2 ? size : [];
  if (typeof rows !== "number" || rows !== columns || !Number.isInteger(rows) || rows < 1) {
    throw new RangeError(
      `${join(directory, configName)}: quantization_config.weight_block_size must be two equal positive integers, got ${JSON.stringify(size)}`,
    );
  }
  return rows;
}

/** What files hold beyond the model: not the copies of MTP layers, scales of FP8 weights, other shares' experts, or old files' tables. */
function unexpectedNames(
  { config, parameters }: Pick<DeepseekV3, "config" | "parameters">,
  files: TensorFiles,
  shares: number,
): string[] {
  const known = new Set(sharedCopies(config).map(({ name }) => name));
  for (const parameter of parameters) {
    const ranks = isExpertArray(parameter) ? shares : 1;
    for (let rank = 0; rank < ranks; rank++) {
      for (const { name } of hfTensors(config, parameter, rank)) known.add(name);
    }
  }
  return Array.from(files.tensors.keys()).filter((name) => {
    if (name.endsWith(".rotary_emb.inv_freq")) return false;
    return !known.has(name.replace(/_scale_inv$/, ""));
  });
}

/** Checks that a directory holds this model, whatever its precision. @throws RangeError naming the first key that differs */
export function checkSameModel(directory: string, config: ModelConfig): void {
  const comparable = (c: ModelConfig): Record<string, unknown> =>
    serializeModelConfig({ ...c, torchDtype: "float32", quantizationConfig: null });
  const [found, expected] = [comparable(readConfig(directory)), comparable(config)];
  for (const key of new Set([...Object.keys(found), ...Object.keys(expected)])) {
    const [is, was] = [JSON.stringify(found[key]), JSON.stringify(expected[key])];
    if (is !== was) {
      throw new RangeError(
        `${join(directory, configName)}: ${key} is ${is}, expected ${was} of the model to go on with`,
      );
    }
  }
}
