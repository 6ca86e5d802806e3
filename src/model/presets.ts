/** The named configs of the folder `configs/`: Hugging Face config.json files that ship with the program. */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readJson } from "../files/json.js";
import { type ModelConfig, parseModelConfig } from "./config.js";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "configs");

export function presetNames(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
    .sort();
}

/** @throws RangeError listing the presets if there is none of that name */
export function loadPreset(name: string): ModelConfig {
  const path = join(folder, `${name}.json`);
  if (!/^[\w.-]+$/.test(name) || !existsSync(path)) {
    throw new RangeError(`preset ${JSON.stringify(name)} does not exist; there are ${presetNames().join(", ")}`);
  }
  return parseModelConfig(readJson(path), `configs/${name}.json`);
}
