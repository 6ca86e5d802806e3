/**
 * A training checkpoint: the model in Hugging Face layout, the optimizer's state by pieces of parameters, and where the run stands.
 * Pieces carry the range of the whole parameter that they are, so that any number of processes can read what any other number wrote. Of a
 * model with an adapter the checkpoint is the adapter's, in PEFT's layout, and holds nothing of the frozen weights.
 *
 * All processes write into one unfinished folder; the first names it when everyone is done.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Communicator } from "../distributed/communicator.js";
import { writeFileAtomic } from "../files/atomic.js";
import { isObject, readJson } from "../files/json.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import { Tensor } from "../tensor/tensor.js";
import { loadAdapter, saveAdapter } from "./adapter.js";
import { hfTensors, isExpertArray } from "./hfNames.js";
import { verifyManifest, writeManifest } from "./manifest.js";
import {
  checkSameModel,
  defaultShardBytes,
  type ExpertShare,
  loadWeights,
  type ModelWeights,
  shardName,
  tensorSources,
  writeConfig,
  writeIndex,
  writeShards,
} from "./modelFiles.js";
import {
  checkpointName,
  checkpointsFolder,
  listCheckpoints,
  publishCheckpoint,
  removeUnfinished,
  unfinishedFolder,
} from "./runDirectory.js";
import { SafetensorsFile, type TensorSource, writeSafetensors } from "./safetensors.js";
import { type FoundTensor, TensorFiles } from "./tensorFiles.js";
import { readElements, readTensor } from "./tensorIo.js";

/** This process's piece of one parameter: arrays of `length` values each, under names such as `m` and `v`. */
export interface StatePiece {
  readonly parameter: string;
  /** Elements [start, start + length) of the whole parameter, over all processes. */
  readonly start: number;
  readonly length: number;
  readonly arrays: Readonly<Record<string, Tensor>>;
}

/** The processes as a checkpoint sees them. */
export interface CheckpointGroups {
  readonly world: Communicator;
  /** Ranks that together hold every expert once. */
  readonly expertGroup: Communicator;
  /** Ranks that hold the same experts. */
  readonly experts: Communicator;
}

export interface SaveInput {
  readonly run: string;
  readonly step: number;
  readonly model: DeepseekV3;
  /** Values of the parameters that the model holds in FP8, by name; none by default. */
  readonly weights?: ReadonlyMap<string, Tensor>;
  readonly pieces: readonly StatePiece[];
  /** Where the run stands; plain JSON. */
  readonly state: Readonly<Record<string, unknown>>;
  readonly groups: CheckpointGroups;
  readonly keepLast: number;
  /** Puts more files into the folder: the tokenizer's. */
  readonly extras: (folder: string) => void;
}

const stateName = "trainer.json";
const kinds = { float32: "F32", bfloat16: "BF16" } as const;

/**
 * Called by every process. @returns the checkpoint's path
 * @throws Error with the system's reason (a full disk), on other processes naming the one that failed; the checkpoints before stay as they were
 */
export async function saveTrainState(input: SaveInput): Promise<string> {
  const { run, step, model, groups } = input;
  const { world, expertGroup, experts } = groups;
  const folder = unfinishedFolder(run, step);
  const path = join(run, checkpointsFolder, checkpointName(step));
  try {
    await together(world, path, () => {
      if (world.rank !== 0) return;
      removeUnfinished(run);
      mkdirSync(folder, { recursive: true });
    });
    await together(world, path, () => {
      const share: ExpertShare = { rank: expertGroup.rank, size: expertGroup.size };
      // The first replica of each expert share writes it; an adapter is whole everywhere.
      if (!model.adapter && experts.rank === 0) writeModelPart(folder, withWeights(model, input.weights), share);
      const name = `optimizer-${digits(world.rank)}-of-${digits(world.size)}.safetensors`;
      writeSafetensors(join(folder, name), input.pieces.flatMap(pieceSources));
      if (world.rank !== 0) return;
      if (model.adapter) saveAdapter(model, folder);
      else writeConfig(folder, model, null);
      writeFileAtomic(join(folder, stateName), `${JSON.stringify({ version: 1, ...input.state }, null, 1)}\n`);
      input.extras(folder);
    });
    await together(world, path, () => {
      if (world.rank !== 0) return;
      writeManifest(folder);
      publishCheckpoint(run, folder, step, input.keepLast);
    });
  } catch (error) {
    if (world.rank === 0) rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return path;
}

/** Does a process's part and waits for the others; if one fails, all do, and none waits for it in vain. */
async function together(world: Communicator, path: string, part: () => void): Promise<void> {
  let failure: unknown = null;
  try {
    part();
  } catch (error) {
    failure = error ?? new Error("unknown");
  }
  const failed = new Int32Array([failure === null ? -1 : world.rank]);
  await world.allReduce(failed, "max");
  if (failure !== null) {
    const reason = failure instanceof Error ? failure.message : String(failure);
    throw new Error(`${path}: not saved: ${reason}; the checkpoints before it stay`, { cause: failure });
  }
  if (failed[0] !== -1) throw new Error(`${path}: not saved, for process ${failed[0]} failed`);
}

function digits(value: number): string {
  return String(value).padStart(5, "0");
}

/** The model with some parameters' values replaced. */
function withWeights(model: DeepseekV3, weights: ReadonlyMap<string, Tensor> = new Map()): ModelWeights {
  const parameters = model.parameters.map((parameter) => {
    const data = weights.get(parameter.name);
    return data ? { ...parameter, data, scales: null, fp8: null } : parameter;
  });
  return { config: model.config, dtype: model.dtype, parameters };
}

function writeModelPart(folder: string, model: ModelWeights, share: ExpertShare): void {
  const sources = tensorSources(model, { dtype: null, share }, share.rank === 0);
  if (share.size === 1) {
    writeShards(folder, sources, defaultShardBytes);
    return;
  }
  writeSafetensors(join(folder, shardName(share.rank, share.size)), sources);
  if (share.rank !== 0) return;
  // The other processes' experts have this one's shapes.
  const others = Array.from({ length: share.size - 1 }, (_, i) => ({
    file: shardName(i + 1, share.size),
    tensors: tensorSources(model, { dtype: null, share: { rank: i + 1, size: share.size } }, false),
  }));
  writeIndex(folder, [{ file: shardName(0, share.size), tensors: sources }, ...others]);
}

function pieceSources({ parameter, start, length, arrays }: StatePiece): TensorSource[] {
  if (length === 0) return [];
  return Object.entries(arrays).map(([kind, tensor]) => {
    if (tensor.dtype !== "float32" && tensor.dtype !== "bfloat16") {
      throw new Error(`internal: optimizer state of type ${tensor.dtype}`);
    }
    return {
      name: `${kind}/${parameter}/${start}-${start + length}`,
      shape: [length],
      dtype: kinds[tensor.dtype],
      chunks: () => [tensor.bytes()],
    };
  });
}

export interface LoadedState {
  readonly state: Readonly<Record<string, unknown>>;
}

/**
 * Reads weights and the state of `pieces`. A run that goes on in another precision takes its float32 weights from wherever the checkpoint
 * has them: the masters, or weights that were float32 themselves.
 * @param isSameModel false: the config may differ (in how positions are rotated, say) as long as every tensor fits
 * @throws RangeError for a damaged checkpoint (naming the newest good one before it), another model's, or one without what is asked for
 */
export function loadTrainState(
  folder: string,
  model: DeepseekV3,
  share: ExpertShare,
  pieces: readonly StatePiece[],
  isSameModel = true,
): LoadedState {
  verifyOrNameOlder(folder);
  if (model.adapter) loadAdapter(model, folder);
  else {
    if (isSameModel) checkSameModel(folder, model.config);
    loadWeights(model, folder, share);
  }
  const path = join(folder, stateName);
  const state = readJson(path);
  if (!isObject(state) || state.version !== 1) throw new RangeError(`${path}: not of this program's version`);
  const stored = storedPieces(folder);
  const parameters = new Map(
    [...model.parameters, ...model.weights.trained].map((parameter) => [parameter.name, parameter]),
  );
  for (const { parameter: name, start, length, arrays } of pieces) {
    const parameter = parameters.get(name);
    if (!parameter) throw new Error(`internal: state of unknown parameter ${name}`);
    const { data } = parameter;
    // A piece counts from the whole parameter's first element, a process's memory from that of its experts.
    const offset = isExpertArray(parameter) ? share.rank * data.size : 0;
    const wanted = Object.entries(arrays);
    const masters = stored.get(`master/${name}`);
    if (arrays.master && !masters) {
      const exact = Tensor.empty(model.arena, parameter.shape, "float32");
      const files = new TensorFiles(folder);
      for (const part of hfTensors(model.config, parameter, share.rank)) readTensor(files, part, exact, 128);
      arrays.master.floats().set(exact.floats().subarray(start - offset, start - offset + length));
      exact.free();
    } else if (!arrays.master && masters) wanted.push(["master", data]);
    for (const [kind, tensor] of wanted) {
      if (kind === "master" && !masters) continue;
      const begin = tensor === data ? offset : start;
      readPiece(folder, `${kind}/${name}`, begin, tensor, stored);
    }
  }
  return { state };
}

/** @throws RangeError of verifyManifest, with the newest older checkpoint of the run that is good */
function verifyOrNameOlder(folder: string): void {
  try {
    verifyManifest(folder);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const step = Number(/^step-(\d+)$/.exec(basename(folder))?.[1] ?? Number.NaN);
    const older = listCheckpoints(dirname(dirname(folder))).filter((checkpoint) => checkpoint.step < step);
    const good = older.reverse().find(({ path }) => isGood(path));
    const advice = good ? `; ${good.path} is good: remove the damaged one to go on from there` : "";
    throw new RangeError(error.message + advice);
  }
}

function isGood(folder: string): boolean {
  try {
    verifyManifest(folder);
    return true;
  } catch {
    return false;
  }
}

interface StoredPiece {
  readonly found: FoundTensor;
  readonly start: number;
  readonly end: number;
}

/** What the optimizer files hold, by `kind/parameter`, in the order of the elements. */
function storedPieces(folder: string): Map<string, StoredPiece[]> {
  const stored = new Map<string, StoredPiece[]>();
  for (const name of readdirSync(folder).filter((file) => /^optimizer-.*\.safetensors$/.test(file))) {
    const file = new SafetensorsFile(join(folder, name));
    for (const entry of file.header.entries.values()) {
      const match = /^(.+)\/(\d+)-(\d+)$/.exec(entry.name);
      const [start, end] = [Number(match?.[2]), Number(match?.[3])];
      if (!match || entry.shape.length !== 1 || end - start !== entry.shape[0]) {
        throw new RangeError(
          `${file.path}: ${entry.name} of shape [${entry.shape.join(", ")}] is not a piece of a parameter`,
        );
      }
      const key = match[1] ?? "";
      const list = stored.get(key) ?? [];
      list.push({ found: { ...entry, file }, start, end });
      stored.set(key, list);
    }
  }
  for (const list of stored.values()) list.sort((a, b) => a.start - b.start);
  return stored;
}

/** Fills a tensor with elements from `begin` on of the whole array `key`, from however many pieces hold them. */
function readPiece(
  folder: string,
  key: string,
  begin: number,
  target: Tensor,
  stored: ReadonlyMap<string, readonly StoredPiece[]>,
): void {
  const end = begin + target.size;
  let at = begin;
  for (const piece of stored.get(key) ?? []) {
    const to = Math.min(piece.end, end);
    if (piece.start > at || to <= at) continue;
    readElements(piece.found, at - piece.start, target, at - begin, to - at);
    at = to;
  }
  if (at < end) {
    throw new RangeError(`${folder}: the optimizer's state lacks elements ${at} to ${end} of ${key}`);
  }
}
