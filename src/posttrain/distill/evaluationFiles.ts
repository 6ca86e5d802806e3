/** Files of what models are measured on, in whatever form they come: rows of which every text counts, or plain text. */
import { readFileSync } from "node:fs";
import { listFiles } from "../../data/sources.js";
import { readRows } from "../data/rows.js";
import type { EvaluationDocument } from "./contamination.js";

/** @throws RangeError for a file that cannot be read */
export async function* evaluationFiles(paths: readonly string[]): AsyncGenerator<EvaluationDocument> {
  for (const { path } of listFiles(paths)) {
    if (/\.(txt|md)$/i.test(path)) {
      yield { source: path, texts: [readFileSync(path, "utf8")] };
      continue;
    }
    for await (const row of readRows(path)) {
      const texts = row.fieldNames.flatMap((name) => textsIn(row.value(name)));
      yield { source: `${path}: row ${row.number}`, texts };
    }
  }
}

/** All texts within a value. */
export function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
