/**
 * Scores of mathematical answers: each answer that a pipeline has found is compared with the gold one by the run's judge of formulas. Which
 * judge that is moves figures (post-training specification, 5.5), so it belongs to the run and not to the task.
 */
import { lastBox } from "../answers/box.js";
import { invalidAnswer } from "../metrics/invalidAnswer.js";
import { majorityAnswer } from "../metrics/passAtK.js";
import type { Scorer, ScoringTools } from "../taskFile.js";
import { extraction } from "./extraction.js";

/** What stands in the last box of an answer. */
export const boxedAnswer = extraction((answer) => lastBox(answer) || null);

/** What chat models are told. */
export const boxRequest = "Reason step by step, and put your final answer within \\boxed{}.";

/**
 * `single`: whether the first answer is right; otherwise the share of right answers, and whether the most frequent one is.
 * @param metrics names of these
 */
export function mathScorer(
  metrics: { readonly single: string } | { readonly mean: string; readonly vote: string },
): Scorer {
  return async ({ target, responses }, tools) => {
    const gold = String(target);
    const isRight = (answer: string | null): boolean | Promise<boolean> =>
      answer !== null && answer !== invalidAnswer && compare(tools, gold, answer);
    if ("single" in metrics) return { metrics: { [metrics.single]: (await isRight(responses[0] ?? null)) ? 1 : 0 } };
    const right = await Promise.all(responses.map(isRight));
    const vote = majorityAnswer(responses.map((answer) => (answer === invalidAnswer ? null : answer)));
    return {
      metrics: {
        [metrics.mean]: right.filter(Boolean).length / right.length,
        [metrics.vote]: (await isRight(vote)) ? 1 : 0,
      },
      details: { vote },
    };
  };
}

function compare({ sameMath }: ScoringTools, gold: string, answer: string): boolean | Promise<boolean> {
  if (sameMath) return sameMath(gold, answer);
  throw new RangeError("this answer is a formula, and the run has nothing that compares formulas");
}
