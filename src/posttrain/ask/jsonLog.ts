/**
 * Files of one JSON object a line that are only ever added to. A line that a kill has torn is cut off when the file is opened again; a later line
 * with an id that was there before takes the earlier one's place, so that nothing is rewritten and nothing lost.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { chunksOf, linesOf } from "../../data/fileParts.js";
import { namingPath, writeAll } from "../../files/atomic.js";
import { isObject } from "../../files/json.js";

/** Where a line stands in its file. */
export interface LinePlace {
  readonly offset: number;
  readonly bytes: number;
}

export interface LogLine extends LinePlace {
  readonly value: Readonly<Record<string, unknown>>;
  /** For messages: file and line. */
  readonly at: string;
}

/** Lines of a file, blank ones left out; none of a file that is not there, and not a torn last one. @throws RangeError for a broken line */
export async function* readLog(path: string): AsyncGenerator<LogLine> {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return;
  let offset = 0;
  let line = 0;
  for await (const bytes of linesOf(path, chunksOf(path, false))) {
    line++;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
    const isLast = offset + bytes.length >= size;
    if (text.trim() !== "" && !(isLast && !isWhole(text))) {
      const at = `${path}:${line}`;
      yield { value: jsonObject(text, at), at, offset, bytes: bytes.length };
    }
    offset += bytes.length + 1;
  }
}

/** A file that lines are added to; it is made where there is none. */
export class JsonLog implements Disposable {
  readonly path: string;
  readonly #fd: number;
  #size: number;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.path = path;
    this.#fd = openSync(path, "a+", 0o644);
    this.#size = mended(this.#fd);
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** Adds a line for each; together they are one write. @throws the system's error, naming the file */
  append(values: readonly object[]): void {
    if (values.length === 0) return;
    const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(""), "utf8");
    try {
      writeAll(this.#fd, bytes);
    } catch (error) {
      throw namingPath(error, this.path);
    }
    this.#size += bytes.length;
  }

  [Symbol.dispose](): void {
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }
}

/** Lines of a file by their place, read again when they are wanted. */
export class LineReader implements Disposable {
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, "r");
  }

  text({ offset, bytes }: LinePlace): string {
    const buffer = Buffer.alloc(bytes);
    for (let done = 0; done < bytes; ) {
      const read = readSync(this.#fd, buffer, done, bytes - done, offset + done);
      if (read === 0) throw new RangeError(`${this.#path}: has become shorter meanwhile`);
      done += read;
    }
    return buffer.toString("utf8");
  }

  value(place: LinePlace): Readonly<Record<string, unknown>> {
    return jsonObject(this.text(place), this.#path);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** @param at file and line @throws RangeError for what is no JSON object */
export function jsonObject(text: string, at: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`${at}: malformed JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (isObject(value)) return value;
  throw new RangeError(`${at}: expected an object, got ${text.slice(0, 60)}`);
}

/** The lines of a file that are not blank; all of them together may be longer than a text can be. */
export function* linesOfBytes(
  path: string,
  bytes: Uint8Array,
): Generator<{ readonly at: string; readonly text: string }> {
  let line = 0;
  for (let begin = 0; begin < bytes.length; ) {
    const found = bytes.indexOf(10, begin);
    const end = found < 0 ? bytes.length : found;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + begin, end - begin).toString("utf8");
    line++;
    begin = end + 1;
    if (text.trim() !== "") yield { at: `${path}:${line}`, text };
  }
}

/** Ends the last line if it is whole, cuts it off if it is torn. @returns bytes of the file then */
function mended(fd: number): number {
  const { size } = fstatSync(fd);
  let begin = size;
  const piece = Buffer.alloc(1 << 16);
  while (begin > 0) {
    const length = Math.min(piece.length, begin);
    readSync(fd, piece, 0, length, begin - length);
    const end = piece.subarray(0, length).lastIndexOf(10);
    begin -= length;
    if (end >= 0) {
      begin += end + 1;
      break;
    }
  }
  if (begin === size) return size;
  const last = Buffer.alloc(size - begin);
  readSync(fd, last, 0, last.length, begin);
  if (isWhole(last.toString("utf8"))) {
    writeAll(fd, Buffer.from("\n"));
    return size + 1;
  }
  ftruncateSync(fd, begin);
  return begin;
}

function isWhole(text: string): boolean {
  try {
    return isObject(JSON.parse(text));
  } catch {
    return false;
  }
}
