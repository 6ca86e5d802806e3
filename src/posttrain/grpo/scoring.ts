/** Answers to rewards to advantages, group by group. */
import type { AdvantageOptions } from "./advantage.js";
import { advantages } from "./advantage.js";
import type { Rollout } from "./rollout.js";

export interface Answer extends Rollout {
  /** Index of its question among all of them. */
  readonly question: number;
}

export interface Scores {
  /** The combined reward of each answer. */
  readonly total: readonly number[];
  /** Of each reward function; null where it does not apply. */
  readonly parts: Readonly<Record<string, readonly (number | null)[]>>;
  /** Where each reward was normalised by itself before they were added up: what takes the place of the normalised total. */
  readonly advantages?: readonly number[];
}

/** @param answers groups one after the other */
export type Scorer = (answers: readonly Answer[]) => Promise<Scores>;

export interface ScoredAnswer extends Answer {
  readonly reward: number;
  readonly parts: Readonly<Record<string, number | null>>;
  readonly advantage: number;
  /** All rewards of its group are alike. */
  readonly isFlat: boolean;
}

/** @throws Error if the scorer returns another number of scores, or one that is no number */
export async function scoreGroups(
  answers: readonly Answer[],
  groupSize: number,
  scorer: Scorer,
  options: AdvantageOptions,
): Promise<ScoredAnswer[]> {
  const { total, parts, advantages: given } = await scorer(answers);
  if (total.length !== answers.length) {
    throw new Error(`internal: ${total.length} rewards for ${answers.length} answers`);
  }
  const bad = total.findIndex((reward) => !Number.isFinite(reward));
  if (bad >= 0) throw new RangeError(`reward of answer ${bad} is ${total[bad]}: no reward function gave it a number`);
  const own = given ?? advantages(total, groupSize, options);
  return answers.map((answer, i) => {
    const begin = i - (i % groupSize);
    const group = total.slice(begin, begin + groupSize);
    return {
      ...answer,
      reward: total[i] ?? Number.NaN,
      parts: Object.fromEntries(Object.entries(parts).map(([name, values]) => [name, values[i] ?? null])),
      advantage: own[i] ?? Number.NaN,
      isFlat: given
        ? given.slice(begin, begin + groupSize).every((value) => value === 0)
        : group.every((reward) => reward === group[0]),
    };
  });
}
