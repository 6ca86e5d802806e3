/**
 * Whether a prompt was met in what models are measured on: one common run of n words is enough (10 in R1, 8 in open-r1; post-training.md 2.3). A
 * text of fewer words is a run of its own, met where the whole of it is a text there.
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
  readonly #sources: string[] = [];
  /** Source of each run of words, by a hash of 52 bits: a million prompts' runs among a million go wrong once in 4,500 times. */
  readonly #runs = new Map<number, number>();
  /** Source of each run that a template's texts may be met by. */
  readonly #templateRuns = new Map<number, number>();
  readonly #templateTexts = new Map<number, number>();
  #numDocuments = 0;

  /** @throws RangeError for n below 2 */
  constructor(n: number) {
    if (!Number.isInteger(n) || n < 2) throw new RangeError(`n-grams must have 2 words or more, got ${n}`);
    this.n = n;
  }

  get numDocuments(): number {
    return this.#numDocuments;
  }

  add({ source, texts, isTemplate = false }: EvaluationDocument): void {
    const index = this.#sourceIndex(source);
    this.#numDocuments++;
    for (const text of texts) {
      const words = wordsOf(text);
      if (words.length === 0) continue;
      const runs = isTemplate ? this.#templateRuns : this.#runs;
      for (const { hash } of this.#runsOf(words)) if (!runs.has(hash)) runs.set(hash, index);
      if (isTemplate) this.#templateTexts.set(hashOf(words), index);
    }
  }

  /** @param isTemplate the text is a template's. @returns the first run of words that was met; null: none */
  find(text: string, isTemplate: boolean): Meeting | null {
    const words = wordsOf(text);
    if (words.length === 0) return null;
    if (isTemplate) {
      const met = this.#templateTexts.get(hashOf(words));
      if (met !== undefined) return { ngram: words.join(" "), source: this.#sources[met] ?? "" };
    }
    for (const { hash, begin, end } of this.#runsOf(words)) {
      const met = this.#runs.get(hash) ?? (isTemplate ? undefined : this.#templateRuns.get(hash));
      if (met !== undefined) return { ngram: words.slice(begin, end).join(" "), source: this.#sources[met] ?? "" };
    }
    return null;
  }

  *#runsOf(
    words: readonly string[],
  ): Generator<{ readonly hash: number; readonly begin: number; readonly end: number }> {
    const { n } = this;
    if (words.length < n) {
      yield { hash: hashOf(words), begin: 0, end: words.length };
      return;
    }
    for (let begin = 0; begin + n <= words.length; begin++) {
      const end = begin + n;
      yield { hash: hashOf(words.slice(begin, end)), begin, end };
    }
  }

  #sourceIndex(source: string): number {
    if (this.#sources.at(-1) !== source) this.#sources.push(source);
    return this.#sources.length - 1;
  }
}

/** 52 bits of words in their order. */
function hashOf(words: readonly string[]): number {
  const text = words.join(" ");
  let [high, low] = [0x811c9dc5, 0x2f0b4a87];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0x5bd1e995) + 1;
  }
  return hashInts(high >>> 0, text.length, low >>> 0) * 2 ** 20 + (hashInts(low >>> 0, high >>> 0) >>> 12);
}
