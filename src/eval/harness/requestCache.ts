/**
 * Answers as they come, one a line, so that an evaluation that ended early goes on where it was. A line's key is the hash of the model's id
 * and of all that was asked, seed and repeat included: whatever differs is asked again. Lines are only ever appended; a torn last one, which
 * a crash leaves, is cut off.
 */
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { namingPath } from "../../files/atomic.js";
import { isObject } from "../../files/json.js";
import type { EvalRequest, EvalResponse } from "./evalModel.js";

/** What a request is found under. */
export function requestKey(modelId: string, request: EvalRequest): string {
  return createHash("sha256")
    .update(JSON.stringify([modelId, request]))
    .digest("hex");
}

export class RequestCache implements Disposable {
  readonly path: string;
  readonly #known = new Map<string, EvalResponse>();
  #file: number | null;

  /** Creates the file, or reads what it has. @throws RangeError for a file that is no cache */
  constructor(path: string) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true });
    if (existsSync(path)) this.#read();
    this.#file = openSync(path, "a");
  }

  get size(): number {
    return this.#known.size;
  }

  find(key: string): EvalResponse | null {
    return this.#known.get(key) ?? null;
  }

  /** Written before this returns. */
  add(key: string, response: EvalResponse): void {
    if (this.#file === null) throw new Error("internal: the cache is closed");
    this.#known.set(key, response);
    const line = Buffer.from(`${JSON.stringify({ key, response })}\n`);
    try {
      for (let done = 0; done < line.length; ) done += writeSync(this.#file, line, done);
    } catch (error) {
      throw namingPath(error, this.path);
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #read(): void {
    const bytes = readFileSync(this.path);
    const end = bytes.lastIndexOf(10) + 1;
    const lines = bytes.subarray(0, end).toString("utf8").split("\n").slice(0, -1);
    for (const [i, line] of lines.entries()) {
      let entry: unknown;
      try {
        entry = JSON.parse(line);
      } catch {
        entry = null;
      }
      if (!isObject(entry) || typeof entry.key !== "string" || !isObject(entry.response)) {
        throw new RangeError(
          `${this.path}:${i + 1}: not an answer of an evaluation; give another file to keep answers in`,
        );
      }
      this.#known.set(entry.key, entry.response as unknown as EvalResponse);
    }
    if (end < bytes.length) truncateSync(this.path, end);
  }
}
