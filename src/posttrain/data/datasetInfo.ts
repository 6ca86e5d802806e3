/**
 * LLaMA-Factory's dataset_info.json: which file holds a data set, in which of two formats, and what it calls the fields and speakers. Files of the
 * hub and scripts that make data are refused by name, and so is any key that would change the data and is not known here. post-training.md 3.2.
 * Deviation: `num_samples` takes the first rows, where LLaMA-Factory draws them.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { isObject, readJson } from "../../files/json.js";
import type { DataFormat } from "./choices.js";
import { show } from "./row.js";
import { defaultTags, type ShareGptTags } from "./shareGpt.js";

/** A data set as its entry describes it. */
export interface RegisteredData {
  /** File or folder. */
  readonly path: string;
  readonly format: DataFormat;
  /** What its rows call the fields of the format; null: not read. */
  readonly names: Readonly<Record<string, string | null>>;
  readonly tags: ShareGptTags | undefined;
  /** Null: all. */
  readonly maxRows: number | null;
}

/** Fields of our formats by LLaMA-Factory's names of columns. */
const columnNames = {
  alpaca: {
    prompt: "instruction",
    query: "input",
    response: "output",
    history: "history",
    system: "system",
    tools: "tools",
    chosen: "chosen",
    rejected: "rejected",
    kto_tag: "kto_tag",
  },
  sharegpt: {
    messages: "conversations",
    system: "system",
    tools: "tools",
    chosen: "chosen",
    rejected: "rejected",
    kto_tag: "kto_tag",
  },
} as const;

const usualColumns = {
  alpaca: { prompt: "instruction", query: "input", response: "output" },
  sharegpt: { messages: "conversations" },
} as const;

const speakerTags = {
  user_tag: { speaker: "user", otherwise: "human" },
  assistant_tag: { speaker: "assistant", otherwise: "gpt" },
  observation_tag: { speaker: "observation", otherwise: "observation" },
  function_tag: { speaker: "function", otherwise: "function_call" },
  system_tag: { speaker: "system", otherwise: "system" },
} as const;

const remoteKeys = ["hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name"];
const usedKeys = ["file_name", "formatting", "ranking", "columns", "tags", "num_samples"];

/**
 * @param file dataset_info.json
 * @param name of an entry
 * @throws RangeError naming the file, the entry and the key
 */
export function registeredData(file: string, name: string): RegisteredData {
  const all = readJson(file);
  if (!isObject(all)) throw new RangeError(`${file}: expected an object with an entry for each data set`);
  const at = `${file}: ${name}`;
  if (!Object.hasOwn(all, name)) {
    throw new RangeError(`${file}: no data set ${name}; there are ${Object.keys(all).join(", ") || "none"}`);
  }
  const entry = all[name];
  if (!isObject(entry)) throw new RangeError(`${at}: expected an object`);
  const remote = remoteKeys.find((key) => key in entry);
  if (remote !== undefined)
    throw new RangeError(`${at}: ${remote} is not on this machine; download it and give file_name`);
  const unknown = Object.keys(entry).find((key) => !usedKeys.includes(key));
  if (unknown !== undefined) throw new RangeError(`${at}: unknown key ${unknown}; expected ${usedKeys.join(", ")}`);

  const { file_name: fileName, formatting = "alpaca", ranking = false, num_samples: maxRows = null } = entry;
  if (typeof fileName !== "string")
    throw new RangeError(`${at}: file_name: expected a file's name, got ${show(fileName)}`);
  const path = join(dirname(file), fileName);
  if (!existsSync(path)) throw new RangeError(`${at}: file_name: no such file ${path}`);
  if (formatting !== "alpaca" && formatting !== "sharegpt") {
    throw new RangeError(`${at}: formatting: expected alpaca or sharegpt, got ${show(formatting)}`);
  }
  if (maxRows !== null && !(typeof maxRows === "number" && Number.isInteger(maxRows) && maxRows > 0)) {
    throw new RangeError(`${at}: num_samples: expected a count, got ${show(maxRows)}`);
  }
  const names = readColumns(at, entry.columns, formatting);
  if (typeof ranking !== "boolean")
    throw new RangeError(`${at}: ranking: expected true or false, got ${show(ranking)}`);
  if (ranking && !(names.chosen && names.rejected)) {
    throw new RangeError(`${at}: ranking: expected columns.chosen and columns.rejected for pairs`);
  }
  if (formatting === "alpaca" && entry.tags !== undefined) throw new RangeError(`${at}: tags: only sharegpt has them`);
  const tags = formatting === "sharegpt" ? readTags(at, entry.tags ?? {}) : undefined;
  return { path, format: formatting, names, tags, maxRows };
}

/** As LLaMA-Factory does: without `columns` the usual names of the first ones; with it, what it names is read and nothing else. */
function readColumns(
  at: string,
  columns: unknown,
  formatting: keyof typeof columnNames,
): Record<string, string | null> {
  const known: Readonly<Record<string, string>> = columnNames[formatting];
  const given = columns === undefined ? usualColumns[formatting] : columns;
  if (!isObject(given)) throw new RangeError(`${at}: columns: expected an object, got ${show(given)}`);
  const names = Object.fromEntries(Object.values(known).map((field): [string, string | null] => [field, null]));
  for (const [column, name] of Object.entries(given)) {
    const field = Object.hasOwn(known, column) ? known[column] : undefined;
    if (field === undefined) {
      throw new RangeError(
        `${at}: columns: unknown ${column} for ${formatting}; expected ${Object.keys(known).join(", ")}`,
      );
    }
    if (typeof name !== "string") throw new RangeError(`${at}: columns.${column}: expected a name, got ${show(name)}`);
    names[field] = name;
  }
  return names;
}

function readTags(at: string, tags: unknown): ShareGptTags {
  if (!isObject(tags)) throw new RangeError(`${at}: tags: expected an object, got ${show(tags)}`);
  const named = (key: string, otherwise: string): string => {
    const name = tags[key] ?? otherwise;
    return typeof name === "string" ? name : fail(`${at}: tags.${key}: expected a name, got ${show(name)}`);
  };
  const known = ["role_tag", "content_tag", ...Object.keys(speakerTags)];
  const unknown = Object.keys(tags).find((key) => !known.includes(key));
  if (unknown !== undefined) fail(`${at}: tags: unknown ${unknown}; expected ${known.join(", ")}`);
  return {
    role: named("role_tag", defaultTags.role),
    content: named("content_tag", defaultTags.content),
    speakers: Object.fromEntries(
      Object.entries(speakerTags).map(([key, { speaker, otherwise }]) => [named(key, otherwise), speaker]),
    ),
  };
}

function fail(message: string): never {
  throw new RangeError(message);
}
