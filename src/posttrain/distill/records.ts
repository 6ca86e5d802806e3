/**
 * What the files of a working directory hold, one object a line, under the names of post-training.md 2.4, and how such a line is checked when it
 * is read back: a person may have edited it.
 *
 * Deviations: a record of `sft.jsonl` that a person has reviewed has the form "chat", for which 2.4 has no letter; `length` and `reward` are null
 * where no model wrote the answer. Dropped prompts and reviewed records have files of their own.
 */
import { readFileSync } from "node:fs";
import type { ChatMessage } from "../../tokenizer/chatTemplate.js";
import { jsonObject, linesOfBytes } from "../ask/jsonLog.js";

export const files = {
  prompts: "prompts.jsonl",
  dropped: "prompts.dropped.jsonl",
  /** A teacher's answers, of the same kind as candidates. */
  teacher: "teacher.jsonl",
  forms: "forms.jsonl",
  candidates: "candidates.jsonl",
  selected: "selected.jsonl",
  /** A right and a wrong answer, for a reward model or DPO. */
  pairs: "pairs.jsonl",
  /** A chat model's answers to general questions, of the same kind as candidates. */
  chat: "chat.jsonl",
  review: "review.jsonl",
  sft: "sft.jsonl",
  validation: "sft.validation.jsonl",
  report: "report.json",
  page: "report.html",
} as const;

export const domains = ["math", "code", "logic", "general"] as const;
export type Domain = (typeof domains)[number];

/** How an answer is told to be right: the generated problem's own rule, an equal value, an equal text in the box, or tests of a program. */
export const checkers = ["problem", "math", "exact", "tests"] as const;
export type Checker = (typeof checkers)[number];

export interface DistillPrompt {
  readonly id: string;
  readonly domain: Domain;
  readonly prompt: string;
  readonly answer?: string;
  /** What a program is to do. */
  readonly tests?: unknown;
  /** Absent: no rule can tell. */
  readonly checker?: Checker;
  /** A file, or the number of a generated problem (problemPrompts.ts). */
  readonly source: string;
  readonly license: string;
}

/** Why a prompt is not among the prompts. */
export interface DroppedPrompt {
  readonly id: string;
  readonly prompt: string;
  readonly source: string;
  readonly reason: "duplicate" | "contaminated" | "no single question";
  /** The prompt it repeats. */
  readonly same_as?: string;
  /** The words that met, and where. */
  readonly ngram?: string;
  readonly met_in?: string;
}

/** Values of the rewards by name; null where one does not apply. */
export type Rewards = Readonly<Record<string, number | null>>;

export interface Candidate {
  /** Of its key: prompt, sample, model and seed (`candidateId`). */
  readonly id: string;
  readonly prompt_id: string;
  /** From 0. */
  readonly sample_index: number;
  readonly model: string;
  readonly system?: string;
  readonly temperature: number;
  /** Of this sample. */
  readonly seed: number;
  /** With its thought between think tags. */
  readonly completion: string;
  readonly finish_reason: "stop" | "length";
  readonly token_count: number;
  /** Empty until it is scored. */
  readonly reward: Rewards;
  /** What the verifiers say together; null: not scored, or none can tell. */
  readonly correct: boolean | null;
}

export const forms = ["A", "B", "RS", "chat"] as const;

export interface SftRecord {
  readonly messages: readonly ChatMessage[];
  readonly meta: {
    readonly prompt_id: string;
    /** A plain and concise, B with the system prompt and a thought, RS selected among candidates, chat reviewed by a person. */
    readonly form: (typeof forms)[number];
    readonly reward: Rewards | null;
    /** Tokens of the answer, as the model that wrote it counts. */
    readonly length: number | null;
  };
}

/** @throws RangeError for a line that is none */
export function asPrompt(value: Readonly<Record<string, unknown>>, at: string): DistillPrompt {
  const { domain, checker, answer } = value;
  for (const name of ["id", "prompt", "source", "license"]) text(value, name, at);
  oneOf(domain, domains, "domain", at);
  if (checker !== undefined) oneOf(checker, checkers, "checker", at);
  if (answer !== undefined) text(value, "answer", at);
  return value as unknown as DistillPrompt;
}

/** @throws RangeError for a line that is none */
export function asCandidate(value: Readonly<Record<string, unknown>>, at: string): Candidate {
  for (const name of ["id", "prompt_id", "model", "completion"]) text(value, name, at);
  for (const name of ["sample_index", "temperature", "seed", "token_count"]) {
    if (typeof value[name] !== "number") refuse(at, name, "a number", value[name]);
  }
  oneOf(value.finish_reason, ["stop", "length"], "finish_reason", at);
  if (typeof value.reward !== "object" || value.reward === null) refuse(at, "reward", "an object", value.reward);
  if (value.correct !== null && typeof value.correct !== "boolean") {
    refuse(at, "correct", "true, false or null", value.correct);
  }
  return value as unknown as Candidate;
}

/** The prompts of a directory. @throws RangeError if there are none, two have one id, or a line is none */
export function readPrompts(path: string): DistillPrompt[] {
  let content: Uint8Array;
  try {
    content = readFileSync(path);
  } catch {
    throw new RangeError(`${path}: no prompts there; fathom distill prompts makes them`);
  }
  const prompts: DistillPrompt[] = [];
  const seen = new Set<string>();
  for (const { at, text: json } of linesOfBytes(path, content)) {
    const prompt = asPrompt(jsonObject(json, at), at);
    if (seen.has(prompt.id)) throw new RangeError(`${at}: a second prompt with the id ${prompt.id}`);
    seen.add(prompt.id);
    prompts.push(prompt);
  }
  if (prompts.length === 0) throw new RangeError(`${path}: holds no prompts`);
  return prompts;
}

function text(value: Readonly<Record<string, unknown>>, name: string, at: string): void {
  if (typeof value[name] !== "string") refuse(at, name, "a text", value[name]);
}

function oneOf(value: unknown, names: readonly string[], field: string, at: string): void {
  if (!names.some((name) => name === value)) refuse(at, field, `one of ${names.join(", ")}`, value);
}

function refuse(at: string, field: string, expected: string, got: unknown): never {
  throw new RangeError(`${at}: ${field}: expected ${expected}, got ${JSON.stringify(got) ?? "nothing"}`);
}
