/**
 * Records that no rule can check and a person looks at: what a chat model wrote waits in a queue until it is accepted, edited or rejected. The
 * queue is a log; a decision adds the record again, with what was decided and when. post-training.md 2.4, step 5.
 */
import { createHash } from "node:crypto";
import type { ChatMessage } from "../../tokenizer/chatTemplate.js";
import { type JsonLog, readLog } from "../ask/jsonLog.js";
import { normalised } from "./words.js";

export type ReviewVerdict = "accept" | "edit" | "reject";

export interface Decision {
  readonly verdict: ReviewVerdict;
  /** ISO 8601, in UTC. */
  readonly at: string;
  /** The answer as the model wrote it, where it was edited. */
  readonly original?: string;
}

export interface ReviewRecord {
  readonly id: string;
  /** The last is the answer that is looked at. */
  readonly messages: readonly ChatMessage[];
  /** The file or model that it is from. */
  readonly source: string;
  readonly needs_review: boolean;
  /** Null: it waits. */
  readonly decision: Decision | null;
}

export function waitingRecord(id: string, messages: readonly ChatMessage[], source: string): ReviewRecord {
  return { id, messages, source, needs_review: true, decision: null };
}

/** Of a conversation up to its answer: records of one question share a beginning. */
export function reviewId(messages: readonly ChatMessage[], answer: string): string {
  const asked = createHash("sha256")
    .update(normalised(JSON.stringify(messages)))
    .digest("hex")
    .slice(0, 10);
  return `${asked}-${createHash("sha256").update(answer).digest("hex").slice(0, 6)}`;
}

/** The question that a record answers, for a split: equal for all answers to it. */
export function questionKey({ messages }: Pick<ReviewRecord, "messages">): string {
  const asked = messages.find(({ role }) => role === "user")?.content ?? "";
  return createHash("sha256").update(normalised(asked)).digest("hex").slice(0, 16);
}

/** The queue as it stands, oldest first. @throws RangeError for a line that is no record */
export async function readReview(path: string): Promise<Map<string, ReviewRecord>> {
  const records = new Map<string, ReviewRecord>();
  for await (const { value, at } of readLog(path)) {
    const record = asReview(value, at);
    records.set(record.id, record);
  }
  return records;
}

/**
 * Decides on a record and writes it down; a later decision takes the place of an earlier one.
 * @param replacement the answer, for "edit" alone
 * @throws RangeError for an empty replacement, or one that changes nothing
 */
export function decide(
  log: JsonLog,
  record: ReviewRecord,
  verdict: ReviewVerdict,
  at: Date,
  replacement: string | null = null,
): ReviewRecord {
  const before = record.messages.at(-1);
  if (!before) throw new Error(`internal: record ${record.id} has no messages`);
  const written = record.decision?.original ?? before.content ?? "";
  const decided = { verdict, at: at.toISOString() };
  let next: ReviewRecord;
  if (verdict === "edit") {
    const text = (replacement ?? "").trim();
    if (text === "") throw new RangeError(`record ${record.id}: the replacement is empty; reject it instead`);
    if (text === written)
      throw new RangeError(`record ${record.id}: the replacement changes nothing; accept it instead`);
    next = withAnswer(record, before, text, { ...decided, original: written });
  } else {
    // Accepted or rejected is what the model wrote, also after an edit.
    next = withAnswer(record, before, written, decided);
  }
  log.append([next]);
  return next;
}

/** What a person wants with a record. */
export type Action =
  | { readonly kind: "accept" | "reject" | "skip" | "stop" }
  | { readonly kind: "edit"; readonly text: string };

/** Shows a record and asks. */
export interface ReviewScreen {
  ask(record: ReviewRecord, place: number, count: number): Promise<Action>;
  /** An edit that cannot be taken; the record is asked for again. */
  problem(text: string): void;
}

export interface ReviewTally {
  readonly accepted: number;
  readonly edited: number;
  readonly rejected: number;
  readonly waiting: number;
}

/** Goes through the records that wait; each decision is on disk before the next is asked for. */
export async function reviewQueue(
  records: Iterable<ReviewRecord>,
  screen: ReviewScreen,
  log: JsonLog,
  now: () => Date,
): Promise<void> {
  const waiting = [...records].filter(({ decision }) => decision === null);
  for (let i = 0; i < waiting.length; ) {
    const record = waiting[i];
    if (!record) return;
    const action = await screen.ask(record, i + 1, waiting.length);
    if (action.kind === "stop") return;
    try {
      if (action.kind === "edit") decide(log, record, "edit", now(), action.text);
      else if (action.kind !== "skip") decide(log, record, action.kind, now());
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      screen.problem(error.message);
      continue;
    }
    i++;
  }
}

export function tallyOf(records: Iterable<ReviewRecord>): ReviewTally {
  const all = [...records].map(({ decision }) => decision?.verdict ?? "wait");
  const count = (verdict: ReviewVerdict | "wait"): number => all.filter((each) => each === verdict).length;
  return { accepted: count("accept"), edited: count("edit"), rejected: count("reject"), waiting: count("wait") };
}

export function isAccepted({ decision }: ReviewRecord): boolean {
  return decision?.verdict === "accept" || decision?.verdict === "edit";
}

function withAnswer(record: ReviewRecord, answer: ChatMessage, content: string, decision: Decision): ReviewRecord {
  const messages = [...record.messages.slice(0, -1), { ...answer, content }];
  return { ...record, messages, needs_review: false, decision };
}

function asReview(value: Readonly<Record<string, unknown>>, at: string): ReviewRecord {
  const { id, messages, decision = null } = value;
  const refuse = (field: string, expected: string): never => {
    throw new RangeError(`${at}: ${field}: expected ${expected}, got ${JSON.stringify(value[field]) ?? "nothing"}`);
  };
  if (typeof id !== "string") refuse("id", "a text");
  if (!Array.isArray(messages) || messages.length < 2) refuse("messages", "a question and an answer");
  const verdict = typeof decision === "object" && decision !== null && "verdict" in decision ? decision.verdict : null;
  if (decision !== null && !["accept", "edit", "reject"].some((each) => each === verdict)) {
    refuse("decision", "null, or a verdict accept, edit or reject");
  }
  return { ...(value as unknown as ReviewRecord), decision: decision as Decision | null };
}
