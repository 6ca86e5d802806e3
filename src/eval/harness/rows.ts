/** Rows of a data file: JSON lines, a JSON list, CSV, TSV or Parquet; all but the last may be gzipped. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { isObject } from "../../files/json.js";
import type { Doc } from "../taskFile.js";
import { parseCsv } from "./csv.js";

/** Best first: where a split is there in several formats, the first counts. */
export const rowFormats = ["parquet", "jsonl", "ndjson", "json", "csv", "tsv"] as const;

export type RowFormat = (typeof rowFormats)[number];

/** Null for a file that is none of them. */
export function formatOf(path: string): RowFormat | null {
  const name = path.toLowerCase().replace(/\.gz$/, "");
  const format = rowFormats.find((each) => name.endsWith(`.${each}`)) ?? null;
  return format === "parquet" && path.endsWith(".gz") ? null : format;
}

/** @throws RangeError naming file and line or row, for content that is not what the name says */
export async function readRows(path: string): Promise<Doc[]> {
  const format = formatOf(path);
  switch (format) {
    case "parquet":
      return parquetRows(path);
    case "jsonl":
    case "ndjson":
      return jsonLines(path, textOf(path));
    case "json":
      return jsonRows(path, textOf(path));
    case "csv":
      return parseCsv(textOf(path), ",", path);
    case "tsv":
      return parseCsv(textOf(path), "\t", path);
    case null:
      throw new RangeError(`${path}: expected a file of rows (${rowFormats.join(", ")}; .gz but for Parquet)`);
    default:
      return format satisfies never;
  }
}

function textOf(path: string): string {
  try {
    const bytes = readFileSync(path);
    return new TextDecoder("utf-8", { fatal: true }).decode(path.endsWith(".gz") ? gunzipSync(bytes) : bytes);
  } catch (error) {
    throw new RangeError(`${path}: cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** A list of rows, or an object with one under `data`; files of that name are often JSON lines. */
function jsonRows(path: string, text: string): Doc[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return jsonLines(path, text);
  }
  const list = isObject(value) && Array.isArray(value.data) ? (value.data as unknown[]) : value;
  if (!Array.isArray(list)) {
    if (isObject(list) && !text.trim().includes("\n")) return [list]; // A file of a single line.
    throw new RangeError(`${path}: expected a list of rows, or an object with one under "data"`);
  }
  return list.map((row, i) => asRow(row, `${path}: row ${i + 1}`));
}

function jsonLines(path: string, text: string): Doc[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new RangeError(`${path}:${i + 1}: malformed JSON: ${reason}`);
    }
    return [asRow(row, `${path}:${i + 1}`)];
  });
}

function asRow(value: unknown, where: string): Doc {
  if (isObject(value)) return value;
  throw new RangeError(`${where}: expected an object, got ${Array.isArray(value) ? "a list" : typeof value}`);
}

async function parquetRows(path: string): Promise<Doc[]> {
  const { asyncBufferFromFile, parquetReadObjects } = await import("hyparquet");
  const { compressors } = await import("hyparquet-compressors");
  try {
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors });
    return rows.map((row) => plain(row) as Doc);
  } catch (error) {
    throw new RangeError(
      `${path}: not a readable Parquet file: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** 64-bit integers as numbers, dates as text: what the same row would be as JSON. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") {
    if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) return String(value);
    return Number(value);
  }
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return Array.from(value as unknown as ArrayLike<unknown>, plain);
  if (!isObject(value)) return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
