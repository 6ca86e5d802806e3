/** Questions of data files as prompts: rows with a prompt, or conversations of one question. Answers, tests and ids are taken from their columns. */
import { createHash } from "node:crypto";
import { isObject } from "../../files/json.js";
import { defaultRecordOptions, readRecords } from "../data/readRecords.js";
import type { DataRecord, Passage } from "../data/records.js";
import { type Checker, checkers, type DistillPrompt, type Domain, domains } from "./records.js";
import { normalised } from "./words.js";

export interface PromptFile {
  /** Stands before its ids; null: they stand alone. */
  readonly name: string | null;
  readonly path: string;
}

export interface FileOptions {
  /** Of rows that do not say theirs; null: each must. */
  readonly domain: Domain | null;
  readonly license: string | null;
}

/** A row that asks no single question. */
export interface UnusablePrompt {
  readonly id: string;
  readonly prompt: null;
  readonly source: string;
}

/** @throws RangeError for files that cannot be read, or a row with a field that does not fit */
export async function* filePrompts(
  files: readonly PromptFile[],
  options: FileOptions,
): AsyncGenerator<DistillPrompt | UnusablePrompt> {
  for (const { name, path } of files) {
    for await (const record of readRecords([path], defaultRecordOptions)) {
      const at = `${record.path}: row ${record.row}`;
      const source = name ?? record.path;
      const prompt = questionOf(record);
      const given = record.columns.id ?? record.columns.prompt_id;
      const own = typeof given === "string" || typeof given === "number" ? String(given) : null;
      const id = `${name === null ? "" : `${name}/`}${own ?? hashId(prompt ?? at)}`;
      yield prompt === null ? { id, prompt, source } : promptOf(record, { id, prompt, source }, at, options);
    }
  }
}

function promptOf(
  { columns }: DataRecord,
  base: { readonly id: string; readonly prompt: string; readonly source: string },
  at: string,
  options: FileOptions,
): DistillPrompt {
  const domain = columns.domain ?? options.domain;
  const known = domains.find((each) => each === domain);
  if (known === undefined) {
    const got = domain === null ? "nothing; --domain says it for all rows" : JSON.stringify(domain);
    throw new RangeError(`${at}: domain: expected one of ${domains.join(", ")}, got ${got}`);
  }
  const { tests, checker = null } = columns;
  const answer = answerOf(columns);
  const named = checkers.find((each) => each === checker);
  if (checker !== null && (named === undefined || named === "problem")) {
    const expected = checkers.filter((each) => each !== "problem").join(", ");
    throw new RangeError(`${at}: checker: expected one of ${expected}, got ${JSON.stringify(checker)}`);
  }
  const rule = named ?? usualChecker(known, answer !== null, tests !== undefined);
  const license = typeof columns.license === "string" ? columns.license : options.license;
  return {
    id: base.id,
    domain: known,
    prompt: base.prompt,
    ...(answer === null ? {} : { answer }),
    ...(tests === undefined ? {} : { tests }),
    ...(rule === null ? {} : { checker: rule }),
    source: base.source,
    license: license ?? "unknown",
  };
}

function usualChecker(domain: Domain, hasAnswer: boolean, hasTests: boolean): Checker | null {
  if (hasTests) return "tests";
  if (!hasAnswer || domain === "general" || domain === "code") return null;
  return domain === "math" ? "math" : "exact";
}

/** What the row says is right: GSM8K's behind its mark, verl's within reward_model. */
function answerOf(columns: Readonly<Record<string, unknown>>): string | null {
  const nested = isObject(columns.reward_model) ? columns.reward_model.ground_truth : undefined;
  const value = columns.answer ?? nested ?? null;
  if (typeof value === "number") return String(value);
  if (typeof value !== "string") return null;
  return value.slice(value.lastIndexOf("####") < 0 ? 0 : value.lastIndexOf("####") + 4).trim();
}

/** The one thing that a record asks, without context before it; null: it asks several, or something under a system text. */
function questionOf(record: DataRecord): string | null {
  const asked = record.kind === "chat" && record.prompt === null ? record.completion : record.prompt;
  if (asked === null || record.tools.length > 0) return null;
  return asked.form === "text" ? textOf(record, asked) : messageOf(record, asked);
}

function textOf(record: DataRecord, { text }: Extract<Passage, { form: "text" }>): string | null {
  // A text without a prompt asks nothing.
  return record.prompt === null || text.trim() === "" ? null : text;
}

function messageOf(record: DataRecord, { messages }: Extract<Passage, { form: "messages" }>): string | null {
  const isWhole = record.kind === "chat" && record.prompt === null;
  const [question, answer] = messages;
  if (question?.role !== "user" || messages.length !== (isWhole ? 2 : 1)) return null;
  return isWhole && answer?.role !== "assistant" ? null : question.content;
}

function hashId(text: string): string {
  return createHash("sha256").update(normalised(text)).digest("hex").slice(0, 16);
}
