/**
 * Users' tasks and groups: YAML or JSON in lm-eval's keys. An unknown key or a value that is none is refused with its line, and a function of
 * Python with what to write instead.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { isMap, isPair, isScalar, LineCounter, type ParsedNode, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { isObject } from "../../files/json.js";
import type { DatasetRef, TaskFile, TaskGroup } from "../taskFile.js";
import { groupOfKeys, groupSchema, taskOfKeys, taskSchema } from "./taskSchema.js";

export type ReadTask =
  | { readonly kind: "task"; readonly task: TaskFile }
  | { readonly kind: "group"; readonly group: TaskGroup };

/** @throws RangeError naming file, line and key */
export function readTaskFile(path: string): ReadTask {
  const keys = readKeys(path, []);
  if (isObject(keys.value) && (keys.value.group !== undefined || Array.isArray(keys.value.task))) {
    return { kind: "group", group: groupOfKeys(checked(groupSchema, keys)) };
  }
  const task = checked(taskSchema, keys);
  return { kind: "task", task: taskOfKeys(task, datasetOf(task, dirname(path))) };
}

interface Keys {
  readonly path: string;
  readonly value: unknown;
  /** `:line` of the node that a way through the keys leads to; that of the last node on the way if it leads nowhere. */
  readonly lineOf: (way: readonly PropertyKey[], key?: string) => string;
}

/** The keys of a file, those of the file it includes under its own. */
function readKeys(path: string, including: readonly string[]): Keys {
  let source: string;
  try {
    source = readFileSync(path, "utf8");
  } catch (error) {
    throw new RangeError(`${path}: cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
  const counter = new LineCounter();
  const document = parseDocument(source, { lineCounter: counter, prettyErrors: false, logLevel: "silent" });
  const line = (offset: number): string => `:${counter.linePos(offset).line}`;
  visit(document, (_, node) => {
    if (isScalar(node) && node.tag === "!function") {
      throw new RangeError(
        `${path}${line(node.range?.[0] ?? 0)}: !function ${String(node.value)} is a function of Python, which cannot run here: write it ` +
          "as a template ({{...}}) or a column's name, prepare the data beforehand, or take a task that comes with the program (--list)",
      );
    }
  });
  const [error] = document.errors;
  if (error) throw new RangeError(`${path}${line(error.pos[0])}: ${error.message}`);
  const [warning] = document.warnings;
  if (warning) throw new RangeError(`${path}${line(warning.pos[0])}: ${warning.message}`);
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  if (!isObject(value)) throw new RangeError(`${path}: expected the keys of a task`);
  const lineOf: Keys["lineOf"] = (way, key) =>
    line(offsetOf(document.contents, key === undefined ? way : [...way, key]));
  const { include, ...own } = value;
  if (include === undefined) return { path, value: own, lineOf };
  if (typeof include !== "string")
    throw new RangeError(`${path}${lineOf(["include"])}: include: expected a file's name`);
  const other = join(dirname(path), include);
  if (including.includes(resolve(other))) throw new RangeError(`${path}: include: ${include} includes this file`);
  const included = readKeys(other, [...including, resolve(path)]);
  const isOwn = (way: readonly PropertyKey[], key?: string): boolean => Object.hasOwn(own, way[0] ?? key ?? "");
  return {
    path,
    value: { ...(included.value as object), ...own },
    lineOf: (way, key) => (isOwn(way, key) ? lineOf(way, key) : `: include ${include}${included.lineOf(way, key)}`),
  };
}

/** Where the key, or else the value, that a way leads to begins. */
function offsetOf(root: ParsedNode | null, way: readonly PropertyKey[]): number {
  let node: unknown = root;
  let offset = root?.range[0] ?? 0;
  for (const step of way) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      if (!isPair(pair) || !isScalar(pair.key)) break;
      offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else {
      node = (node as { readonly items?: readonly ParsedNode[] }).items?.[Number(step)];
      offset = (node as ParsedNode | undefined)?.range[0] ?? offset;
    }
  }
  return offset;
}

function checked<S extends z.ZodType>(schema: S, { path, value, lineOf }: Keys): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  // A key that is missing is often one that is misspelt.
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  if (!issue) throw new Error("internal: a schema refused without an issue");
  const where = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const known =
      where === "" && schema instanceof Object && "shape" in schema ? Object.keys(schema.shape as object) : [];
    const hint = known.length > 0 ? `; expected one of ${known.join(", ")}` : "";
    throw new RangeError(
      `${path}${lineOf(issue.path, key)}: unknown key ${where === "" ? "" : `${where}.`}${key}${hint}`,
    );
  }
  throw new RangeError(`${path}${lineOf(issue.path)}: ${where}: ${issue.message}`);
}

/** Loaders of the other program that read files of a format; the files are in dataset_kwargs. */
const formats: ReadonlySet<string> = new Set(["json", "csv", "parquet"]);

function datasetOf(keys: z.infer<typeof taskSchema>, folder: string): DatasetRef {
  const { dataset_path: path, dataset_kwargs: kwargs } = keys;
  const files = kwargs?.data_files;
  const bySplit = files === undefined || typeof files === "string" || Array.isArray(files) ? null : files;
  // Files without a split are the training split's.
  const dataFiles = files === undefined ? {} : { dataFiles: bySplit ?? { train: files as string | string[] } };
  const name = keys.dataset_name ?? null;
  if (formats.has(path)) return { path: resolve(folder, kwargs?.data_dir ?? "."), name, ...dataFiles };
  const beside = isAbsolute(path) ? path : resolve(folder, path);
  const isLocal = isAbsolute(path) || path.startsWith(".") || existsSync(beside);
  return { path: isLocal ? beside : path, name, ...dataFiles };
}
