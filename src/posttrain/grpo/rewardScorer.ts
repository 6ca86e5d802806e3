/** Reward functions as what scores the answers of reinforcement learning: each answer with its question's conversation and row. */
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import type { PromptItem } from "../data/chatData.js";
import type { Combination } from "../reward/combine.js";
import type { Reward, RewardSample } from "../reward/reward.js";
import { type FailurePolicy, type RewardFailure, scoreSamples } from "../reward/scoreSamples.js";
import type { Scorer } from "./scoring.js";

export interface RewardScorerOptions {
  readonly combination: Combination;
  readonly onFailure: FailurePolicy;
  /** Told of rewards that failed and were passed over. */
  readonly onFailures: (failures: readonly RewardFailure[]) => void;
}

export function rewardScorer(
  rewards: readonly Reward[],
  prompts: readonly PromptItem[],
  tokenizer: Tokenizer,
  { combination, onFailure, onFailures }: RewardScorerOptions,
): Scorer {
  return async (answers) => {
    const samples = answers.map(({ question, text, completionIds, finishReason, prompt: group }): RewardSample => {
      const asked = prompts[question];
      if (!asked) throw new Error(`internal: no question ${question}`);
      const { prompt, columns } = asked.source;
      return {
        prompt: tokenizer.decode(asked.ids),
        messages:
          prompt.form === "messages"
            ? prompt.messages.map(({ role, content }) => ({ role, content: content ?? "" }))
            : [],
        completionText: text,
        completionIds,
        finishReason,
        row: columns,
        group,
      };
    });
    const { total, parts, advantages, failures } = await scoreSamples(rewards, samples, { combination, onFailure });
    if (failures.length > 0) onFailures(failures);
    // Added up first, rewards are normalised with the options of all advantages.
    return combination === "normalize-then-sum" ? { total, parts, advantages } : { total, parts };
  };
}
