/**
 * A training checkpoint: the model in Hugging Face layout, the optimizer's state by pieces of parameters, and where the run stands. Pieces carry
 * the range of the whole parameter that they are, so that any number of processes can read what any other number wrote.
 *
 * All processes write into one unfinished folder; the first names it when everyone is done.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Communicator } from "../distributed/communicator.js";
import { writeFileAtomic } from "../files/atomic.js";
import { isObject, readJson } from "../files/json.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import { bytesPerElement } from "../tensor/dtype.js";
import { native } from "../tensor/native.js";
import type { Tensor } from "../tensor/tensor.js";
import { verifyManifest, writeManifest } from "./manifest.js";
import {
  type ExpertShare,
  loadWeights,
  shardName,
  tensorSources,
  writeConfig,
  writeIndex,
  writeShards,
} from "./modelFiles.js";
import { checkpointName, checkpointsFolder, publishCheckpoint, removeUnfinished } from "./runDirectory.js";
import { SafetensorsFile, type TensorEntry, type TensorSource, writeSafetensors } from "./safetensors.js";

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

/** @returns the checkpoint's path @throws the system's error; the checkpoints before stay as they were */
export async function saveTrainState(input: SaveInput): Promise<string> {
  const { run, step, model, groups } = input;
  const { world, expertGroup, experts } = groups;
  const folder = join(run, checkpointsFolder, `.${checkpointName(step)}`);
  if (world.rank === 0) {
    removeUnfinished(run);
    mkdirSync(folder, { recursive: true });
  }
  await world.barrier();
  try {
    const share: ExpertShare = { rank: expertGroup.rank, size: expertGroup.size };
    // The first replica of each expert share writes it.
    if (experts.rank === 0) writeModelPart(folder, model, share);
    const name = `optimizer-${digits(world.rank)}-of-${digits(world.size)}.safetensors`;
    writeSafetensors(join(folder, name), input.pieces.flatMap(pieceSources));
    if (world.rank === 0) {
      writeConfig(folder, model, null);
      writeFileAtomic(join(folder, stateName), `${JSON.stringify({ version: 1, ...input.state }, null, 1)}\n`);
      input.extras(folder);
    }
    await world.barrier();
    if (world.rank === 0) {
      writeManifest(folder);
      publishCheckpoint(run, folder, step, input.keepLast);
    }
    await world.barrier();
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return join(run, checkpointsFolder, checkpointName(step));
}

function digits(value: number): string {
  return String(value).padStart(5, "0");
}

function writeModelPart(folder: string, model: DeepseekV3, share: ExpertShare): void {
  const sources = tensorSources(model, { dtype: null, share }, share.rank === 0);
  if (share.size === 1) {
    writeShards(folder, sources, 5e9);
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
 * Reads weights and, where `pieces` are given, the state of these pieces.
 * @throws RangeError for a damaged checkpoint, or one without a piece that is asked for
 */
export function loadTrainState(
  folder: string,
  model: DeepseekV3,
  share: ExpertShare,
  pieces: readonly StatePiece[] | null,
): LoadedState {
  verifyManifest(folder);
  loadWeights(model, folder, share);
  const path = join(folder, stateName);
  const state = readJson(path);
  if (!isObject(state) || state.version !== 1) throw new RangeError(`${path}: not of this program's version`);
  if (pieces) {
    const stored = storedPieces(folder);
    for (const piece of pieces) readPiece(folder, piece, stored);
  }
  return { state };
}

interface StoredPiece {
  readonly file: SafetensorsFile;
  readonly entry: TensorEntry;
  readonly start: number;
  readonly end: number;
}

function storedPieces(folder: string): Map<string, StoredPiece[]> {
  const stored = new Map<string, StoredPiece[]>();
  for (const name of readdirSync(folder).filter((file) => /^optimizer-.*\.safetensors$/.test(file))) {
    const file = new SafetensorsFile(join(folder, name));
    for (const entry of file.header.entries.values()) {
      const match = /^(.+)\/(\d+)-(\d+)$/.exec(entry.name);
      if (!match) throw new RangeError(`${file.path}: ${entry.name} is not a piece of a parameter`);
      const [, key = "", start, end] = match;
      const list = stored.get(key) ?? [];
      list.push({ file, entry, start: Number(start), end: Number(end) });
      stored.set(key, list);
    }
  }
  return stored;
}

function readPiece(folder: string, piece: StatePiece, stored: ReadonlyMap<string, readonly StoredPiece[]>): void {
  const end = piece.start + piece.length;
  for (const [kind, tensor] of Object.entries(piece.arrays)) {
    const key = `${kind}/${piece.parameter}`;
    let covered = 0;
    for (const part of stored.get(key) ?? []) {
      const from = Math.max(part.start, piece.start);
      const to = Math.min(part.end, end);
      if (to <= from) continue;
      const code = part.entry.dtype === "F32" ? 0 : 1;
      native().convert(
        tensor.address + (from - piece.start) * bytesPerElement[tensor.dtype],
        part.file.address(part.entry) + (from - part.start) * (code === 0 ? 4 : 2),
        to - from,
        tensor.code,
        code,
      );
      covered += to - from;
    }
    if (covered !== piece.length) {
      throw new RangeError(
        `${folder}: ${key} has ${covered} of the ${piece.length} values from ${piece.start} on: not a checkpoint of this kind of run`,
      );
    }
  }
}
