/** Results on disk: the rows of one run with its date, machine and versions, as `bench report` reads them again. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import { writeFileAtomic } from "../files/atomic.js";
import { isObject, readJson } from "../files/json.js";
import { native } from "../tensor/native.js";
import type { Floors } from "../train/floors.js";
import type { BenchRow } from "./row.js";

export interface Machine {
  readonly processor: string;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly instructionSet: string;
}

export interface StoredResult {
  /** What was asked: the words after `fathom bench`. */
  readonly command: string;
  /** ISO 8601, UTC, to the second. */
  readonly date: string;
  readonly machine: Machine;
  readonly versions: { readonly fathom: string; readonly node: string };
  /** Null for benches that compare with no peak. */
  readonly floors: Floors | null;
  /** Share of the processors' time that a hypervisor gave to others meanwhile; null or absent where nobody knows. */
  readonly stolenShare?: number | null;
  readonly rows: readonly BenchRow[];
}

export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    threads: availableParallelism(),
    memoryBytes: totalmem(),
    instructionSet: native().isa(),
  };
}

export function storedResult(
  command: string,
  date: Date,
  { rows, floors = null }: { readonly rows: readonly BenchRow[]; readonly floors?: Floors | null },
  stolenShare: number | null,
): StoredResult {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return {
    command,
    date: `${date.toISOString().slice(0, 19)}Z`,
    machine: thisMachine(),
    versions: { fathom: version, node: process.versions.node },
    floors,
    stolenShare,
    rows: rows.map((row) => ({ ...row, samples: row.samples.map((value) => Number(value.toPrecision(6))) })),
  };
}

export function saveResult(path: string, result: StoredResult): void {
  writeFileAtomic(path, `${JSON.stringify(result, null, 1)}\n`);
}

/** All results of a folder, by file name. @throws RangeError for a folder without any, or a file that is not one */
export function readResults(folder: string): StoredResult[] {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
  if (names.length === 0)
    throw new RangeError(`${folder}: no results; run \`fathom bench all --save ${folder}\` first`);
  return names.sort().map((name) => parseResult(readJson(join(folder, name)), join(folder, name)));
}

export function parseResult(json: unknown, file: string): StoredResult {
  const refuse = (what: string): never => {
    throw new RangeError(`${file}: not a result of fathom bench: ${what}`);
  };
  if (!isObject(json)) return refuse("not an object");
  for (const key of ["command", "date"]) if (typeof json[key] !== "string") refuse(`${key} is not a text`);
  for (const key of ["machine", "versions"]) if (!isObject(json[key])) refuse(`${key} is not an object`);
  if (!Array.isArray(json.rows)) return refuse("rows is not a list");
  for (const [i, row] of json.rows.entries()) {
    const isRow = isObject(row) && typeof row.bench === "string" && typeof row.case === "string";
    if (!isRow || typeof row.figure !== "number" || typeof row.ratio !== "number") refuse(`row ${i} has no figure`);
  }
  return json as unknown as StoredResult;
}
