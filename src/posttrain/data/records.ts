/**
 * Training records in the one form that all data formats are brought to: a prompt and what was answered, each as turns of a conversation or as
 * plain text. Which format a record came from is forgotten here. post-training.md 3.2.
 */
import { createHash } from "node:crypto";
import type { ChatMessage } from "../../tokenizer/chatTemplate.js";
import type { ToolDescription } from "../../tokenizer/toolPrompt.js";

export interface RecordMessage extends ChatMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  /** 0: never learned from, whatever the mode. Only an assistant's message may have 1. */
  readonly weight: 0 | 1;
}

/** Turns, for a chat template, or text that stands as it is. */
export type Passage =
  | { readonly form: "messages"; readonly messages: readonly RecordMessage[] }
  | { readonly form: "text"; readonly text: string };

interface RecordBase {
  readonly path: string;
  /** Counted from 1: line of JSONL, element of a JSON array, record of CSV below the header, row of Parquet. */
  readonly row: number;
  /** Identity of the prompt: records that share it go to the same side of a split. */
  readonly key: string;
  readonly tools: readonly ToolDescription[];
  /** The row's other fields as they were: reward functions get them, the rest is not used. */
  readonly columns: Readonly<Record<string, unknown>>;
  /** Fields of its messages that nothing reads. */
  readonly unusedFields: readonly string[];
}

/** For fine-tuning. */
export interface ChatRecord extends RecordBase {
  readonly kind: "chat";
  /** Null where the data draws no line between prompt and completion. */
  readonly prompt: Passage | null;
  /** Of the same form as the prompt. */
  readonly completion: Passage;
}

/** Two answers, the first of which is better: for DPO and reward models. */
export interface PreferenceRecord extends RecordBase {
  readonly kind: "preference";
  readonly prompt: Passage;
  readonly chosen: Passage;
  readonly rejected: Passage;
}

/** One answer with a verdict (KTO). */
export interface UnpairedRecord extends RecordBase {
  readonly kind: "unpaired";
  readonly prompt: Passage;
  readonly completion: Passage;
  readonly isDesirable: boolean;
}

/** An answer in steps with a verdict each: for process reward models. */
export interface StepwiseRecord extends RecordBase {
  readonly kind: "stepwise";
  readonly prompt: Passage;
  readonly steps: readonly string[];
  /** [steps] */
  readonly areRight: readonly boolean[];
}

/** A question alone, for reinforcement learning; `columns` hold what its rewards need. */
export interface PromptRecord extends RecordBase {
  readonly kind: "prompt";
  readonly prompt: Passage;
}

export type DataRecord = ChatRecord | PreferenceRecord | UnpairedRecord | StepwiseRecord | PromptRecord;
export type RecordKind = DataRecord["kind"];

/**
 * Key of a record: its prompt_id where there is one, else a hash of what was asked first. System texts do not count, so that the same problem
 * under two of them, or with two answers, stays together.
 */
export function promptKey(
  columns: Readonly<Record<string, unknown>>,
  prompt: Passage | null,
  completion: Passage,
): string {
  const meta = columns.meta;
  const inMeta = typeof meta === "object" && meta !== null && "prompt_id" in meta ? meta.prompt_id : undefined;
  const id = columns.prompt_id ?? inMeta;
  if (typeof id === "string" || typeof id === "number") return `id:${id}`;
  const asked = firstQuestion(prompt) ?? firstQuestion(completion) ?? "";
  return createHash("sha256").update(asked.trim().replace(/\s+/g, " ")).digest("base64url").slice(0, 24); // 144 bits
}

function firstQuestion(passage: Passage | null): string | null {
  if (passage === null) return null;
  if (passage.form === "text") return passage.text;
  return passage.messages.find(({ role }) => role === "user")?.content ?? null;
}
