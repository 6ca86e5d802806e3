/**
 * What a model says of both answers of pairs: log-probabilities summed over each answer's tokens, the prompt's left out; and back, a
 * derivative by such a sum as factors of the tokens' losses. post-training.md 10.
 */
import type { SupervisedSequence } from "../../model/batch.js";
import type { DeepseekV3 } from "../../model/deepseekV3.js";
import type { RenderedAnswer } from "../data/render.js";
import { recordLogprobs } from "../supervisedLoss.js";
import type { DpoLoss } from "./dpoLoss.js";

/** Two answers to one prompt, rendered. */
export interface Answers {
  readonly chosen: RenderedAnswer;
  readonly rejected: RenderedAnswer;
}

/** [pairs] each */
export interface PairLogprobs {
  readonly chosen: Float64Array;
  readonly rejected: Float64Array;
}

/** Without gradients. @param microBatchTokens tokens that go through the model at once; a longer answer goes alone */
export async function pairLogprobs(
  model: DeepseekV3,
  pairs: readonly Answers[],
  microBatchTokens: number,
): Promise<PairLogprobs> {
  const records = await recordLogprobs(
    model,
    pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]),
    1,
    microBatchTokens,
  );
  // Tokens that are no targets have 0.
  const sums = records.map(({ logprobs }) => logprobs.reduce((sum, logprob) => sum + logprob, 0));
  return {
    chosen: Float64Array.from(pairs, (_, i) => sums[2 * i] ?? Number.NaN),
    rejected: Float64Array.from(pairs, (_, i) => sums[2 * i + 1] ?? Number.NaN),
  };
}

/** Both answers of each pair with the factors that make the gradient of their losses that of the loss of the pairs. */
export function weightedAnswers(pairs: readonly Answers[], gradients: DpoLoss["gradients"]): SupervisedSequence[] {
  return pairs.flatMap(({ chosen, rejected }, i) => [
    withFactor(chosen, gradients[i]?.chosen ?? Number.NaN),
    withFactor(rejected, gradients[i]?.rejected ?? Number.NaN),
  ]);
}

/** @param slope derivative of the whole by the sum of the answer's log-probabilities; a token's loss is -logprob */
function withFactor({ ids, isTarget }: RenderedAnswer, slope: number): SupervisedSequence {
  return { ids, isTarget, scales: new Float32Array(ids.length).fill(-slope) };
}
