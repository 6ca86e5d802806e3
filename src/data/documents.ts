/**
 * Documents of a file, one after the other and with bounded memory: a plain text is one document (a very long one is cut at line ends), a
 * line of JSONL or a row of Parquet is one each; plain text and JSONL may be gzipped. Bytes of a plain text are kept as they are.
 */
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { chunksOf, invalidOffset, linesOf, ParquetFile, reasonOf } from "./fileParts.js";
import type { DataFile } from "./sources.js";

export interface Document {
  readonly path: string;
  /** Line of a JSONL file or row of a Parquet file from 1, or part of a long text; null = the whole file. */
  readonly part: number | null;
  /** Valid UTF-8, not empty. */
  readonly content: Uint8Array;
}

export interface ReadOptions {
  /** Field of JSONL and Parquet that holds the text; null = `text`, else `content`. */
  readonly textField: string | null;
  /** Refuse binary files and invalid UTF-8, which are skipped otherwise. */
  readonly strict: boolean;
  /** A longer plain text is cut into several documents. */
  readonly maxDocumentBytes: number;
}

export const defaultReadOptions: ReadOptions = { textField: null, strict: false, maxDocumentBytes: 8 << 20 };

export type SkipReason = "binary" | "invalidUtf8" | "empty";

/**
 * @param onSkip told of each file (or empty record) that gives no document
 * @throws RangeError naming file and line or row for malformed input; under `strict` also for binary files
 */
export async function* readDocuments(
  file: DataFile,
  options: ReadOptions,
  onSkip: (path: string, reason: SkipReason) => void,
): AsyncGenerator<Document> {
  const { path } = file;
  const isZipped = path.endsWith(".gz");
  const name = (isZipped ? path.slice(0, -3) : path).toLowerCase();
  if (name.endsWith(".parquet")) {
    if (isZipped) throw new RangeError(`${path}: a gzipped Parquet file cannot be read by rows; unpack it first`);
    yield* parquetTexts(path, options, onSkip);
  } else if (name.endsWith(".jsonl") || name.endsWith(".ndjson")) {
    yield* jsonLines(path, chunksOf(path, isZipped), options, onSkip);
  } else if (isZipped || file.sizeBytes > options.maxDocumentBytes) {
    yield* textParts(path, chunksOf(path, isZipped), options, onSkip);
  } else {
    let content: Uint8Array;
    try {
      content = readFileSync(path);
    } catch (error) {
      throw new RangeError(`${path}: cannot be read (${reasonOf(error)})`);
    }
    if (accept(path, content, options, onSkip)) yield { path, part: null, content };
  }
}

/** The bytes of one text. @throws RangeError naming the file if it cannot be read, is empty or is not UTF-8 */
export function readText(path: string): Uint8Array {
  let content: Uint8Array;
  try {
    content = readFileSync(path);
  } catch (error) {
    throw new RangeError(`${path}: cannot be read (${reasonOf(error)})`);
  }
  if (content.length === 0) throw new RangeError(`${path}: the file is empty; expected text`);
  if (!isUtf8(content)) throw new RangeError(`${path}: invalid UTF-8 at offset ${invalidOffset(content)}`);
  return content;
}

function accept(
  path: string,
  content: Uint8Array,
  options: ReadOptions,
  onSkip: (path: string, reason: SkipReason) => void,
): boolean {
  const nul = content.indexOf(0);
  const reason = content.length === 0 ? "empty" : nul >= 0 ? "binary" : isUtf8(content) ? null : "invalidUtf8";
  if (reason === null) return true;
  if (options.strict && reason === "binary") {
    throw new RangeError(`${path}: binary file (byte 0 at offset ${nul}); expected text`);
  }
  if (options.strict && reason === "invalidUtf8") {
    throw new RangeError(`${path}: invalid UTF-8 at offset ${invalidOffset(content)}`);
  }
  onSkip(path, reason);
  return false;
}

/** Plain text in pieces of at most `maxDocumentBytes`, cut behind a line end where there is one. */
async function* textParts(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  options: ReadOptions,
  onSkip: (path: string, reason: SkipReason) => void,
): AsyncGenerator<Document> {
  const limit = options.maxDocumentBytes;
  let held: Uint8Array[] = [];
  let size = 0;
  let part = 0;
  const cut = (): Uint8Array => {
    const bytes = held.length === 1 ? held[0]! : Buffer.concat(held);
    let end = bytes.lastIndexOf(10, limit - 1) + 1;
    // Without a line end the cut steps back to the border of a character.
    if (end === 0) for (end = limit; end > 1 && ((bytes[end] ?? 0) & 0xc0) === 0x80 && limit - end < 3; ) end--;
    held = end < bytes.length ? [bytes.subarray(end)] : [];
    size = bytes.length - end;
    return bytes.subarray(0, end);
  };
  for await (const chunk of chunks) {
    held.push(chunk);
    size += chunk.length;
    while (size > limit) {
      const content = cut();
      if (!accept(path, content, options, onSkip)) return;
      yield { path, part: ++part, content };
    }
  }
  if (size === 0 && part > 0) return;
  const content = Buffer.concat(held);
  if (accept(path, content, options, onSkip)) yield { path, part: part === 0 ? null : part + 1, content };
}

async function* jsonLines(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  options: ReadOptions,
  onSkip: (path: string, reason: SkipReason) => void,
): AsyncGenerator<Document> {
  let line = 0;
  for await (const bytes of linesOf(path, chunks)) {
    line++;
    const where = `${path}:${line}`;
    if (!isUtf8(bytes)) throw new RangeError(`${where}: invalid UTF-8 at byte ${invalidOffset(bytes)} of the line`);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
    if (/^\s*$/.test(text)) continue;
    let record: unknown;
    try {
      record = JSON.parse(line === 1 ? text.replace(/^\ufeff/, "") : text);
    } catch (error) {
      throw new RangeError(`${where}: malformed JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (typeof record !== "object" || record === null || Array.isArray(record)) {
      throw new RangeError(`${where}: expected an object on each line`);
    }
    const value = fieldOf(where, new Map<string, unknown>(Object.entries(record)), options.textField);
    if (value === "") onSkip(path, "empty");
    else yield { path, part: line, content: Buffer.from(value, "utf8") };
  }
}

async function* parquetTexts(
  path: string,
  options: ReadOptions,
  onSkip: (path: string, reason: SkipReason) => void,
): AsyncGenerator<Document> {
  const file = await ParquetFile.open(path);
  const wanted = options.textField === null ? ["text", "content"] : [options.textField];
  const column = wanted.find((name) => file.columns.includes(name));
  if (column === undefined) {
    throw new RangeError(
      `${path}: no column ${wanted.join(" or ")}; the file has ${file.columns.join(", ")} (--text-field)`,
    );
  }
  let row = 0;
  for await (const record of file.rows([column])) {
    row++;
    const value = fieldOf(`${path}: row ${row}`, new Map<string, unknown>(Object.entries(record)), column);
    if (value === "") onSkip(path, "empty");
    else yield { path, part: row, content: Buffer.from(value, "utf8") };
  }
}

/** The text of a record. */
function fieldOf(where: string, record: ReadonlyMap<string, unknown>, textField: string | null): string {
  const names = textField === null ? ["text", "content"] : [textField];
  const name = names.find((candidate) => record.has(candidate));
  if (name === undefined) {
    const found = [...record.keys()].slice(0, 8).join(", ") || "nothing";
    throw new RangeError(`${where}: expected a field ${names.join(" or ")}, found ${found} (--text-field)`);
  }
  const value = record.get(name);
  if (typeof value !== "string") {
    throw new RangeError(`${where}: ${name} must be a text, got ${value === null ? "null" : typeof value}`);
  }
  return value;
}
