/**
 * A generative judge: a chat model that gives reasons and then a score, or says which of two answers is better. Several votes are
 * averaged; of two answers each vote sees its own order, drawn at random, so that a liking for the first one cancels out. DeepSeek-V3
 * report 5.2 (model-based rewards, self-rewarding by votes); post-training.md 6.1, 6.2, 6.4.
 *
 * Every draw is a hash of the seed, the number of the case and the vote: a case gets the same questions whenever it is judged.
 */
import { setMaxListeners } from "node:events";
import { hashInts } from "../../data/random.js";
import type { ChatMessage } from "../../tokenizer/chatTemplate.js";
import { type PairCase, pairPrompt, parseChoice, parseScore, type ScoreCase, scorePrompt } from "./judgePrompts.js";

/** What is asked of the model that judges. */
export interface JudgeQuestion {
  readonly messages: readonly ChatMessage[];
  readonly temperature: number;
  readonly maxTokens: number;
  readonly seed: number;
}

/** @throws the signal's reason; RangeError for a model that cannot be asked */
export type AskJudge = (question: JudgeQuestion, signal: AbortSignal) => Promise<string>;

export interface JudgeOptions {
  /** Opinions on each case. */
  readonly votes: number;
  /** Above 0: at 0 all votes would be alike, and asking again would help nothing. */
  readonly temperature: number;
  /** Of reasons and verdict together. */
  readonly maxTokens: number;
  readonly seed: number;
}

export const defaultJudge: JudgeOptions = { votes: 1, temperature: 0.6, maxTokens: 1024, seed: 1 };

export interface Vote<T> {
  /** Null: neither the first answer nor a second one ended in a verdict. */
  readonly verdict: T | null;
  /** What the model wrote last, reasons included. */
  readonly text: string;
}

export interface ScoreVerdict {
  /** Mean of the votes that could be read, 0 to 10; null if there is none. */
  readonly score: number | null;
  readonly votes: readonly Vote<number>[];
}

/** A vote for one of two answers, and which of them stood first. */
export interface PairVote extends Vote<0 | 1> {
  readonly first: 0 | 1;
}

export interface PairVerdict {
  /** Share of the votes that could be read which are for the first of the case's responses; null if there is none. */
  readonly share: number | null;
  readonly votes: readonly PairVote[];
}

const draws = { order: 1, mark: 2, sampling: 3 } as const;

export class Judge {
  readonly #ask: AskJudge;
  readonly #options: JudgeOptions;

  /** @throws RangeError naming the option and its range */
  constructor(ask: AskJudge, options: Partial<JudgeOptions> = {}) {
    this.#ask = ask;
    this.#options = { ...defaultJudge, ...options };
    const { votes, temperature, maxTokens } = this.#options;
    if (!Number.isInteger(votes) || votes < 1) throw new RangeError(`judge: votes must be 1 or more, got ${votes}`);
    if (!(temperature > 0 && temperature <= 2)) {
      throw new RangeError(`judge: temperature must be above 0 and at most 2, got ${temperature}`);
    }
    if (!Number.isInteger(maxTokens) || maxTokens < 1) {
      throw new RangeError(`judge: tokens of an answer must be 1 or more, got ${maxTokens}`);
    }
  }

  /** @param number of the case among all, which names its draws */
  async score(given: ScoreCase, number: number, signal: AbortSignal): Promise<ScoreVerdict> {
    const votes = await this.#votes(async (vote) => {
      const prompt = scorePrompt(given, this.#mark(number, vote));
      return this.#vote(prompt, parseScore, [number, vote], signal);
    });
    return { score: meanOf(votes.map(({ verdict }) => verdict)), votes };
  }

  /** See `score`. */
  async compare(given: PairCase, number: number, signal: AbortSignal): Promise<PairVerdict> {
    const { seed } = this.#options;
    const votes = await this.#votes(async (vote): Promise<PairVote> => {
      const first = (hashInts(seed, draws.order, number, vote) & 1) as 0 | 1;
      const [one, other] = given.responses;
      const shown = { ...given, responses: first === 0 ? given.responses : ([other, one] as const) };
      const prompt = pairPrompt(shown, this.#mark(number, vote));
      const { verdict, text } = await this.#vote(prompt, parseChoice, [number, vote], signal);
      // What it calls A stood first.
      return { verdict: verdict === null ? null : verdict === 0 ? first : first === 0 ? 1 : 0, text, first };
    });
    const share = meanOf(votes.map(({ verdict }) => (verdict === null ? null : 1 - verdict)));
    return { share, votes };
  }

  #votes<V>(cast: (vote: number) => Promise<V>): Promise<V[]> {
    return Promise.all(Array.from({ length: this.#options.votes }, (_, vote) => cast(vote)));
  }

  /** Asks, and once more if there is no verdict. */
  async #vote<T>(
    prompt: string,
    parse: (text: string) => T | null,
    keys: readonly number[],
    signal: AbortSignal,
  ): Promise<Vote<T>> {
    const { temperature, maxTokens, seed } = this.#options;
    const messages = [{ role: "user", content: prompt }];
    const ask = (again: 0 | 1): Promise<string> =>
      this.#ask({ messages, temperature, maxTokens, seed: hashInts(seed, draws.sampling, ...keys, again) }, signal);
    const text = await ask(0);
    const verdict = parse(text);
    if (verdict !== null) return { verdict, text };
    const second = await ask(1);
    return { verdict: parse(second), text: second };
  }

  #mark(number: number, vote: number): string {
    return hashInts(this.#options.seed, draws.mark, number, vote).toString(16).padStart(8, "0");
  }
}

/** How often a judge took the answer that stood first: 1/2 for one without a liking for either place; null without a readable vote. */
export function firstPlaceShare(verdicts: readonly PairVerdict[]): number | null {
  const votes = verdicts.flatMap((verdict) => verdict.votes);
  return meanOf(votes.map(({ verdict, first }) => (verdict === null ? null : verdict === first ? 1 : 0)));
}

export interface JudgeAllOptions<T> {
  /** Cases under way at once. */
  readonly atOnce: number;
  /** Told of each verdict as soon as it is there; what was told is not lost when a later case fails. */
  readonly onVerdict: (verdict: T, index: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Judges one case after the other, some at once. The first failure ends what is under way.
 * @throws what a case throws, or the signal's reason
 */
export async function judgeAll<Case, T>(
  cases: readonly Case[],
  judge: (given: Case, index: number, signal: AbortSignal) => Promise<T>,
  { atOnce, onVerdict, signal }: JudgeAllOptions<T>,
): Promise<void> {
  if (!Number.isInteger(atOnce) || atOnce < 1) throw new RangeError(`judge: at once must be 1 or more, got ${atOnce}`);
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  setMaxListeners(0, both); // One for each vote under way.
  let next = 0;
  const workers = Array.from({ length: Math.min(atOnce, cases.length) }, async () => {
    while (next < cases.length) {
      both.throwIfAborted();
      const index = next++;
      const given = cases[index] as Case; // within the range
      onVerdict(await judge(given, index, both), index);
    }
  });
  try {
    await Promise.all(workers);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(workers);
    throw error;
  }
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}
