/** Documents that no benchmark holds: what a run kept from its training, or files that someone names. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultReadOptions, readDocuments } from "../../data/documents.js";
import { manifestName, PreparedData } from "../../data/preparedData.js";
import { listFiles } from "../../data/sources.js";
import type { Doc } from "../taskFile.js";

/** The prepared data of the run that a model's directory is or lies in; null: there is none. */
export function heldOutOf(directory: string): string | null {
  const folders = [directory, dirname(dirname(directory))].map((run) => join(run, "data"));
  return folders.find((folder) => existsSync(join(folder, manifestName))) ?? null;
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
