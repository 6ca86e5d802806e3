/**
 * Records before a judge: which of two answers is better, or how good an answer is. Each verdict is kept with its reasons as soon as it is there,
 * in the order of the records; another run goes on behind them. post-training.md 6.1 to 6.3.
 */
import { createHash } from "node:crypto";
import { writeFileAtomic } from "../../files/atomic.js";
import { isObject } from "../../files/json.js";
import { eachInWindow } from "../ask/inWindow.js";
import { readLog } from "../ask/jsonLog.js";
import { OrderedLog } from "../ask/orderedLog.js";
import type { ChatRecord, DataRecord, Passage, PreferenceRecord, UnpairedRecord } from "../data/records.js";
import { RowError } from "../data/row.js";
import { splitThought } from "../data/thoughts.js";
import { goldAnswer, goldColumns } from "../reward/gold.js";
import type { Judge, Judgement, PairVote, Vote } from "./judge.js";

export interface JudgeRecordsOptions {
  /** The log of verdicts. */
  readonly path: string;
  /** Column with what a right answer says; null: answer, gold or solution, where a row has one. */
  readonly referenceColumn: string | null;
  /** What the log says of who judged, and how: a log of another judge is refused. */
  readonly judgedBy: { readonly model: string; readonly votes: number; readonly seed: number };
  readonly atOnce: number;
}

/** A line of the log: the record as it was, and what was said of it. */
export interface JudgedRecord {
  readonly id: string;
  readonly prompt?: unknown;
  readonly chosen?: unknown;
  readonly rejected?: unknown;
  readonly completion?: unknown;
  readonly label?: boolean;
  readonly columns: Readonly<Record<string, unknown>>;
  readonly judge: {
    readonly model: string;
    readonly seed: number;
    /** Of a pair the share of votes for the rejected answer, else the mean score from 0 to 10; null: no vote could be read. */
    readonly mean: number | null;
    readonly votes: readonly (Vote | PairVote)[];
  };
}

/**
 * @returns whether the signal ended it
 * @throws RowError for a record without an answer; RangeError for a log of another judge; what the expert throws, with what is judged kept
 */
export async function judgeRecords(
  records: readonly DataRecord[],
  judge: Judge,
  { path, referenceColumn, judgedBy, atOnce }: JudgeRecordsOptions,
  signal: AbortSignal,
  onProgress: (done: number, wanted: number) => void = () => {},
): Promise<boolean> {
  const byId = new Map(records.map((record) => [idOf(record), record]));
  const journal = path.replace(/\.jsonl$/, ".ahead.jsonl");
  const there = new Set<string>();
  for (const file of [path, journal]) {
    for await (const { value, at } of readLog(file)) {
      const { id, judge: had } = asJudged(value, at);
      if (had.model !== judgedBy.model || had.seed !== judgedBy.seed || had.votes.length !== judgedBy.votes) {
        throw new RangeError(
          `${at}: judged by ${had.model}, ${had.votes.length} votes, seed ${had.seed}; now it would be ${judgedBy.model}, ` +
            `${judgedBy.votes} votes, seed ${judgedBy.seed}: give another --out`,
        );
      }
      if (file === path) there.add(id);
    }
  }
  const order = [...byId.keys()].filter((id) => !there.has(id));
  using log = await OrderedLog.open<JudgedRecord>(path, journal, order, (id) => there.has(id));
  return await eachInWindow(log, order, atOnce, signal, async (id, stop) => {
    const record = byId.get(id);
    if (!record) throw new Error(`internal: no record ${id}`);
    try {
      log.put(await judged(record, id, judge, referenceColumn, judgedBy, stop));
    } catch (error) {
      if (stop.aborted) return;
      throw error;
    }
    onProgress(there.size + log.numDone, byId.size);
  });
}

/** Verdicts of a log on these records; others may be there of other data. @throws RangeError for a line that is no verdict */
export async function readJudged(path: string, records: readonly DataRecord[]): Promise<JudgedRecord[]> {
  const wanted = new Set(records.map(idOf));
  const found: JudgedRecord[] = [];
  for await (const { value, at } of readLog(path)) {
    const judged = asJudged(value, at);
    if (wanted.has(judged.id)) found.push(judged);
  }
  return found;
}

/**
 * Replaces `target` by the pairs of a log as the judge orders them, for `reward` and `dpo`; those on which its votes are not far enough apart are
 * left out. @param lead |share for one - share for the other| from which a pair is kept, above 0 @returns the number of pairs
 */
export function writePreferred(target: string, records: readonly JudgedRecord[], lead: number): number {
  const pairs = records.flatMap(({ prompt, chosen, rejected, columns, judge: { mean, votes } }) => {
    if (chosen === undefined || mean === null || Math.abs(1 - 2 * mean) < lead - 1e-9 || mean === 0.5) return [];
    const [better, worse] = mean < 0.5 ? [chosen, rejected] : [rejected, chosen];
    const reasons = votes.flatMap(({ verdict, text }) => (verdict === Math.round(mean) ? [text] : []));
    return [{ prompt, chosen: better, rejected: worse, ...columns, judge_share: Math.max(mean, 1 - mean), reasons }];
  });
  writeFileAtomic(
    target,
    pairs.map((pair) => `${JSON.stringify(pair)}\n`),
  );
  return pairs.length;
}

/** Where it stands, and what it says: a row that was changed is another. */
function idOf(record: DataRecord): string {
  const { path, row, key: _, ...content } = record;
  return `${path}:${row}#${createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 8)}`;
}

async function judged(
  record: DataRecord,
  id: string,
  judge: Judge,
  referenceColumn: string | null,
  { model, seed }: JudgeRecordsOptions["judgedBy"],
  signal: AbortSignal,
): Promise<JudgedRecord> {
  const { columns } = record;
  const line = ({ mean, votes }: Judgement<Vote | PairVote>): JudgedRecord["judge"] => ({ model, seed, mean, votes });
  if (record.kind === "preference") {
    const { prompt, chosen, rejected } = record;
    const responses = [answerText(chosen), answerText(rejected)] as const;
    const asked = { question: questionText(prompt), reference: referenceOf(columns, referenceColumn), responses };
    const verdict = line(await judge.compare(asked, id, signal));
    const passages = { prompt: plain(prompt), chosen: plain(chosen), rejected: plain(rejected) };
    return { id, ...passages, columns, judge: verdict };
  }
  const [prompt, completion] = answered(record);
  const given = { question: questionText(prompt), reference: referenceOf(columns, referenceColumn) };
  const verdict = line(await judge.score({ ...given, response: answerText(completion) }, id, signal));
  const label = record.kind === "unpaired" ? { label: record.isDesirable } : {};
  return { id, prompt: plain(prompt), completion: plain(completion), ...label, columns, judge: verdict };
}

/** Prompt and answer of a record. @throws RowError if it has none */
function answered(record: Exclude<DataRecord, PreferenceRecord>): readonly [Passage, Passage] {
  if (record.kind === "chat" || record.kind === "unpaired") {
    const split = record.prompt === null ? lastAnswer(record) : ([record.prompt, record.completion] as const);
    if (split) return split;
  }
  throw new RowError(record.path, record.row, null, `expected an answer to judge, got a record of kind ${record.kind}`);
}

/** Of a conversation its last message, if that is the assistant's and something was asked. */
function lastAnswer({ completion }: ChatRecord | UnpairedRecord): readonly [Passage, Passage] | null {
  if (completion.form !== "messages") return null;
  const { messages } = completion;
  if (messages.length < 2 || messages.at(-1)?.role !== "assistant") return null;
  return [
    { form: "messages", messages: messages.slice(0, -1) },
    { form: "messages", messages: messages.slice(-1) },
  ];
}

/** A single question as it stands; several turns with their roles. */
function questionText(passage: Passage): string {
  if (passage.form === "text") return passage.text;
  const [only, ...others] = passage.messages;
  if (only && others.length === 0) return only.content ?? "";
  return passage.messages.map(({ role, content }) => `${role}: ${content ?? ""}`).join("\n\n");
}

/** Without its thought. */
function answerText(passage: Passage): string {
  if (passage.form === "text") return splitThought({ role: "assistant", content: passage.text }).answer;
  const texts = passage.messages.map((message) =>
    message.role === "assistant" ? splitThought(message).answer : `${message.role}: ${message.content ?? ""}`,
  );
  return texts.join("\n\n");
}

function referenceOf(row: Readonly<Record<string, unknown>>, column: string | null): string | null {
  if (column === null && !goldColumns.some((name) => name in row)) return null;
  return goldAnswer({ row }, column, "judge");
}

/** As data files have it. */
function plain(passage: Passage): unknown {
  return passage.form === "text" ? passage.text : passage.messages.map(({ weight: _, ...message }) => message);
}

function asJudged(value: Readonly<Record<string, unknown>>, at: string): JudgedRecord {
  const { id, judge } = value;
  const isVerdict = isObject(judge) && typeof judge.model === "string" && Array.isArray(judge.votes);
  if (typeof id === "string" && isVerdict && (judge.mean === null || typeof judge.mean === "number")) {
    return value as unknown as JudgedRecord;
  }
  throw new RangeError(`${at}: expected a verdict of fathom judge, with id and judge`);
}
