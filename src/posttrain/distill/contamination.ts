/**
 * Whether a prompt was met in what models are measured on: one common run of n words is enough (10 in R1, 8 in open-r1; post-training.md 2.3). A
 * text of fewer words is a run of its own, met where the whole of it is a text there.
 *
 * The runs of the prompts are kept, and the documents pass by them one at a time: a benchmark of whole books costs time and no memory.
 *
 * Problems that are made from a template share its words with the problems held out of it, long runs of them too, though none of the problems
 * themselves: between those the whole texts are compared.
 */
import { hashInts } from "../../data/random.js";
import { wordsOf } from "./words.js";

/** Something that models are measured on. */
export interface EvaluationDocument {
  /** Names it to people. */
  readonly source: string;
  /** Its texts; no run of words goes from one to the next. */
  readonly texts: readonly string[];
  /** It is made from a template, as are prompts that are said to be so. */
  readonly isTemplate?: boolean;
}

export interface Meeting {
  readonly ngram: string;
  readonly source: string;
}

export class ContaminationIndex {
  readonly n: number;
  /** Prompts by the runs of words in them, those of templates apart. */
  readonly #plain = new RunTable();
  readonly #template = new RunTable();
  /** Prompts of templates by their whole text. */
  readonly #templateTexts = new RunTable();
  readonly #meetings = new Map<number, Meeting>();
  #numDocuments = 0;

  /** @throws RangeError for n below 2 */
  constructor(n: number) {
    if (!Number.isInteger(n) || n < 2) throw new RangeError(`n-grams must have 2 words or more, got ${n}`);
    this.n = n;
  }

  /** Documents that have passed. */
  get numDocuments(): number {
    return this.#numDocuments;
  }

  /** @param prompt its number @param isTemplate the prompt is a template's */
  add(prompt: number, text: string, isTemplate: boolean): void {
    const words = wordsOf(text);
    const table = isTemplate ? this.#template : this.#plain;
    for (const [begin, end] of this.#runs(words)) table.add(hashOf(words, begin, end), prompt);
    if (isTemplate) this.#templateTexts.add(hashOf(words, 0, words.length), prompt);
  }

  /** Notes which prompts a document meets. */
  pass({ source, texts, isTemplate = false }: EvaluationDocument): void {
    this.#numDocuments++;
    for (const text of texts) {
      const words = wordsOf(text);
      const meet = (table: RunTable, begin: number, end: number): void => {
        for (const prompt of table.take(hashOf(words, begin, end))) {
          if (this.#meetings.has(prompt)) continue;
          this.#meetings.set(prompt, { ngram: words.slice(begin, end).join(" "), source });
        }
      };
      for (const [begin, end] of this.#runs(words)) {
        meet(this.#plain, begin, end);
        if (!isTemplate) meet(this.#template, begin, end);
      }
      if (isTemplate) meet(this.#templateTexts, 0, words.length);
    }
  }

  /** What a prompt met first; null: nothing. */
  meetingOf(prompt: number): Meeting | null {
    return this.#meetings.get(prompt) ?? null;
  }

  /** Where the runs of a text begin and end. */
  *#runs({ length }: readonly string[]): Generator<readonly [begin: number, end: number]> {
    if (length > 0 && length < this.n) yield [0, length];
    for (let end = this.n; end <= length; end++) yield [end - this.n, end];
  }
}

/** One map holds 2^24 entries at most; many together hold what fits into memory. */
const numShards = 64;

/** Numbers by hash, several to each; they are looked up once, for whoever was met need not be met again. */
class RunTable {
  readonly #shards = Array.from({ length: numShards }, () => new Map<number, number | number[]>());

  add(hash: number, value: number): void {
    const shard = this.#shardOf(hash);
    const there = shard.get(hash);
    if (there === undefined) shard.set(hash, value);
    else if (typeof there === "number") shard.set(hash, [there, value]);
    else there.push(value);
  }

  /** Takes out what is there. */
  take(hash: number): readonly number[] {
    const shard = this.#shardOf(hash);
    const there = shard.get(hash);
    if (there === undefined) return [];
    shard.delete(hash);
    return typeof there === "number" ? [there] : there;
  }

  #shardOf(hash: number): Map<number, number | number[]> {
    const shard = this.#shards[hash % numShards];
    if (!shard) throw new Error(`internal: no shard for ${hash}`);
    return shard;
  }
}

/** 52 bits of some words in their order: a million runs among a million others are mistaken once in 4,500 times. */
function hashOf(words: readonly string[], begin: number, end: number): number {
  let [high, low, length] = [0x811c9dc5, 0x2f0b4a87, 0];
  for (let w = begin; w < end; w++) {
    const word = words[w] ?? "";
    for (let i = 0; i < word.length; i++) {
      const code = word.charCodeAt(i);
      high = Math.imul(high ^ code, 0x01000193);
      low = Math.imul(low ^ code, 0x5bd1e995) + 1;
    }
    high = Math.imul(high ^ 32, 0x01000193);
    low = Math.imul(low ^ 32, 0x5bd1e995) + 1;
    length += word.length + 1;
  }
  return hashInts(high >>> 0, length, low >>> 0) * 2 ** 20 + (hashInts(low >>> 0, high >>> 0) >>> 12);
}
