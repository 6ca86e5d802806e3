/**
 * Where training text comes from: `--data PATH`, `--data NAME=PATH:0.6`, `--data NAME=PATH:2x`. A path is a file, a folder (read
 * recursively, in sorted order, symbolic links not followed) or a pattern with `*`, `**` and `?`.
 *
 * Files that belong together (an npm package, a folder that is a repository or package of its own) share a group, which the split into
 * training and validation never divides.
 */
import { lstatSync, readdirSync, type Stats, statSync } from "node:fs";
import { join, resolve, sep } from "node:path";

/** One part of the mixture. */
export interface DataSource {
  readonly name: string;
  readonly paths: readonly string[];
  /** Share of the training tokens relative to the other sources' weights; null = by size. */
  readonly weight: number | null;
  /** How often this source is seen while one with epochs 1 is seen once; null = 1. */
  readonly epochs: number | null;
}

export interface DataFile {
  /** As the user wrote it, with what was found below. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** What it belongs to; null = stands alone. */
  readonly group: string | null;
}

/**
 * Reads the values of `--data`. Paths without a name and weight form one source called "data".
 * @throws RangeError for a bad weight, or if some sources have weights and others epochs
 */
export function parseDataSources(values: readonly string[]): DataSource[] {
  const sources = new Map<string, { paths: string[]; weight: number | null; epochs: number | null }>();
  for (const value of values) {
    const named = /^([A-Za-z0-9_.-]+)=(.+)$/s.exec(value);
    const name = named?.[1] ?? "data";
    const rest = named?.[2] ?? value;
    const counted = /^(.+):([0-9][0-9.eE+-]*)(x?)$/s.exec(rest);
    const path = counted?.[1] ?? rest;
    if (path === "") throw new RangeError("--data: expected a path, got an empty text");
    let weight: number | null = null;
    let epochs: number | null = null;
    if (counted) {
      const number = Number(counted[2]);
      if (!(number > 0 && Number.isFinite(number)))
        throw new RangeError(`--data ${value}: the number after ":" must be positive, got ${counted[2]}`);
      if (counted[3] === "x") epochs = number;
      else weight = number;
    }
    const old = sources.get(name);
    if (!old) sources.set(name, { paths: [path], weight, epochs });
    else {
      if (old.weight !== weight || old.epochs !== epochs)
        throw new RangeError(`--data ${value}: source "${name}" has another weight before; give each name one weight`);
      old.paths.push(path);
    }
  }
  const list = [...sources].map(([name, source]): DataSource => ({ name, ...source }));
  const weighted = list.filter(({ weight }) => weight !== null).length;
  if (weighted > 0 && weighted < list.length) {
    const without = list.find(({ weight }) => weight === null);
    throw new RangeError(
      `--data: source "${without?.name}" has no weight but others have; give all of them one or none`,
    );
  }
  return list;
}

/**
 * The files of a source in their stable order, each once.
 * @throws RangeError for a path that does not exist, or a pattern or folder without files
 */
export function listFiles(paths: readonly string[]): DataFile[] {
  const files = new Map<string, DataFile>();
  const add = (file: DataFile): void => {
    const key = resolve(file.path);
    if (!files.has(key)) files.set(key, file);
  };
  for (const path of paths) {
    let stats: Stats | null = null;
    try {
      stats = statSync(path);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : null;
      if (code !== "ENOENT" && code !== "ENOTDIR") throw new RangeError(`${path}: cannot be read (${String(code)})`);
    }
    const before = files.size;
    if (stats?.isFile()) add(describe(path, stats, null));
    else if (stats?.isDirectory()) walk(path, liesInModules(path), null, add);
    else if (stats) throw new RangeError(`${path}: expected a file or a folder`);
    else if (/[*?]/.test(path)) expandPattern(path, add);
    else throw new RangeError(`${path}: no such file or folder`);
    if (files.size === before && !stats?.isFile() && ![...files.keys()].some((key) => isBelow(key, resolve(path)))) {
      throw new RangeError(`${path}: ${stats ? "the folder has no files" : "no file matches the pattern"}`);
    }
  }
  return [...files.values()];
}

/** Files that mark a folder as a package or repository of its own. */
const markers = new Set([".git", "package.json", "pyproject.toml", "setup.py", "Cargo.toml", "go.mod"]);

function walk(folder: string, keepModules: boolean, group: string | null, add: (file: DataFile) => void): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort(byName)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name === ".git" || (entry.name === "node_modules" && !keepModules)) continue;
      walk(path, keepModules, readdirSync(path).some((name) => markers.has(name)) ? resolve(path) : group, add);
    } else if (entry.isFile()) add(describe(path, lstatSync(path), group));
  }
}

function describe(path: string, stats: Stats, group: string | null): DataFile {
  return { path, sizeBytes: stats.size, mtimeMs: stats.mtimeMs, group: npmPackage(resolve(path)) ?? group };
}

/** The innermost npm package that an absolute path lies in: "npm:name", whatever copy of it. */
export function npmPackage(path: string): string | null {
  const parts = path.split(sep);
  const at = parts.lastIndexOf("node_modules");
  if (at < 0 || at + 2 >= parts.length) return null;
  const first = parts[at + 1] ?? "";
  const scoped = first.startsWith("@") && at + 3 < parts.length;
  return `npm:${scoped ? `${first}/${parts[at + 2]}` : first}`;
}

function liesInModules(path: string): boolean {
  return resolve(path).split(sep).includes("node_modules");
}

/** The files below the pattern's fixed part that match it: `*` and `?` stop at a separator, `**` does not. */
function expandPattern(pattern: string, add: (file: DataFile) => void): void {
  const parts = pattern.split("/");
  const fixed = parts.slice(
    0,
    parts.findIndex((part) => /[*?]/.test(part)),
  );
  const root = fixed.length === 0 ? "." : fixed.join("/") || "/";
  const expression = new RegExp(
    `^${parts
      .map((part, i) => {
        if (part === "**") return i === parts.length - 1 ? ".*" : "(?:[^/]+/)*";
        const text = part
          .replace(/[.+^${}()|[\]\\]/g, "\\$&")
          .replaceAll("*", "[^/]*")
          .replaceAll("?", "[^/]");
        return i === parts.length - 1 ? text : `${text}/`;
      })
      .join("")}$`,
    "su",
  );
  try {
    if (!statSync(root).isDirectory()) return;
  } catch {
    throw new RangeError(`${pattern}: no such folder ${root}`);
  }
  const prefix = root === "." && !pattern.startsWith("./") ? "" : "./";
  walk(root, liesInModules(root), null, (file) => {
    const path = file.path.split(sep).join("/");
    if (expression.test(pattern.startsWith("./") ? `${prefix}${path}` : path)) add(file);
  });
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
