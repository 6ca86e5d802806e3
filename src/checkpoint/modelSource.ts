/**
 * What a user names as a model, as its weights and what is put over them: a run, a checkpoint or a model directory, with an adapter
 * beside it, or an adapter alone, which names its base.
 */
import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { readAdapterConfig } from "./adapterFile.js";
import { hubModel, localModel } from "./hubModel.js";
import { adapterConfigName, isAdapter, resolveModelDirectory, resolveModelOrAdapter } from "./runDirectory.js";

export interface ModelSource {
  /** With config.json and the weights. */
  readonly directory: string;
  /** With adapter_config.json; null: the weights as they are. */
  readonly adapter: string | null;
}

/**
 * @param adapter put over the model that `path` names; undefined: none, or the one that `path` is
 * @param local fetches what is on the hub; see hubModel.ts
 * @throws RangeError for paths without a model or adapter, and for an adapter whose base is not where it says
 */
export async function findModel(
  path: string,
  adapter?: string,
  local: (name: string) => Promise<string> = localModel,
): Promise<ModelSource> {
  const directory = resolveModelOrAdapter(await local(path));
  if (adapter === undefined) {
    if (!isAdapter(directory)) return { directory, adapter: null };
    return { directory: resolveModelDirectory(await local(baseOf(directory))), adapter: directory };
  }
  if (isAdapter(directory))
    throw new RangeError(`${path} is an adapter itself: name its base as the model, or no adapter`);
  const over = resolveModelOrAdapter(await local(adapter));
  if (!isAdapter(over)) throw new RangeError(`${adapter}: no ${adapterConfigName}: not an adapter`);
  return { directory, adapter: over };
}

/** Where the tokenizer lies: an adapter's own, which has the template it was trained with, else the model's. */
export function tokenizerFolder({ directory, adapter }: ModelSource): string {
  return adapter !== null && existsSync(join(adapter, "tokenizer.json")) ? adapter : directory;
}

/** The base of an adapter as its config names it: a path, from the adapter's directory or the current one, or a name on the hub. */
function baseOf(directory: string): string {
  const base = readAdapterConfig(directory, () => {}).baseModelNameOrPath;
  const advice = "name the base as the model and the adapter beside it (--model BASE --adapter DIR)";
  if (base === null) throw new RangeError(`${directory}: ${adapterConfigName} names no base model: ${advice}`);
  if (hubModel(base) !== null) return base;
  const found = (isAbsolute(base) ? [base] : [resolve(directory, base), base]).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new RangeError(
    `${directory}: its base model ${base} (base_model_name_or_path) is not here; it may lie elsewhere, or on the hub: ${advice}`,
  );
}
