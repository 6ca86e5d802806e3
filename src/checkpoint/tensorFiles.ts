/**
 * The tensors of a model directory, whatever files they lie in: one model.safetensors, or shards named by an index. The index is trusted for
 * names only (a loader must not guess a pattern, model.md B3), and a shard name never leaves the directory.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isObject } from "../files/json.js";
import { native } from "../tensor/native.js";
import { SafetensorsFile, type TensorEntry } from "./safetensors.js";
import { parseStrictJson } from "./strictJson.js";

export interface FoundTensor extends TensorEntry {
  readonly file: SafetensorsFile;
}

export const singleName = "model.safetensors";
export const indexName = "model.safetensors.index.json";

export class TensorFiles {
  readonly directory: string;
  /** Every tensor by name. */
  readonly tensors: ReadonlyMap<string, FoundTensor>;
  readonly #files: readonly SafetensorsFile[];

  /** @throws RangeError for missing, malformed or unsafe files */
  constructor(directory: string) {
    this.directory = directory;
    const tensors = new Map<string, FoundTensor>();
    const files: SafetensorsFile[] = [];
    for (const [path, expected] of shardsOf(directory)) {
      const file = new SafetensorsFile(path);
      files.push(file);
      for (const entry of file.header.entries.values()) {
        if (tensors.has(entry.name)) throw new RangeError(`${path}: ${entry.name} is in another shard too`);
        tensors.set(entry.name, { ...entry, file });
      }
      for (const name of expected) {
        if (!file.header.entries.has(name))
          throw new RangeError(`${path}: no tensor ${name}, which ${indexName} puts there`);
      }
    }
    this.tensors = tensors;
    this.#files = files;
  }

  /** See `SafetensorsFile.watch`. */
  watch(isWatched: boolean): void {
    for (const file of this.#files) file.watch(isWatched);
  }

  /** Of files that are watched: what is wrong with the first that something is wrong with. Asked in every step, it costs next to nothing. */
  get damage(): string | null {
    if (native().damagedMaps() === 0) return null;
    for (const { damage } of this.#files) if (damage !== null) return damage;
    return null;
  }

  get(name: string): FoundTensor | null {
    return this.tensors.get(name) ?? null;
  }

  /** @throws RangeError if there is no such tensor */
  need(name: string): FoundTensor {
    const found = this.tensors.get(name);
    if (!found) throw new RangeError(`${this.directory}: no tensor ${name}`);
    return found;
  }
}

/** Whether there are weights that `TensorFiles` would open. */
export function hasTensorFiles(directory: string): boolean {
  return [singleName, indexName].some((name) => existsSync(join(directory, name)));
}

/** Names of all tensors, from the index alone where there is one. */
export function tensorNames(directory: string): Iterable<string> {
  if (!existsSync(join(directory, indexName))) return new TensorFiles(directory).tensors.keys();
  return Array.from(shardsOf(directory).values()).flat();
}

/** Paths of the shards, each with the tensors that the index promises. */
function shardsOf(directory: string): Map<string, string[]> {
  const index = join(directory, indexName);
  if (!existsSync(index)) {
    const path = join(directory, singleName);
    if (existsSync(path)) return new Map([[path, []]]);
    if (!existsSync(directory)) throw new RangeError(`${directory}: no such directory`);
    throw new RangeError(`${directory}: neither ${singleName} nor ${indexName}${pickleHint(directory)}`);
  }
  const json = readStrictJson(index);
  const map = isObject(json) ? json.weight_map : undefined;
  if (!isObject(map)) throw new RangeError(`${index}: weight_map is missing`);
  const shards = new Map<string, string[]>();
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || shard.startsWith(".") || /[\\/\0]/.test(shard)) {
      throw new RangeError(`${index}: shard ${JSON.stringify(shard)} of ${tensor} is not a plain file name`);
    }
    if (!shard.endsWith(".safetensors")) {
      throw new RangeError(`${index}: shard ${shard} is not a safetensors file; pickled weights are never read`);
    }
    const path = join(directory, shard);
    const list = shards.get(path);
    if (list) list.push(tensor);
    else shards.set(path, [tensor]);
  }
  for (const path of shards.keys()) {
    if (!existsSync(path)) throw new RangeError(`${path}: missing, though ${indexName} names it`);
  }
  return shards;
}

function readStrictJson(path: string): unknown {
  try {
    return parseStrictJson(readFileSync(path, "utf8"));
  } catch (error) {
    throw new RangeError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function pickleHint(directory: string): string {
  const pickle = readdirSync(directory).find((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
  return pickle ? `; ${pickle} is a pickle, which can run code and is never read: convert it to safetensors first` : "";
}
