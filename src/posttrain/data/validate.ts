/**
 * A whole look at chat data before it is trained on: every bad row with its reason, what the records are, and, with a tokenizer, how long they are
 * and how much of them is learned. post-training.md 3.2, 3.4, 13.
 */
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { defaultRecordOptions, type RecordOptions, readRecords } from "./readRecords.js";
import type { DataRecord, Passage, RecordKind, RecordMessage } from "./records.js";
import { ChatRenderer, type RenderOptions } from "./render.js";
import { renderRecord } from "./renderRecord.js";
import { RowError } from "./row.js";
import { countTargets, type Overlong } from "./sequences.js";
import { type SequenceReport, Tally } from "./tally.js";

export interface ValidationOptions {
  readonly paths: readonly string[];
  readonly read?: Partial<RecordOptions>;
  /** Null: records are read but not rendered. */
  readonly tokenizer: Tokenizer | null;
  readonly render?: Partial<RenderOptions>;
  readonly maxLength: number | null;
  readonly overlong: Overlong;
  /** Most rows to describe; all are counted. */
  readonly maxErrors: number;
}

export interface DataValidation {
  readonly records: number;
  readonly kinds: Readonly<Partial<Record<RecordKind, number>>>;
  /** Different prompts. */
  readonly prompts: number;
  readonly turns: Readonly<Record<RecordMessage["role"], number>>;
  /** Rows that are no record, or that the tokenizer's template refuses. */
  readonly bad: number;
  /** The first of the bad rows and of those without a token to learn from. */
  readonly errors: readonly {
    readonly path: string;
    readonly row: number;
    readonly field: string | null;
    readonly message: string;
  }[];
  /** Fields that nothing reads, with the number of records that have them; of prompts, rewards may. */
  readonly unusedFields: Readonly<Record<string, number>>;
  /** Records without a token to learn from; with a tokenizer. */
  readonly withoutTargets: number;
  /** Null without a tokenizer. */
  readonly sequences: SequenceReport | null;
}

/** @throws RangeError naming the file for one that cannot be read; TemplateError */
export async function validateData(options: ValidationOptions): Promise<DataValidation> {
  const renderer = options.tokenizer === null ? null : new ChatRenderer(options.tokenizer, options.render);
  const tally = new Tally(options.maxLength);
  const kinds: Partial<Record<RecordKind, number>> = {};
  const turns: Record<RecordMessage["role"], number> = { system: 0, user: 0, assistant: 0, tool: 0 };
  const prompts = new Set<string>();
  const unused = new Map<string, number>();
  const errors: { path: string; row: number; field: string | null; message: string }[] = [];
  let records = 0;
  let bad = 0;
  let withoutTargets = 0;
  const tell = ({ path, row, field, message }: RowError): void => {
    if (errors.length < options.maxErrors) errors.push({ path, row, field, message });
  };
  const onBad = (error: RowError): void => {
    bad++;
    tell(error);
  };
  for await (const record of readRecords(options.paths, { ...defaultRecordOptions, ...options.read }, onBad)) {
    if (renderer !== null) {
      try {
        if (!take(record, renderer, tally, options.overlong)) {
          withoutTargets++;
          tell(new RowError(record.path, record.row, null, "no token to learn from; expected an answer with weight 1"));
        }
      } catch (error) {
        if (!(error instanceof RowError)) throw error;
        onBad(error);
        continue;
      }
    }
    records++;
    kinds[record.kind] = (kinds[record.kind] ?? 0) + 1;
    prompts.add(record.key);
    for (const { role } of messagesOf(record)) turns[role]++;
    for (const field of [...Object.keys(record.columns), ...record.unusedFields]) {
      unused.set(field, (unused.get(field) ?? 0) + 1);
    }
  }
  return {
    records,
    kinds,
    prompts: prompts.size,
    turns,
    bad,
    errors,
    unusedFields: Object.fromEntries([...unused].sort(([a], [b]) => (a < b ? -1 : 1))),
    withoutTargets,
    sequences: renderer === null ? null : tally.report(),
  };
}

/** Renders and counts a record as training would. @returns whether it has a token to learn from; prompts need none */
function take(record: DataRecord, renderer: ChatRenderer, tally: Tally, overlong: Overlong): boolean {
  const { parts, skippedTurns, spellsTokens } = renderRecord(record, renderer);
  const sequences = parts.map(({ sequence }) => sequence);
  tally.skippedTurns += skippedTurns;
  if (spellsTokens) tally.spellingTokens++;
  if (record.kind === "chat" && sequences.every((sequence) => countTargets(sequence) === 0)) return false;
  if (record.kind === "chat" || record.kind === "unpaired") for (const each of sequences) tally.fit(each, overlong);
  else tally.fitAll(sequences);
  return true;
}

/** Messages of a record; of the answers to a prompt, all. */
function messagesOf(record: DataRecord): readonly RecordMessage[] {
  const inside = (passage: Passage | null): readonly RecordMessage[] =>
    passage?.form === "messages" ? passage.messages : [];
  const { prompt } = record;
  switch (record.kind) {
    case "chat":
    case "unpaired":
      return [...inside(prompt), ...inside(record.completion)];
    case "preference":
      return [...inside(prompt), ...inside(record.chosen), ...inside(record.rejected)];
    case "stepwise":
    case "prompt":
      return inside(prompt);
    default:
      return record satisfies never;
  }
}
