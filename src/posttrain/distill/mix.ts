/**
 * The data set of a student: what was selected and what a person accepted, shuffled by a seed, with some prompts held out. Which side a record is
 * on is its prompt's matter, never the record's (post-training.md 2.4, step 6).
 */
import { hashInts, permuted } from "../../data/random.js";
import { writeFileAtomic } from "../../files/atomic.js";
import { type LinePlace, LineReader, readLog } from "../ask/jsonLog.js";
import { splitByPrompt } from "../data/splitRecords.js";
import { countsOf } from "./collect.js";
import type { SftRecord } from "./records.js";
import { isAccepted, questionKey, readReview } from "./review.js";

export interface MixOptions {
  readonly seed: number;
  /** Share of the prompts that is held out. */
  readonly validationFraction: number;
}

export interface MixReport {
  readonly training: number;
  readonly validation: number;
  readonly byForm: Readonly<Partial<Record<SftRecord["meta"]["form"], number>>>;
  readonly options: MixOptions;
}

/** Keeps these draws apart from others of the same seed. */
const mixStream = 0x6d_69_78;

interface Item {
  readonly promptId: string;
  readonly form: SftRecord["meta"]["form"];
  readonly line: () => string;
}

/**
 * Replaces both files by what the others hold.
 * @throws RangeError if there is nothing to mix, or the split cannot be made
 */
export async function mixRecords(
  from: { readonly selected: string; readonly review: string },
  to: { readonly training: string; readonly validation: string },
  options: MixOptions,
): Promise<MixReport> {
  const items: Item[] = await reviewedItems(from.review);
  const places = await selectedPlaces(from.selected);
  using reader = places.length > 0 ? new LineReader(from.selected) : null;
  for (const { promptId, place } of places) {
    items.push({ promptId, form: "RS", line: () => reader?.text(place) ?? "" });
  }
  if (items.length === 0) {
    throw new RangeError(
      `nothing to mix: no records in ${from.selected}, none accepted in ${from.review}; select candidates or review first`,
    );
  }
  const key = hashInts(mixStream, options.seed);
  const shuffled = items.map((_, i) => items[permuted(i, items.length, key)] as Item); // a permutation of its indices
  const { validationFraction: fraction, seed } = options;
  const split = splitByPrompt(
    shuffled,
    ({ promptId }) => promptId,
    () => 1,
    { fraction, seed },
  );
  // Training last: it is what says that the step is done.
  writeFileAtomic(to.validation, linesOf(split.validation));
  writeFileAtomic(to.training, linesOf(split.training));
  return {
    training: split.training.length,
    validation: split.validation.length,
    byForm: countsOf(items.map(({ form }) => form)),
    options,
  };
}

async function reviewedItems(path: string): Promise<Item[]> {
  const accepted = [...(await readReview(path)).values()].filter(isAccepted);
  return accepted.map((record) => {
    const promptId = `chat/${questionKey(record)}`;
    const meta = { prompt_id: promptId, form: "chat", reward: null, length: null } as const;
    const line = JSON.stringify({ messages: record.messages, meta } satisfies SftRecord);
    return { promptId, form: "chat", line: () => line };
  });
}

async function selectedPlaces(path: string): Promise<{ readonly promptId: string; readonly place: LinePlace }[]> {
  const places: { promptId: string; place: LinePlace }[] = [];
  for await (const { value, at, offset, bytes } of readLog(path)) {
    const { meta } = value as unknown as SftRecord;
    if (typeof meta?.prompt_id !== "string") throw new RangeError(`${at}: meta.prompt_id: expected a text`);
    places.push({ promptId: meta.prompt_id, place: { offset, bytes } });
  }
  return places;
}

function* linesOf(items: readonly Item[]): Generator<string> {
  for (const { line } of items) yield `${line()}\n`;
}
