/** The value head of a reward model: value_head.safetensors beside the model's own files, which stay a model that any program opens. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ValueHead } from "../model/valueHead.js";
import { SafetensorsFile, writeSafetensors } from "./safetensors.js";
import { readElements } from "./tensorIo.js";

export const valueHeadName = "value_head.safetensors";
const biasName = "value_head.bias";

/** What the head of a directory has; null where there is none. @throws RangeError for a damaged file */
export function valueHeadOf(directory: string): { readonly hasBias: boolean } | null {
  const path = join(directory, valueHeadName);
  if (!existsSync(path)) return null;
  return { hasBias: new SafetensorsFile(path).header.entries.has(biasName) };
}

export function saveValueHead(head: ValueHead, directory: string): void {
  const sources = head.parameters.map(({ name, shape, data }) => ({
    name,
    shape,
    dtype: "F32" as const,
    chunks: () => [data.bytes()],
  }));
  writeSafetensors(join(directory, valueHeadName), sources);
}

/** @throws RangeError for a file that is missing, damaged, or of another model's head */
export function loadValueHead(head: ValueHead, directory: string): void {
  const file = new SafetensorsFile(join(directory, valueHeadName));
  const expected = head.parameters.map(({ name }) => name);
  const found = [...file.header.entries.keys()];
  if (found.length !== expected.length || !expected.every((name) => found.includes(name))) {
    throw new RangeError(`${file.path}: holds ${found.join(", ") || "nothing"}, expected ${expected.join(", ")}`);
  }
  for (const { name, shape, data } of head.parameters) {
    const entry = file.header.entries.get(name);
    if (!entry || entry.shape.join() !== shape.join()) {
      throw new RangeError(`${file.path}: ${name} is [${entry?.shape.join(", ")}], expected [${shape.join(", ")}]`);
    }
    readElements({ ...entry, file }, 0, data, 0, data.size);
  }
}
