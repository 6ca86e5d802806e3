/**
 * What candidates are worth: rules first (post-training.md 5.1), a judge where one is asked for. A verifier says whether an answer is right, and
 * all of them have to; other rewards are only noted.
 */
import { extractAnswer } from "../../eval/answers/extract.js";
import { isReadable, verify } from "../../eval/answers/verify.js";
import { afterThought, lastBox } from "../../eval/problems/answers.js";
import { check } from "../../eval/problems/families.js";
import { endingOf, formatProblem } from "./format.js";
import { problemOf } from "./problemPrompts.js";
import type { Candidate, Checker, DistillPrompt, Rewards } from "./records.js";
import { normalised } from "./words.js";

/** 1 right, 0 wrong, null: cannot tell. */
export type Verify = (prompt: DistillPrompt, completion: string, signal: AbortSignal) => Promise<number | null>;

export interface Verifier {
  /** As rewards name it. */
  readonly name: string;
  readonly verify: Verify;
}

export interface Verdict {
  readonly reward: Rewards;
  readonly correct: boolean | null;
}

/** By kind of checker; one that is missing cannot tell. */
export type CheckerRules = Readonly<Partial<Record<Checker, Verify>>>;

/** Rules that need nothing but the text. */
export const textRules: CheckerRules = {
  problem: async (prompt, completion) => {
    const problem = problemOf(prompt);
    if (!problem)
      throw new RangeError(`prompt ${prompt.id}: checker "problem", but ${prompt.source} is no such problem`);
    return check(problem, completion) ? 1 : 0;
  },
  math: async ({ answer }, completion) => {
    if (answer === undefined || !isReadable(answer)) return null;
    const given = extractAnswer(afterThought(completion) ?? "", ["box"]);
    return given !== null && verify(answer, given.text).equal ? 1 : 0;
  },
  exact: async ({ answer }, completion) => {
    if (answer === undefined) return null;
    return normalised(lastBox(completion) ?? "") === normalised(answer) ? 1 : 0;
  },
};

/** Whether the answer is right, by the rule that the prompt names. */
export function accuracy(rules: CheckerRules): Verifier {
  return {
    name: "accuracy",
    verify: async (prompt, completion, signal) => {
      const rule = prompt.checker === undefined ? undefined : rules[prompt.checker];
      return rule ? rule(prompt, completion, signal) : null;
    },
  };
}

/** @throws what a verifier throws */
export async function verdictOf(
  verifiers: readonly Verifier[],
  prompt: DistillPrompt,
  { completion }: Pick<Candidate, "completion">,
  signal: AbortSignal,
): Promise<Verdict> {
  const values = await Promise.all(verifiers.map(({ verify }) => verify(prompt, completion, signal)));
  const told = values.filter((value) => value !== null);
  const named = verifiers.map(({ name }, i) => [name, values[i] ?? null] as const);
  const format = formatProblem(completion, endingOf(prompt)) === null ? 1 : 0;
  return {
    reward: { ...Object.fromEntries(named), format },
    correct: told.length === 0 ? null : told.every((value) => value >= 1),
  };
}
