/** Reward functions as verifiers: what reinforcement learning rewards is then what is selected by. */
import type { RewardFunction, RewardSample } from "../reward/reward.js";
import type { Verify } from "./scoring.js";

/** Its row is the prompt; it is asked one answer at a time, so rewards that compare answers have nothing to compare. */
export function rewardRule(reward: RewardFunction): Verify {
  return async (prompt, completion) => {
    const sample: RewardSample = {
      prompt: prompt.prompt,
      messages: [{ role: "user", content: prompt.prompt }],
      completionText: completion,
      completionIds: [],
      finishReason: "stop",
      row: { ...prompt },
      group: 0,
    };
    const [score = null] = await reward([sample]);
    return typeof score === "object" && score !== null ? score.score : score;
  };
}
