/** A judge as a reward of reinforcement learning: the mean of its scores, from 0 to 1. post-training.md 6.1, 6.4. */
import { splitThought } from "../data/thoughts.js";
import { goldAnswer, goldColumns } from "../reward/gold.js";
import type { RewardFunction, RewardSample } from "../reward/reward.js";
import type { Judge } from "./judge.js";
import { highestScore } from "./prompts.js";

/**
 * An answer is judged without its thought, by the row's right answer where it has one; null for an answer whose votes cannot be read.
 * @param column null: answer, gold or solution, where a row has one
 * @param atOnce answers under way
 */
export function judgeReward(judge: Judge, column: string | null, atOnce: number): RewardFunction {
  return async (samples) => {
    const scores = new Array<number | null>(samples.length).fill(null);
    const { signal } = new AbortController();
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < samples.length) {
        const index = next++;
        const sample = samples[index];
        if (!sample) continue;
        const { mean } = await judge.score(caseOf(sample, column), `answer ${index}`, signal);
        scores[index] = mean === null ? null : mean / highestScore;
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, samples.length) }, worker));
    return scores;
  };
}

function caseOf(sample: RewardSample, column: string | null): Parameters<Judge["score"]>[0] {
  const { prompt, messages, completionText, row } = sample;
  const asked = messages.filter(({ role }) => role !== "system");
  const [only] = asked;
  const turns = asked.map(({ role, content }) => `${role}: ${content}`).join("\n\n");
  const isKnown = column !== null || goldColumns.some((name) => name in row);
  return {
    question: asked.length === 0 ? prompt : asked.length === 1 ? (only?.content ?? "") : turns,
    reference: isKnown ? goldAnswer(sample, column, "judge") : null,
    response: splitThought({ role: "assistant", content: completionText }).answer,
  };
}
