/**
 * All data formats: how each is told from the others by the fields of its rows, and who reads it. Detection looks at the first row of a file;
 * where a row could be two things, the format that uses more of its fields wins, and `format` settles it. post-training.md 3.2.
 */
import { readAlpaca } from "./alpaca.js";
import type { DataFormat } from "./choices.js";
import type { DataRecord } from "./records.js";
import type { Row } from "./row.js";
import { readShareGpt, type ShareGptTags } from "./shareGpt.js";
import {
  type FormatOptions,
  readConversation,
  readPreference,
  readPromptCompletion,
  readPromptRecord,
  readStepwise,
  readText,
  readUnpaired,
  readVerl,
} from "./trl.js";

interface Format {
  /** Fields that show it, one list or another: all of a list must be there. */
  readonly shownBy: readonly (readonly string[])[];
  readonly read: (row: Row, options: FormatOptions, tags: ShareGptTags | undefined) => DataRecord;
}

const formats: Readonly<Record<DataFormat, Format>> = {
  messages: {
    shownBy: [["messages"]],
    read: (row, options) => readConversation(row, options),
  },
  "prompt-completion": { shownBy: [["prompt", "completion"]], read: readPromptCompletion },
  text: { shownBy: [["text"]], read: readText },
  preference: { shownBy: [["chosen", "rejected"]], read: readPreference },
  kto: { shownBy: [["prompt", "completion", "label"]], read: readUnpaired },
  stepwise: { shownBy: [["prompt", "completions", "labels"]], read: readStepwise },
  prompt: { shownBy: [["prompt"]], read: readPromptRecord },
  sharegpt: {
    shownBy: [["conversations"]],
    read: (row, options, tags) =>
      tags === undefined && hasRoles(row)
        ? readConversation(row, options, "conversations")
        : readShareGpt(row, options, tags),
  },
  alpaca: {
    shownBy: [
      ["instruction", "output"],
      ["instruction", "chosen", "rejected"],
    ],
    read: readAlpaca,
  },
  verl: { shownBy: [["data_source", "prompt", "reward_model"]], read: readVerl },
};

/** What is looked for first: a format stands before those whose fields it has too. */
const detectionOrder: readonly DataFormat[] = [
  ...(["verl", "stepwise", "kto", "alpaca", "sharegpt", "preference"] as const),
  ...(["prompt-completion", "messages", "prompt", "text"] as const),
];

/** @throws RowError for a row that shows none of the formats */
export function detectFormat(row: Row): DataFormat {
  for (const name of detectionOrder) {
    if (formats[name].shownBy.some((fields) => fields.every((field) => row.has(field)))) return name;
  }
  const found = row.fieldNames.join(", ") || "none";
  const known = detectionOrder.map(
    (name) => `${name}: ${formats[name].shownBy.map((all) => all.join(", ")).join(" or ")}`,
  );
  return row.fail(null, `no known format has these fields: ${found}. Expected one of: ${known.join("; ")}`);
}

/** @param tags of ShareGPT, where they are not the usual ones @throws RowError for a row that is not of the format */
export function readRecord(row: Row, format: DataFormat, options: FormatOptions, tags?: ShareGptTags): DataRecord {
  return formats[format].read(row, options, tags);
}

/** Data under ShareGPT's name of the field may hold messages with roles. */
function hasRoles(row: Row): boolean {
  const first = row.list("conversations")[0];
  return typeof first === "object" && first !== null && "role" in first;
}
