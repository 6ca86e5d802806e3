/** How a policy answers questions that it is not trained on, scored by the rewards of its training: greedily, and by several samples each. */
import { hashInts, stream } from "../../data/random.js";
import { majorityAnswer } from "../../eval/metrics/passAtK.js";
import { lastBox } from "../../eval/problems/answers.js";
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

/**
 * Rewards of `groupSize` samples of each question; the same seeds whenever it is measured.
 * @returns `mean@k`, `best@k` (of each question's best sample) and `maj@k` (of the answer that most samples give: what stands in the last
 * box, else the whole text after the thought). Where rewards are 0 and 1 the first two are pass@1 and pass@k.
 * @throws as `rollOut` and the scorer
 */
export async function sampledScores(
  model: LanguageModel,
  questions: readonly { readonly ids: Int32Array }[],
  scorer: Scorer,
  options: RolloutOptions,
  seed: number,
): Promise<Readonly<Record<string, number>>> {
  const { groupSize: k } = options;
  const prompts = questions.map(({ ids }, i) => ({ ids, seed: hashInts(seed, stream.rollouts, i) }));
  const answers = (await rollOut(model, prompts, options)).map((each) => ({ ...each, question: each.prompt }));
  const { total } = await scorer(answers);
  const groups = questions.map((_, q) => {
    const rewards = total.slice(q * k, (q + 1) * k);
    const keys = answers.slice(q * k, (q + 1) * k).map(({ text }) => lastBox(text) ?? withoutThought(text));
    const vote = majorityAnswer(keys.map((key) => (key === "" ? null : key)));
    return {
      mean: mean(rewards),
      best: Math.max(...rewards),
      // Without any answer all samples are alike.
      vote: rewards[vote === null ? 0 : keys.indexOf(vote)] ?? Number.NaN,
    };
  });
  return {
    [`mean@${k}`]: mean(groups.map((group) => group.mean)),
    [`best@${k}`]: mean(groups.map((group) => group.best)),
    [`maj@${k}`]: mean(groups.map((group) => group.vote)),
  };
}

function withoutThought(text: string): string {
  const end = text.lastIndexOf("</think>");
  return (end < 0 ? text : text.slice(end + "</think>".length)).trim();
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
