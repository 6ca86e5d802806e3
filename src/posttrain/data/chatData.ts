/**
 * From files to what a trainer takes: sequences for fine-tuning, pairs for DPO and reward models, verdicts, steps, prompts; with a report of what
 * was dropped and why. Rows are read one at a time; only their ids stay in memory. post-training.md 3.2 to 3.4.
 */
import type { ChatPrompt } from "../../tokenizer/chatTemplate.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { defaultRecordOptions, type RecordOptions, readRecords } from "./readRecords.js";
import type { DataRecord, PreferenceRecord, PromptRecord, RecordKind, UnpairedRecord } from "./records.js";
import { ChatRenderer, type RenderedAnswer, type RenderedSteps, type RenderOptions } from "./render.js";
import { RowError } from "./row.js";
import { countTargets, type Overlong, type SupervisedSequence } from "./sequences.js";
import { type SequenceReport, Tally } from "./tally.js";

export interface ChatDataOptions {
  /** Files, folders, patterns, or a dataset_info.json with `dataSets`. */
  readonly paths: readonly string[];
  readonly tokenizer: Tokenizer;
  readonly read?: Partial<RecordOptions>;
  readonly render?: Partial<RenderOptions>;
  /** Most tokens of a sequence, a prompt and its answer together; null: no limit. */
  readonly maxLength: number | null;
  /** What happens to longer ones. Prompts of reinforcement learning, pairs and steps are always dropped: cut, they would say something else. */
  readonly overlong: Overlong;
}

/** What became of the records. */
export interface ChatDataReport extends SequenceReport {
  readonly records: number;
}

export interface Loaded<T> {
  readonly items: readonly T[];
  /** By record: identity of its prompt, for a split. */
  readonly keys: readonly string[];
  readonly report: ChatDataReport;
}

/** Two answers to one prompt. */
export interface AnswerPair {
  readonly record: number;
  readonly chosen: RenderedAnswer;
  readonly rejected: RenderedAnswer;
}

export interface GradedPair extends AnswerPair {
  /** By how much the chosen one is better: the row's column `margin`, as TRL names it; null: it has none. */
  readonly margin: number | null;
}

export interface JudgedAnswer extends RenderedAnswer {
  readonly record: number;
  readonly isDesirable: boolean;
}

export interface JudgedSteps extends RenderedSteps {
  readonly record: number;
}

export interface PromptItem extends ChatPrompt {
  readonly record: number;
  /** Messages and columns, for rewards. */
  readonly source: PromptRecord;
}

/**
 * Sequences for fine-tuning, of records with a conversation, a prompt with its completion, or a text.
 * @throws RangeError for bad rows and records of another kind, naming file and row; for records without a target, with their number; if nothing is left
 */
export function loadSequences(options: ChatDataOptions): Promise<Loaded<SupervisedSequence>> {
  return load(options, ["chat"], (record, renderer, tally, index) => {
    const { sequences, skippedTurns, spellsTokens } = renderer.chat(record);
    tally.skippedTurns += skippedTurns;
    if (spellsTokens) tally.spellingTokens++;
    if (sequences.every((sequence) => countTargets(sequence) === 0)) return null;
    return sequences.flatMap((sequence) => {
      const fitted = tally.fit({ ...sequence, record: index }, options.overlong);
      return fitted === null ? [] : [fitted];
    });
  });
}

/** Pairs of answers; see `loadSequences`. */
export function loadPairs(options: ChatDataOptions): Promise<Loaded<AnswerPair>> {
  return load(options, ["preference"], pairOf);
}

/** Answers with a verdict; see `loadSequences`. */
export function loadJudged(options: ChatDataOptions): Promise<Loaded<JudgedAnswer>> {
  return load(options, ["unpaired"], (record, renderer, tally, index) =>
    judgedOf(record, renderer, tally, index, options.overlong),
  );
}

/** Pairs and answers with a verdict, as the rows are; see `loadSequences`. */
export function loadPreferences(options: ChatDataOptions): Promise<Loaded<GradedPair | JudgedAnswer>> {
  return load<"preference" | "unpaired", GradedPair | JudgedAnswer>(
    options,
    ["preference", "unpaired"],
    (record, renderer, tally, index) => {
      if (record.kind === "unpaired") return judgedOf(record, renderer, tally, index, options.overlong);
      const margin = marginOf(record);
      return pairOf(record, renderer, tally, index).map((pair) => ({ ...pair, margin }));
    },
  );
}

function pairOf(record: PreferenceRecord, renderer: ChatRenderer, tally: Tally, index: number): AnswerPair[] {
  const { chosen, rejected } = renderer.pair(record);
  return tally.fitAll([chosen, rejected]) ? [{ record: index, chosen, rejected }] : [];
}

function marginOf({ path, row, columns: { margin = null } }: PreferenceRecord): number | null {
  if (margin === null || (typeof margin === "number" && Number.isFinite(margin))) return margin;
  throw new RowError(path, row, "margin", `expected a number, got ${JSON.stringify(margin)}`);
}

function judgedOf(
  record: UnpairedRecord,
  renderer: ChatRenderer,
  tally: Tally,
  index: number,
  overlong: Overlong,
): JudgedAnswer[] {
  const fitted = tally.fit(renderer.unpaired(record), overlong);
  return fitted === null ? [] : [{ ...fitted, record: index, isDesirable: record.isDesirable }];
}

/** Answers in steps with a verdict each; see `loadSequences`. */
export function loadSteps(options: ChatDataOptions): Promise<Loaded<JudgedSteps>> {
  return load(options, ["stepwise"], (record, renderer, tally, index) => {
    const steps = renderer.stepwise(record);
    const isTarget = new Uint8Array(steps.ids.length);
    for (const at of steps.stepEnds) isTarget[at] = 1;
    return tally.fitAll([{ ids: steps.ids, isTarget }]) ? [{ ...steps, record: index }] : [];
  });
}

/** Prompts; see `loadSequences`. */
export function loadPrompts(options: ChatDataOptions): Promise<Loaded<PromptItem>> {
  return load(options, ["prompt"], (record, renderer, tally, index) => {
    const prompt = renderer.prompt(record);
    const isTarget = new Uint8Array(prompt.ids.length);
    return tally.fitAll([{ ids: prompt.ids, isTarget }]) ? [{ ...prompt, record: index, source: record }] : [];
  });
}

/** @param render gives what is kept of a record; null: there is no token to learn from */
async function load<Kind extends RecordKind, T>(
  options: ChatDataOptions,
  kinds: readonly Kind[],
  render: (
    record: Extract<DataRecord, { kind: Kind }>,
    renderer: ChatRenderer,
    tally: Tally,
    index: number,
  ) => T[] | null,
): Promise<Loaded<T>> {
  const renderer = new ChatRenderer(options.tokenizer, options.render);
  const tally = new Tally(options.maxLength);
  const withoutTargets: DataRecord[] = [];
  const items: T[] = [];
  const keys: string[] = [];
  for await (const record of readRecords(options.paths, { ...defaultRecordOptions, ...options.read })) {
    if (!isOf(record, kinds)) {
      const expected = kinds.join(" or ");
      throw new RowError(record.path, record.row, null, `expected a record of kind ${expected}, got ${record.kind}`);
    }
    const rendered = render(record, renderer, tally, keys.length);
    if (rendered === null) withoutTargets.push(record);
    else items.push(...rendered);
    keys.push(record.key);
  }
  const [first] = withoutTargets;
  if (first) {
    const count = withoutTargets.length;
    throw new RangeError(
      `${count} of ${keys.length} records have no token to learn from, the first ${first.path}: row ${first.row}; expected an answer with weight 1 in each`,
    );
  }
  const report = { records: keys.length, ...tally.report() };
  if (items.length === 0) {
    const { overlong, lostTargets } = report.dropped;
    throw new RangeError(
      `nothing is left of ${keys.length} records: ${overlong} too long, ${lostTargets} without a target within ${options.maxLength} tokens`,
    );
  }
  return { items, keys, report };
}

function isOf<Kind extends RecordKind>(
  record: DataRecord,
  kinds: readonly Kind[],
): record is Extract<DataRecord, { kind: Kind }> {
  return kinds.some((kind) => kind === record.kind);
}
