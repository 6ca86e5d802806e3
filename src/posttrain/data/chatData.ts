/**
 * From files to what a trainer takes: sequences for fine-tuning, pairs for DPO and reward models, verdicts, steps, prompts; with a report of what
 * was dropped and why. Rows are read one at a time; only their ids stay in memory. post-training.md 3.2 to 3.4.
 */
import type { ChatPrompt } from "../../tokenizer/chatTemplate.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { defaultRecordOptions, type RecordOptions, readRecords } from "./readRecords.js";
import type { DataRecord, PromptRecord, RecordKind } from "./records.js";
import { ChatRenderer, type RenderedAnswer, type RenderedSteps, type RenderOptions } from "./render.js";
import { RowError } from "./row.js";
import { countTargets, type Fitting, fitSequence, type Overlong, type SupervisedSequence } from "./sequences.js";

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
export interface ChatDataReport {
  readonly records: number;
  /** Sequences kept; for pairs, pairs. */
  readonly sequences: number;
  readonly tokens: number;
  readonly targets: number;
  readonly truncated: number;
  readonly dropped: { readonly overlong: number; readonly lostTargets: number };
  /** Turns of the assistant that the mode wants and nothing learns from. */
  readonly skippedTurns: number;
  /** Records whose texts spell control tokens. */
  readonly spellingTokens: number;
}

interface Loaded<T> {
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
  return load(options, "chat", (record, renderer, tally, index) => {
    const { sequences, skippedTurns, spellsTokens } = renderer.chat(record);
    tally.skippedTurns += skippedTurns;
    if (spellsTokens) tally.spellingTokens++;
    if (sequences.every((sequence) => countTargets(sequence) === 0)) tally.withoutTargets.push(record);
    return sequences.flatMap((sequence) => {
      const fitted = tally.fit({ ...sequence, record: index }, options.overlong);
      return fitted === null ? [] : [fitted];
    });
  });
}

/** Pairs of answers; see `loadSequences`. */
export function loadPairs(options: ChatDataOptions): Promise<Loaded<AnswerPair>> {
  return load(options, "preference", (record, renderer, tally, index) => {
    const { chosen, rejected } = renderer.pair(record);
    return tally.fitAll([chosen, rejected]) ? [{ record: index, chosen, rejected }] : [];
  });
}

/** Answers with a verdict; see `loadSequences`. */
export function loadJudged(options: ChatDataOptions): Promise<Loaded<JudgedAnswer>> {
  return load(options, "unpaired", (record, renderer, tally, index) => {
    const fitted = tally.fit(renderer.unpaired(record), options.overlong);
    return fitted === null ? [] : [{ ...fitted, record: index, isDesirable: record.isDesirable }];
  });
}

/** Answers in steps with a verdict each; see `loadSequences`. */
export function loadSteps(options: ChatDataOptions): Promise<Loaded<JudgedSteps>> {
  return load(options, "stepwise", (record, renderer, tally, index) => {
    const steps = renderer.stepwise(record);
    const isTarget = new Uint8Array(steps.ids.length);
    for (const at of steps.stepEnds) isTarget[at] = 1;
    return tally.fitAll([{ ids: steps.ids, isTarget }]) ? [{ ...steps, record: index }] : [];
  });
}

/** Prompts; see `loadSequences`. */
export function loadPrompts(options: ChatDataOptions): Promise<Loaded<PromptItem>> {
  return load(options, "prompt", (record, renderer, tally, index) => {
    const prompt = renderer.prompt(record);
    const isTarget = new Uint8Array(prompt.ids.length);
    return tally.fitAll([{ ids: prompt.ids, isTarget }]) ? [{ ...prompt, record: index, source: record }] : [];
  });
}

async function load<Kind extends RecordKind, T>(
  options: ChatDataOptions,
  kind: Kind,
  render: (record: Extract<DataRecord, { kind: Kind }>, renderer: ChatRenderer, tally: Tally, index: number) => T[],
): Promise<Loaded<T>> {
  const renderer = new ChatRenderer(options.tokenizer, options.render);
  const tally = new Tally(options.maxLength);
  const items: T[] = [];
  const keys: string[] = [];
  for await (const record of readRecords(options.paths, { ...defaultRecordOptions, ...options.read })) {
    if (!isOf(record, kind)) {
      throw new RowError(record.path, record.row, null, `expected a record of kind ${kind}, got ${record.kind}`);
    }
    items.push(...render(record, renderer, tally, keys.length));
    keys.push(record.key);
  }
  const [first] = tally.withoutTargets;
  if (first) {
    const count = tally.withoutTargets.length;
    throw new RangeError(
      `${count} of ${keys.length} records have no token to learn from, the first ${first.path}: row ${first.row}; expected an answer with weight 1 in each`,
    );
  }
  const report = tally.report(keys.length);
  if (items.length === 0) {
    const { overlong, lostTargets } = report.dropped;
    throw new RangeError(
      `nothing is left of ${keys.length} records: ${overlong} too long, ${lostTargets} without a target within ${options.maxLength} tokens`,
    );
  }
  return { items, keys, report };
}

/** Counts what becomes of the records. */
class Tally {
  skippedTurns = 0;
  spellingTokens = 0;
  readonly withoutTargets: DataRecord[] = [];
  readonly #limit: number | null;
  #sequences = 0;
  #tokens = 0;
  #targets = 0;
  readonly #fittings: Record<Fitting, number> = { whole: 0, truncated: 0, overlong: 0, "lost targets": 0 };

  constructor(limit: number | null) {
    this.#limit = limit;
  }

  /** @returns the sequence within the limit, or null where it is dropped */
  fit<Sequence extends { readonly ids: Int32Array; readonly isTarget: Uint8Array }>(
    given: Sequence,
    overlong: Overlong,
  ): Sequence | null {
    const limit = this.#limit ?? Math.max(2, given.ids.length);
    const { fitting, sequence } = fitSequence(given, limit, overlong);
    this.#fittings[fitting]++;
    if (sequence !== null) this.#count([sequence]);
    return sequence;
  }

  /** Whether all are within the limit; else the record is dropped. */
  fitAll(given: readonly { readonly ids: Int32Array; readonly isTarget: Uint8Array }[]): boolean {
    const limit = this.#limit ?? Number.POSITIVE_INFINITY;
    const isWhole = given.every(({ ids }) => ids.length <= limit);
    this.#fittings[isWhole ? "whole" : "overlong"]++;
    if (isWhole) this.#count(given);
    return isWhole;
  }

  report(records: number): ChatDataReport {
    return {
      records,
      sequences: this.#sequences,
      tokens: this.#tokens,
      targets: this.#targets,
      truncated: this.#fittings.truncated,
      dropped: { overlong: this.#fittings.overlong, lostTargets: this.#fittings["lost targets"] },
      skippedTurns: this.skippedTurns,
      spellingTokens: this.spellingTokens,
    };
  }

  #count(kept: readonly { readonly ids: Int32Array; readonly isTarget: Uint8Array }[]): void {
    this.#sequences++;
    for (const sequence of kept) {
      this.#tokens += sequence.ids.length;
      this.#targets += countTargets(sequence);
    }
  }
}

function isOf<Kind extends RecordKind>(record: DataRecord, kind: Kind): record is Extract<DataRecord, { kind: Kind }> {
  return record.kind === kind;
}
