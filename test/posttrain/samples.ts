/** Samples for tests of rewards. */
import type { RewardSample, Score } from "../../src/posttrain/reward/reward.js";

/** A sample that was cut by nothing, with as many token ids as asked for. */
export function sampleOf(
  completionText: string,
  rest: Partial<RewardSample> & { readonly length?: number } = {},
): RewardSample {
  const { length = 10, ...fields } = rest;
  return {
    prompt: "Question",
    messages: [],
    completionText,
    completionIds: new Int32Array(length),
    finishReason: "stop",
    row: {},
    group: 0,
    ...fields,
  };
}

export function scoresOf(scores: readonly Score[]): (number | null)[] {
  return scores.map((score) => (typeof score === "object" && score !== null ? score.score : score));
}
