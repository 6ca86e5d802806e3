/** How a policy answers questions that it is not trained on: greedily, scored by the rewards of its training. */
import type { LanguageModel } from "../../generate/languageModel.js";
import { type RolloutOptions, rollOut } from "./rollout.js";
import type { Scorer } from "./scoring.js";

/**
 * @param scorer of these questions: an answer's `question` is its place among them
 * @returns mean reward, the mean of each reward where it applies, mean tokens of an answer, share that was cut
 * @throws as `rollOut` and the scorer
 */
export async function heldOutScores(
  model: LanguageModel,
  questions: readonly { readonly ids: Int32Array }[],
  scorer: Scorer,
  { maxTokens, stop }: Pick<RolloutOptions, "maxTokens" | "stop">,
): Promise<Readonly<Record<string, number>>> {
  const prompts = questions.map(({ ids }) => ({ ids, seed: 0 }));
  const greedy = { groupSize: 1, temperature: 0, topP: 1, topK: 0, maxTokens, stop };
  const answers = (await rollOut(model, prompts, greedy)).map((each) => ({ ...each, question: each.prompt }));
  const { total, parts } = await scorer(answers);
  const named = Object.entries(parts).flatMap(([name, values]) => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? [] : [[name, mean(known)] as const];
  });
  return {
    reward: mean(total),
    ...Object.fromEntries(named),
    length: mean(answers.map(({ completionIds }) => completionIds.length)),
    truncated: mean(answers.map(({ finishReason }) => (finishReason === "length" ? 1 : 0))),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
