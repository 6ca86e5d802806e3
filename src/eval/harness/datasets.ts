/**
 * Where the rows of a task are on this machine: a folder given by --data-dir, or the hub's cache in its usual layout. Nothing is ever
 * downloaded here; what is missing is an error that says where it is published and where it is looked for.
 *
 * A data set's files are told apart by their paths. The name of the split and of the configuration each stand for themselves somewhere in it:
 * as a folder, as the file's name (`test.jsonl`, `test-00000-of-00001.parquet`) or at one end of that (`test_abstract_algebra.csv`).
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, isAbsolute, join, relative } from "node:path";
import type { DatasetRef, Doc } from "../taskFile.js";
import { formatOf, readRows, rowFormats } from "./rows.js";

export interface DataPlaces {
  /** --data-dir; null: none. */
  readonly dataDir: string | null;
  /** Of data sets and models: `datasets--owner--name/snapshots/...`. */
  readonly hubCache: string;
}

/** The hub's cache as its own tools find it. */
export function hubCacheOf(environment: NodeJS.ProcessEnv): string {
  if (environment.HF_HUB_CACHE) return environment.HF_HUB_CACHE;
  return join(
    environment.HF_HOME || join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface"),
    "hub",
  );
}

export interface DataFileHash {
  readonly path: string;
  readonly sha256: string;
}

export interface SplitRows {
  readonly rows: readonly Doc[];
  readonly files: readonly DataFileHash[];
}

/** Rows that have been read, for tasks that share them. */
export class Datasets {
  readonly #places: DataPlaces;
  readonly #read = new Map<string, Promise<SplitRows>>();

  constructor(places: DataPlaces) {
    this.#places = places;
  }

  /** Whether the rows are on this machine; see `rows`. */
  has(ref: DatasetRef, split: string, task: string): boolean {
    return this.#folders(ref, task).some((folder) => splitFiles(folder, ref, split).length > 0);
  }

  /**
   * @param split null: of a data set without splits, all its files
   * @param task whose data it is: a folder may be called like it
   * @throws RangeError if it is not there, saying where it was looked for
   */
  async rows(ref: DatasetRef, split: string, task: string): Promise<SplitRows> {
    const files = this.#files(ref, split, task);
    const key = files.join("\0");
    const known = this.#read.get(key);
    if (known) return known;
    const reading = readSplit(files);
    this.#read.set(key, reading);
    return reading;
  }

  #files(ref: DatasetRef, split: string, task: string): readonly string[] {
    const folders = this.#folders(ref, task);
    for (const folder of folders) {
      const files = splitFiles(folder, ref, split);
      if (files.length > 0) return files;
    }
    const what = `${ref.path}${ref.name === null ? "" : ` (${ref.name})`}, split "${split}"`;
    const looked = folders.length > 0 ? `; looked in ${folders.join(", ")}` : "";
    if (isLocal(ref.path)) throw new RangeError(`task ${task}: no data: ${what}${looked}`);
    const { dataDir, hubCache } = this.#places;
    const target = dataDir === null ? "a folder that --data-dir names, as" : `${dataDir}, as`;
    if (ref.source !== undefined) {
      throw new RangeError(
        `task ${task}: no data: ${what}${looked}. ${ref.source}: put the rows into ${target} ${ref.path}/${split}.jsonl`,
      );
    }
    throw new RangeError(
      `task ${task}: no data: ${what}${looked}. It is the data set ${ref.path} of the Hugging Face hub: put its files into ${target} ` +
        `${ref.path}/..., or into the hub's cache ${hubCache} (hf download ${ref.path} --repo-type dataset)`,
    );
  }

  /** Folders that may be the data set, best first; those that exist. */
  #folders({ path }: DatasetRef, task: string): string[] {
    const { dataDir, hubCache } = this.#places;
    if (isLocal(path)) return [path].filter((each) => existsSync(each));
    // Old data sets of the hub have no owner.
    const name = path.split("/").at(-1) ?? path;
    const names = [path, path.replace("/", "--"), path.replace("/", "___"), name, task, ""];
    const own = dataDir === null ? [] : names.map((each) => join(dataDir, each));
    const cached = snapshots(join(hubCache, `datasets--${path.replace("/", "--")}`));
    return [...new Set([...own, ...cached])].filter((each) => statSync(each, { throwIfNoEntry: false })?.isDirectory());
  }
}

/** Of a hub's cache entry, the commit that `main` points to first. */
function snapshots(folder: string): string[] {
  const all = join(folder, "snapshots");
  if (!existsSync(all)) return [];
  const main = join(folder, "refs", "main");
  const commit = existsSync(main) ? readFileSync(main, "utf8").trim() : "";
  const commits = readdirSync(all).sort((a, b) => Number(b === commit) - Number(a === commit) || (a < b ? -1 : 1));
  return commits.map((each) => join(all, each));
}

function isLocal(path: string): boolean {
  return isAbsolute(path) || path.startsWith(".") || existsSync(path);
}

async function readSplit(files: readonly string[]): Promise<SplitRows> {
  const rows: Doc[] = [];
  for (const file of files) for (const row of await readRows(file)) rows.push(row);
  const hash = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
  return { rows, files: files.map((path) => ({ path, sha256: hash(path) })) };
}

/** Files of a split in their order; none if there are none. */
function splitFiles(folder: string, { name, dataFiles }: DatasetRef, split: string): string[] {
  if (statSync(folder).isFile()) return dataFiles === undefined ? [folder] : [];
  const files = filesBelow(folder);
  if (dataFiles) {
    const wanted = dataFiles[split];
    if (wanted === undefined) return [];
    const patterns = (typeof wanted === "string" ? [wanted] : wanted).map(patternOf);
    return files.filter((file) => patterns.some((pattern) => pattern.test(file))).map((file) => join(folder, file));
  }
  const ofSplit = closest(files, [split]);
  const ofConfig = name === null ? plainest(ofSplit) : closest(ofSplit, [name]);
  // A folder of one configuration need not name it.
  const found = name !== null && ofConfig.length === 0 ? ofSplit.filter((file) => !folderOf(file, split)) : ofConfig;
  const format = rowFormats.find((each) => found.some((file) => formatOf(file) === each));
  return found.filter((file) => formatOf(file) === format).map((file) => join(folder, file));
}

/** Paths relative to the folder with "/" between, sorted; folders of other programs' data are not entered. */
function filesBelow(folder: string, depth = 0, root = folder): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    // The hub's cache keeps files as links.
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isDirectory()) return depth < 5 && !entry.name.startsWith(".") ? filesBelow(path, depth + 1, root) : [];
    return stats?.isFile() && formatOf(path) ? [relative(root, path).replaceAll("\\", "/")] : [];
  });
}

/** Those whose paths have one of the words most plainly: as a part of its own, else as an end of the file's name. */
function closest(files: readonly string[], words: readonly string[]): string[] {
  const same = (a: string, b: string): boolean =>
    a.toLowerCase().replaceAll("-", "_") === b.toLowerCase().replaceAll("-", "_");
  const ranks = files.map((file) => {
    const { folders, stem } = partsOf(file);
    if (words.some((word) => same(stem, word) || folders.some((folder) => same(folder, word)))) return 0;
    const isEnd = (word: string): boolean =>
      same(stem.slice(0, word.length + 1), `${word}_`) || same(stem.slice(-word.length - 1), `_${word}`);
    return words.some(isEnd) ? 1 : 2;
  });
  const best = Math.min(...ranks);
  return best < 2 ? files.filter((_, i) => ranks[i] === best) : [];
}

/** Of a data set without configurations, files that lie in folders named after one are left alone if others do not. */
function plainest(files: readonly string[]): string[] {
  const usual = new Set(["data", "default", "plain_text", "main", "all"]);
  const plain = files.filter((file) => partsOf(file).folders.every((folder) => usual.has(folder.toLowerCase())));
  return plain.length > 0 ? plain : [...files];
}

function folderOf(file: string, split: string): boolean {
  return partsOf(file).folders.some((folder) => folder !== "data" && folder.toLowerCase() !== split.toLowerCase());
}

/** The name of a file without its formats and the number of its shard. */
function partsOf(file: string): { readonly folders: readonly string[]; readonly stem: string } {
  const parts = file.split("/");
  const stem = basename(file)
    .replace(/\.gz$/i, "")
    .replace(/\.[^.]+$/, "")
    .replace(/[-_.]\d{4,5}(-of-\d{4,5})?$/, "");
  return { folders: parts.slice(0, -1), stem };
}

function patternOf(pattern: string): RegExp {
  const parts = pattern.split("*").map((part) => part.replace(/[\\^$.+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]*")}$`, "u");
}
