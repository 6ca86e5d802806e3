/** Documents that no benchmark holds: what a run kept from its training, or files that someone names. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultReadOptions, readDocuments } from "../../data/documents.js";
import { manifestName, PreparedData } from "../../data/preparedData.js";
import { listFiles } from "../../data/sources.js";
import { isObject, readJson } from "../../files/json.js";
import type { Doc } from "../taskFile.js";

/**
 * The prepared data of the run that a model's directory is or lies in; of a run that began with another (fine-tuning), that one's. Null: there
 * is none, or its base is no longer where it was.
 */
export function heldOutOf(directory: string): string | null {
  const seen = new Set<string>();
  for (let model: string | null = directory; model !== null && !seen.has(model); model = baseOf(model)) {
    seen.add(model);
    const data = runsOf(model).map((run) => join(run, "data"));
    const found = data.find((folder) => existsSync(join(folder, manifestName)));
    if (found !== undefined) return found;
  }
  return null;
}

/** A directory of a model is a run, or a checkpoint of one. */
function runsOf(directory: string): readonly string[] {
  return [directory, dirname(dirname(directory))];
}

/** What a run says that it began with. */
function baseOf(directory: string): string | null {
  const record = runsOf(directory)
    .map((run) => join(run, "run.json"))
    .find((path) => existsSync(path));
  const json = record === undefined ? null : readJson(record);
  return isObject(json) && typeof json.base === "string" ? json.base : null;
}

/** Rows of text and path. @param path prepared data, or a file or folder of text @throws RangeError if there is none */
export async function readHeldOut(path: string): Promise<Doc[]> {
  if (existsSync(join(path, manifestName))) {
    using data = new PreparedData(path);
    return data.validationDocuments().map(({ content, path: file }) => ({ text: textOf(content), path: file }));
  }
  const docs: Doc[] = [];
  for (const file of listFiles([path])) {
    for await (const { content, path: from, part } of readDocuments(file, defaultReadOptions, () => {})) {
      docs.push({ text: textOf(content), path: part === null ? from : `${from}:${part}` });
    }
  }
  if (docs.length > 0) return docs;
  throw new RangeError(`${path}: no text in it`);
}

function textOf(content: Uint8Array): string {
  return Buffer.from(content).toString("utf8");
}
