/**
 * What candidates are worth: rules first (post-training.md 5.1), a judge where one is asked for. A verifier says whether an answer is right, and
 * all of them have to; other rewards are only noted.
 */
import { lastBox } from "../../eval/problems/answers.js";
import { check } from "../../eval/problems/families.js";
import { boxedReward } from "../reward/answerRewards.js";
import { endingOf, formatProblem } from "./format.js";
import { problemOf } from "./problemPrompts.js";
import type { Candidate, Checker, DistillPrompt, Rewards } from "./records.js";
import { rewardRule } from "./rewardRule.js";
import { normalised } from "./words.js";

/** 1 right, 0 wrong, null: cannot tell. */
export type Verify = (prompt: DistillPrompt, completion: string, signal: AbortSignal) => Promise<number | null>;

export interface Verifier {
  /** As rewards name it. */
  readonly name: string;
  /** Whether it looks at answers to a prompt; where it does not, an answer has no reward of its name. */
  readonly applies: (prompt: DistillPrompt) => boolean;
  readonly verify: Verify;
}

export interface Verdict {
  readonly reward: Rewards;
  readonly correct: boolean | null;
}

/** By kind of checker; where one is missing nobody can tell. */
export type CheckerRules = Readonly<Partial<Record<Checker, Verify>>>;

/** Rules that need nothing but the text. */
export const textRules: CheckerRules = {
  problem: async (prompt, completion) => {
    const problem = problemOf(prompt);
    if (!problem)
      throw new RangeError(`prompt ${prompt.id}: checker "problem", but ${prompt.source} is no such problem`);
    return check(problem, completion) ? 1 : 0;
  },
  math: rewardRule(boxedReward()),
  exact: async ({ answer }, completion) => {
    if (answer === undefined) return null;
    return normalised(lastBox(completion) ?? "") === normalised(answer) ? 1 : 0;
  },
};

/** Whether the answer is right, by the rule that the prompt names. */
export function accuracy(rules: CheckerRules): Verifier {
  const ruleOf = ({ checker }: DistillPrompt): Verify | undefined =>
    checker === undefined ? undefined : rules[checker];
  return {
    name: "accuracy",
    applies: (prompt) => ruleOf(prompt) !== undefined,
    verify: async (prompt, completion, signal) => ruleOf(prompt)?.(prompt, completion, signal) ?? null,
  };
}

/** Names of the rewards that an answer to a prompt gets. */
export function rewardNames(verifiers: readonly Verifier[], prompt: DistillPrompt): string[] {
  return [...verifiers.filter(({ applies }) => applies(prompt)).map(({ name }) => name), "format"];
}

/** @throws what a verifier throws */
export async function verdictOf(
  verifiers: readonly Verifier[],
  prompt: DistillPrompt,
  { completion }: Pick<Candidate, "completion">,
  signal: AbortSignal,
): Promise<Verdict> {
  const applying = verifiers.filter(({ applies }) => applies(prompt));
  const values = await Promise.all(applying.map(({ verify }) => verify(prompt, completion, signal)));
  const told = values.filter((value) => value !== null);
  const named = applying.map(({ name }, i) => [name, values[i] ?? null] as const);
  const format = formatProblem(completion, endingOf(prompt)) === null ? 1 : 0;
  return {
    reward: { ...Object.fromEntries(named), format },
    correct: told.length === 0 ? null : told.every((value) => value >= 1),
  };
}
