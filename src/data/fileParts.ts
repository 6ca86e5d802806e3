/**
 * Files in parts, with bounded memory: the bytes as they come (unpacked), lines, rows of Parquet. What the parts mean is the readers' affair.
 */
import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { AsyncBuffer, FileMetaData } from "hyparquet";

/** A file's bytes, unpacked if it is gzipped. @throws RangeError naming the file if it cannot be read */
export async function* chunksOf(path: string, isZipped: boolean): AsyncGenerator<Uint8Array> {
  const raw = createReadStream(path, { highWaterMark: 1 << 20 });
  let chunks: Readable = raw;
  if (isZipped) {
    const unzip = createGunzip({ chunkSize: 1 << 18 });
    raw.on("error", (error) => unzip.destroy(error));
    chunks = raw.pipe(unzip);
  }
  try {
    for await (const chunk of chunks) {
      if (chunk instanceof Uint8Array) yield chunk;
    }
  } catch (error) {
    throw new RangeError(`${path}: cannot be read${isZipped ? " as gzip" : ""} (${reasonOf(error)})`);
  } finally {
    raw.destroy();
  }
}

/** Longest line, or element of a JSON array, that is read. */
export const maxPartBytes = 256 << 20;

/** Lines without their ends, blank ones too. @throws RangeError for a line of more than `maxPartBytes` */
export async function* linesOf(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let line = 0;
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      line++;
      const piece = chunk.subarray(from, end);
      yield held.length === 0 ? piece : Buffer.concat([...held, piece]);
      held = [];
      size = 0;
      from = end + 1;
    }
    if (from < chunk.length) {
      held.push(chunk.subarray(from));
      size += chunk.length - from;
      if (size > maxPartBytes)
        throw new RangeError(`${path}:${line + 1}: the line is longer than ${maxPartBytes} bytes`);
    }
  }
  if (size > 0) yield Buffer.concat(held);
}

/** A Parquet file, read by row groups. */
export class ParquetFile {
  readonly columns: readonly string[];
  readonly #path: string;
  readonly #file: AsyncBuffer;
  readonly #metadata: FileMetaData;

  private constructor(path: string, file: AsyncBuffer, metadata: FileMetaData, columns: readonly string[]) {
    this.#path = path;
    this.#file = file;
    this.#metadata = metadata;
    this.columns = columns;
  }

  /** @throws RangeError naming the file if it is none of Parquet's */
  static async open(path: string): Promise<ParquetFile> {
    // Loaded when it is needed: most runs read no Parquet.
    const { asyncBufferFromFile, parquetMetadataAsync, parquetSchema } = await import("hyparquet");
    return explain(path, async () => {
      const file = await asyncBufferFromFile(path);
      const metadata = await parquetMetadataAsync(file);
      const columns = parquetSchema(metadata).children.map((child) => child.element.name);
      return new ParquetFile(path, file, metadata, columns);
    });
  }

  /** Rows in their order. @param columns default: all @throws RangeError naming the file if a part of it is damaged */
  async *rows(columns: readonly string[] = this.columns): AsyncGenerator<Record<string, unknown>> {
    const { parquetReadObjects } = await import("hyparquet");
    const { compressors } = await import("hyparquet-compressors");
    const given = { file: this.#file, metadata: this.#metadata, columns: [...columns], compressors };
    let row = 0;
    for (const group of this.#metadata.row_groups) {
      const size = Number(group.num_rows);
      const range = { rowStart: row, rowEnd: row + size };
      const records = await explain(this.#path, () => parquetReadObjects({ ...given, ...range }));
      if (records.length !== size)
        throw new RangeError(`${this.#path}: row group at ${row} has ${records.length} of ${size} rows`);
      yield* records;
      row += size;
    }
  }
}

async function explain<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new RangeError(`${path}: not a readable Parquet file: ${reasonOf(error)}`);
  }
}

/** Why the system could not do something. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && error.code === "ENOENT" ? "no such file" : error.message;
}

/** Offset of the first byte that no valid UTF-8 text has there. */
export function invalidOffset(bytes: Uint8Array): number {
  let low = 0;
  let high = bytes.length;
  // The longest prefix that is valid, but for a character it cuts.
  const isGood = (end: number): boolean => {
    for (let back = 0; back <= 3 && back <= end; back++) if (isUtf8(bytes.subarray(0, end - back))) return true;
    return false;
  };
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (isGood(middle)) low = middle;
    else high = middle - 1;
  }
  for (let back = 0; back <= 3 && back <= low; back++) if (isUtf8(bytes.subarray(0, low - back))) return low - back;
  return low;
}
