/**
 * Rows of a data file, streamed: a JSON array or an object a line (whichever the file begins with), CSV, Parquet, gzipped or not. Only one row,
 * or one row group of Parquet, is in memory at a time. post-training.md 3.2.
 */
import { isUtf8 } from "node:buffer";
import { chunksOf, invalidOffset, linesOf, ParquetFile } from "../../data/fileParts.js";
import { isObject } from "../../files/json.js";
import { csvRecords } from "./csv.js";
import { arrayElements, firstByte } from "./jsonArray.js";
import { Row, RowError } from "./row.js";

export interface RowOptions {
  /** What the file calls the fields of its format; null: a field that is not read. */
  readonly names?: Readonly<Record<string, string | null>>;
  /** Told of each row that is none; what comes after it is still read. Default: throws. */
  readonly onBad?: (error: RowError) => void;
}

/** @throws RangeError naming the file, for one that cannot be read; RowError for a bad row unless `onBad` takes it */
export async function* readRows(path: string, options: RowOptions = {}): AsyncGenerator<Row> {
  const isZipped = path.toLowerCase().endsWith(".gz");
  const name = (isZipped ? path.slice(0, -3) : path).toLowerCase();
  const bad =
    options.onBad ??
    ((error: RowError): void => {
      throw error;
    });
  const take = (number: number, value: unknown): Row | null => {
    if (isObject(value)) return new Row(path, number, value, options.names);
    bad(new RowError(path, number, null, `expected an object with fields, got ${kindOf(value)}`));
    return null;
  };
  if (name.endsWith(".parquet")) {
    if (isZipped) throw new RangeError(`${path}: a gzipped Parquet file cannot be read by rows; unpack it first`);
    const file = await ParquetFile.open(path);
    let number = 0;
    for await (const record of file.rows()) {
      const row = take(++number, plain(record));
      if (row) yield row;
    }
    return;
  }
  const chunks = chunksOf(path, isZipped);
  if (name.endsWith(".csv")) {
    for await (const { number, fields, problem } of csvRecords(path, chunks)) {
      const cells = problem === null ? typedCells(fields) : { field: null, problem };
      if (cells instanceof Map) yield new Row(path, number, Object.fromEntries(cells), options.names);
      else bad(new RowError(path, number, cells.field, cells.problem));
    }
    return;
  }
  if (!/\.(json|jsonl|ndjson)$/.test(name)) {
    throw new RangeError(`${path}: expected .jsonl, .ndjson, .json, .csv (or one of these with .gz) or .parquet`);
  }
  const { byte, rest } = await firstByte(chunks);
  const isArray = byte === 0x5b;
  let number = 0;
  for await (const bytes of isArray ? arrayElements(path, rest) : linesOf(path, rest)) {
    number++;
    const value = parsed(path, number, bytes, bad);
    if (value === undefined) continue;
    const row = take(number, value);
    if (row) yield row;
  }
}

/** A line or an element as JSON; undefined for a blank line and for what `bad` was told of. */
function parsed(path: string, number: number, bytes: Uint8Array, bad: (error: RowError) => void): unknown {
  if (!isUtf8(bytes)) {
    bad(new RowError(path, number, null, `invalid UTF-8 at byte ${invalidOffset(bytes)} of the row`));
    return undefined;
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  const json = number === 1 ? text.replace(/^\ufeff/, "") : text;
  if (/^\s*$/.test(json)) return undefined;
  try {
    return JSON.parse(json);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    bad(new RowError(path, number, null, `malformed JSON (one object a line, or an array of objects): ${reason}`));
    return undefined;
  }
}

/** Fields that are lists, objects or flags in every format: in CSV their cells hold JSON. */
const jsonFields = new Set([
  ...[
    "messages",
    "conversations",
    "history",
    "completions",
    "labels",
    "label",
    "kto_tag",
    "reward_model",
    "extra_info",
  ],
  "meta",
]);

/**
 * Cells are texts, but for those that hold JSON: of the fields above, and prompts and answers that are lists of messages.
 * @returns the fields, or what is wrong with one
 */
function typedCells(
  cells: Readonly<Record<string, string>>,
): Map<string, unknown> | { readonly field: string; readonly problem: string } {
  const fields = new Map<string, unknown>();
  for (const [name, cell] of Object.entries(cells)) {
    const isPassage = ["prompt", "completion", "chosen", "rejected"].includes(name);
    if (!jsonFields.has(name) && !(isPassage && /^\s*\[\s*\{\s*"role"/.test(cell))) fields.set(name, cell);
    else if (cell.trim() !== "") {
      const text = /^(True|False)$/.test(cell) ? cell.toLowerCase() : cell; // as pandas writes them
      try {
        fields.set(name, JSON.parse(text));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return { field: name, problem: `expected JSON in the cell: ${reason}` };
      }
    }
  }
  return fields;
}

/** Parquet's 64-bit integers as numbers where those are exact. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (Array.isArray(value)) return value.map(plain);
  if (isObject(value) && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
  }
  return value;
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
