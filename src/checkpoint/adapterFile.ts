/**
 * The two files of an adapter as PEFT writes them (post-training.md 4.2): adapter_config.json, and adapter_model.safetensors with the
 * tensors `base_model.model.` + module + `.lora_A.weight` [r, in] and `.lora_B.weight` [out, r].
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../files/atomic.js";
import { readJson } from "../files/json.js";
import {
  type AdapterConfig,
  isTarget,
  parseAdapterConfig,
  rankOf,
  scaleOf,
  serializeAdapterConfig,
} from "../model/adapterConfig.js";
import { adapterConfigName, isAdapter } from "./runDirectory.js";
import { SafetensorsFile, type TensorSource, writeSafetensors } from "./safetensors.js";
import type { FoundTensor } from "./tensorFiles.js";

export const adapterTensorsName = "adapter_model.safetensors";
const prefix = "base_model.model.";

/** The matrices of one linear. */
export interface StoredPair {
  readonly a: FoundTensor;
  readonly b: FoundTensor;
  readonly rank: number;
  readonly scale: number;
}

export interface StoredAdapter {
  readonly directory: string;
  readonly config: AdapterConfig;
  /** By the linear's name in a checkpoint, without ".weight". */
  readonly pairs: ReadonlyMap<string, StoredPair>;
}

/** By default Node prints what is warned of. */
export function readAdapterConfig(
  directory: string,
  warn: (text: string) => void = (text) => process.emitWarning(text),
): AdapterConfig {
  if (!isAdapter(directory)) throw new RangeError(`${directory}: no ${adapterConfigName}: not an adapter`);
  const path = join(directory, adapterConfigName);
  return parseAdapterConfig(readJson(path), path, warn);
}

/**
 * @param warn takes a line for each key of the config that nobody here knows
 * @throws RangeError for files that are missing or damaged, that hold what is not supported, or do not fit each other
 */
export function readAdapter(directory: string, warn?: (text: string) => void): StoredAdapter {
  const config = readAdapterConfig(directory, warn);
  const path = join(directory, adapterTensorsName);
  if (!existsSync(path)) {
    const pickle = readdirSync(directory).find((name) => /^adapter_model\.(bin|pt|pth)$/.test(name));
    const hint = pickle ? `; ${pickle} is a pickle, which can run code and is never read: save it as safetensors` : "";
    throw new RangeError(`${path}: no such file${hint}`);
  }
  const file = new SafetensorsFile(path);
  const matrices = new Map<string, FoundTensor>();
  for (const entry of file.header.entries.values()) {
    const match = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/.exec(entry.name);
    if (!match) throw new RangeError(`${path}: ${entry.name} ${whyNot(entry.name)}`);
    matrices.set(`${match[1]} ${match[2]}`, { ...entry, file });
  }
  const pairs = new Map<string, StoredPair>();
  for (const key of matrices.keys()) {
    const name = key.slice(0, -2);
    if (!pairs.has(name)) pairs.set(name, pairOf(config, name, path, matrices));
  }
  if (pairs.size === 0) throw new RangeError(`${path}: no tensor`);
  return { directory, config, pairs };
}

function pairOf(
  config: AdapterConfig,
  name: string,
  path: string,
  matrices: ReadonlyMap<string, FoundTensor>,
): StoredPair {
  const [a, b] = [matrices.get(`${name} A`), matrices.get(`${name} B`)];
  if (!a || !b) {
    const [has, lacks] = a ? ["A", "B"] : ["B", "A"];
    throw new RangeError(`${path}: ${name} has a lora_${has} and no lora_${lacks}`);
  }
  if (!isTarget(config, name)) {
    throw new RangeError(`${path}: ${name} is adapted, which target_modules of ${adapterConfigName} does not name`);
  }
  const rank = rankOf(config, name);
  for (const [{ name: tensor, shape }, at] of [[a, 0] as const, [b, 1] as const]) {
    if (shape.length === 2 && shape[at] === rank) continue;
    throw new RangeError(
      `${path}: ${tensor} has shape [${shape.join(", ")}], expected rank ${rank} by r and rank_pattern of ${adapterConfigName}`,
    );
  }
  return { a, b, rank, scale: scaleOf(config, name) };
}

/** Why a tensor is none of ours. */
function whyNot(name: string): string {
  if (name.includes(".lora_magnitude_vector")) return "belongs to DoRA, which is not supported";
  if (name.includes(".lora_embedding_")) return "adapts an embedding, which is not supported";
  if (name.startsWith(prefix) && name.endsWith(".weight")) {
    return "is a whole weight (modules_to_save, or a vocabulary that was resized), which is not supported";
  }
  return `is not named as in an adapter: ${prefix} + module + .lora_A.weight or .lora_B.weight`;
}

/** A linear's matrices to write; bytes are asked for when their turn comes. */
export interface PairSource {
  readonly module: string;
  readonly a: Omit<TensorSource, "name">;
  readonly b: Omit<TensorSource, "name">;
}

/** Writes both files, each whole or not at all, the config last. */
export function writeAdapter(directory: string, config: AdapterConfig, pairs: readonly PairSource[]): void {
  const sources = pairs.flatMap(({ module, a, b }) => [
    { ...a, name: `${prefix}${module}.lora_A.weight` },
    { ...b, name: `${prefix}${module}.lora_B.weight` },
  ]);
  writeSafetensors(join(directory, adapterTensorsName), sources);
  const text = JSON.stringify(serializeAdapterConfig(config), null, 2);
  writeFileAtomic(join(directory, adapterConfigName), `${text}\n`);
}
