/**
 * A generative judge: a chat model that gives reasons and then a score, says whether an answer is right, or which of two is better. Several
 * votes are averaged; of two answers each vote sees its own order, drawn at random, so that a liking for the first one cancels out.
 * DeepSeek-V3 report 5.2 (model-based rewards, self-rewarding by votes); post-training.md 6.1, 6.2, 6.4.
 *
 * Every draw is a hash of the seed, the case and the vote: a case gets the same questions whenever it is judged.
 */
import { setMaxListeners } from "node:events";
import { hashInts } from "../../data/random.js";
import { type Expert, sampleSeed } from "../ask/expert.js";
import { splitThought } from "../data/thoughts.js";
import {
  type AnswerCase,
  type PairCase,
  pairPrompt,
  parseChoice,
  parseScore,
  parseVerdict,
  scorePrompt,
  verdictPrompt,
} from "./prompts.js";

export interface JudgeOptions {
  /** Opinions on each case. */
  readonly votes: number;
  /** Above 0: at 0 all votes would be alike, and asking again would help nothing. */
  readonly temperature: number;
  readonly topP: number;
  /** Of reasons and verdict together. */
  readonly maxTokens: number;
  readonly seed: number;
}

export const defaultJudge: JudgeOptions = { votes: 1, temperature: 0.6, topP: 1, maxTokens: 2048, seed: 1 };

export interface Vote<T = number> {
  /** Null: neither the first answer nor a second one ended in a verdict. */
  readonly verdict: T | null;
  /** What the judge wrote last: its reasons. */
  readonly text: string;
}

export interface Judgement<V extends Vote = Vote> {
  /** Mean of the votes that could be read; null if there is none. */
  readonly mean: number | null;
  readonly votes: readonly V[];
}

/** A vote for one of two answers, and which of them stood first. */
export interface PairVote extends Vote<0 | 1> {
  readonly first: 0 | 1;
}

const draws = { order: 1, mark: 2, sampling: 3 } as const;

export class Judge {
  readonly #expert: Pick<Expert, "ask">;
  readonly #options: JudgeOptions;

  /** @throws RangeError naming the option and its range */
  constructor(expert: Pick<Expert, "ask">, options: Partial<JudgeOptions> = {}) {
    this.#expert = expert;
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

  /** Votes from 0 to 10. @param name of the case among all @throws what the expert throws; the signal's reason */
  score(given: AnswerCase, name: string, signal: AbortSignal): Promise<Judgement> {
    return this.#answer(given, name, scorePrompt, parseScore, signal);
  }

  /** Votes of 1 for a right answer and 0 for a wrong one. See `score`. */
  verify(given: AnswerCase, name: string, signal: AbortSignal): Promise<Judgement> {
    return this.#answer(given, name, verdictPrompt, parseVerdict, signal);
  }

  /** Votes of 0 for the case's first answer and 1 for its second. See `score`. */
  async compare(given: PairCase, name: string, signal: AbortSignal): Promise<Judgement<PairVote>> {
    const base = this.#baseOf(given);
    return this.#judged(signal, async (vote): Promise<PairVote> => {
      const first = (hashInts(base, draws.order, vote) & 1) as 0 | 1;
      const [one, other] = given.responses;
      const shown = { ...given, responses: first === 0 ? given.responses : ([other, one] as const) };
      const prompt = pairPrompt(shown, markOf(base, vote));
      const { verdict, text } = await this.#vote(prompt, parseChoice, name, [base, vote], signal);
      // What it calls A stood first.
      return { verdict: verdict === null ? null : verdict === 0 ? first : first === 0 ? 1 : 0, text, first };
    });
  }

  #answer(
    given: AnswerCase,
    name: string,
    promptOf: (given: AnswerCase, mark: string) => string,
    parse: (text: string) => number | null,
    signal: AbortSignal,
  ): Promise<Judgement> {
    const base = this.#baseOf(given);
    return this.#judged(signal, (vote) =>
      this.#vote(promptOf(given, markOf(base, vote)), parse, name, [base, vote], signal),
    );
  }

  /** Of a case's draws, which depend on what it says and not on where it stands. */
  #baseOf({ question, reference, ...answers }: AnswerCase | PairCase): number {
    const said = "response" in answers ? [answers.response] : answers.responses;
    return sampleSeed(this.#options.seed, JSON.stringify([question, reference, ...said]), 0);
  }

  async #judged<V extends Vote>(signal: AbortSignal, cast: (vote: number) => Promise<V>): Promise<Judgement<V>> {
    setMaxListeners(0, signal); // Each vote of each case listens.
    const votes = await Promise.all(Array.from({ length: this.#options.votes }, (_, vote) => cast(vote)));
    return { mean: meanOf(votes.map(({ verdict }) => verdict)), votes };
  }

  /** Asks, and once more if there is no verdict. */
  async #vote<T>(
    prompt: string,
    parse: (text: string) => T | null,
    name: string,
    keys: readonly number[],
    signal: AbortSignal,
  ): Promise<Vote<T>> {
    const { temperature, topP, maxTokens } = this.#options;
    const messages = [{ role: "user", content: prompt }];
    const ask = async (again: 0 | 1): Promise<string> => {
      const seed = hashInts(...keys, draws.sampling, again);
      const question = { name: `judge of ${name}`, messages, temperature, topP, maxTokens, seed };
      const { completion } = await this.#expert.ask(question, signal);
      return splitThought({ role: "assistant", content: completion }).answer;
    };
    const text = await ask(0);
    const verdict = parse(text);
    if (verdict !== null) return { verdict, text };
    const second = await ask(1);
    return { verdict: parse(second), text: second };
  }
}

/** How often a judge took the answer that stood first: 1/2 for one without a liking for either place; null without a readable vote. */
export function firstPlaceShare(judgements: readonly Judgement<PairVote>[]): number | null {
  const votes = judgements.flatMap((judgement) => judgement.votes);
  return meanOf(votes.map(({ verdict, first }) => (verdict === null ? null : verdict === first ? 1 : 0)));
}

function markOf(base: number, vote: number): string {
  return hashInts(base, draws.mark, vote).toString(16).padStart(8, "0");
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}
