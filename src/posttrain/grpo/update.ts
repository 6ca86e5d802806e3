/**
 * What a step learns from its answers: log-probabilities of the policy as it is now, the loss's gradient with respect to each of them, and one
 * optimizer step for each mini-batch. Before the first update the policy is the one that sampled, to the bit, so its log-probabilities need
 * not be computed again; afterwards they are.
 */
import { hashInts, permuted, stream } from "../../data/random.js";
import type { Communicator } from "../../distributed/communicator.js";
import type { SupervisedSequence } from "../../model/batch.js";
import { type StepResult, type StepSettings, supervisedMicroBatch, type Trainer } from "../../train/trainer.js";
import { inOrder, type RecordLogprobs, recordLogprobs } from "../supervisedLoss.js";
import type { GrpoOptions } from "./options.js";
import { countsOf, type PolicyLossMetrics, type PolicySample, policyLoss } from "./policyLoss.js";
import type { ScoredAnswer } from "./scoring.js";

export interface Learning {
  readonly trainer: Trainer;
  readonly world: Communicator;
  readonly options: GrpoOptions;
  readonly microBatchTokens: number;
  /** Rates of this step. */
  readonly rates: Pick<StepSettings, "learningRate" | "alpha">;
  /** Names the step's draws. */
  readonly seed: number;
}

/** An answer with what is known of its tokens. */
export interface KnownAnswer extends ScoredAnswer {
  readonly sequence: SupervisedSequence;
  /** Arrays over the whole sequence. */
  readonly old: RecordLogprobs;
  readonly reference: RecordLogprobs | null;
}

export interface Updates {
  /** Of each optimizer step; empty if there was nothing to learn. */
  readonly losses: readonly PolicyLossMetrics[];
  readonly steps: readonly StepResult[];
}

/** Question and answer as one record, the answer supervised. */
export function answerSequence({ promptIds, completionIds }: ScoredAnswer): SupervisedSequence {
  const ids = new Int32Array(promptIds.length + completionIds.length);
  ids.set(promptIds);
  ids.set(completionIds, promptIds.length);
  return { ids, isTarget: Uint8Array.from(ids, (_, i) => (i >= promptIds.length ? 1 : 0)) };
}

/**
 * Experts of the sampler for the rows that the answer's tokens followed from; prompt and last row, from which nothing follows, choose for
 * themselves. @param layers numbers of the layers with experts
 */
export function sampledRoutes(
  { promptIds, completionIds, experts }: ScoredAnswer,
  layers: readonly number[],
  expertsPerToken: number,
): ReadonlyMap<number, Int32Array> {
  if (experts?.length !== completionIds.length) {
    throw new Error(`internal: experts of ${experts?.length ?? 0} of ${completionIds.length} tokens`);
  }
  const k = expertsPerToken;
  return new Map(
    layers.map((layer, index) => {
      const routes = new Int32Array((promptIds.length + completionIds.length) * k).fill(-1);
      for (const [t, ofToken] of experts.entries()) routes.set(ofToken[index] ?? [], (promptIds.length - 1 + t) * k);
      return [layer, routes] as const;
    }),
  );
}

export async function updatePolicy(answers: readonly KnownAnswer[], learning: Learning): Promise<Updates> {
  const { options, world, seed } = learning;
  const losses: PolicyLossMetrics[] = [];
  const steps: StepResult[] = [];
  for (let inner = 0; inner < options.innerUpdates; inner++) {
    const order = answers.map((_, i) => permuted(i, answers.length, hashInts(seed, stream.updates, inner)));
    for (let part = 0; part < options.miniBatches; part++) {
      const from = Math.floor((part * order.length) / options.miniBatches);
      const to = Math.floor(((part + 1) * order.length) / options.miniBatches);
      const chosen = order.slice(from, to).flatMap((i) => answers[i] ?? []);
      const isFirst = steps.length === 0;
      const { metrics, sequences } = await lossOf(chosen, isFirst, learning);
      losses.push(metrics);
      const hasWork = Int32Array.of(sequences.length > 0 ? 1 : 0);
      await world.allReduce(hasWork, "max");
      if (hasWork[0] === 0) continue; // Momentum alone would move the weights.
      steps.push(await step(sequences, learning));
    }
  }
  return { losses, steps };
}

/** The loss of a mini-batch, and its sequences with the factors of their gradients; those without any are left out. */
async function lossOf(
  answers: readonly KnownAnswer[],
  isFirst: boolean,
  { trainer, world, options, microBatchTokens }: Learning,
): Promise<{ readonly metrics: PolicyLossMetrics; readonly sequences: readonly SupervisedSequence[] }> {
  const { temperature } = options.rollout;
  const now = isFirst
    ? answers.map(({ old }) => old)
    : await recordLogprobs(
        trainer.model,
        answers.map(({ sequence }) => sequence),
        temperature,
        microBatchTokens,
      );
  const samples = answers.map((answer, i): PolicySample => {
    const { promptIds, old, reference, advantage, finishReason } = answer;
    const own = (values: Float32Array | undefined): Float32Array =>
      values?.subarray(promptIds.length) ?? new Float32Array();
    return {
      advantage,
      logprobs: own(now[i]?.logprobs),
      oldLogprobs: own(old.logprobs),
      refLogprobs: reference ? own(reference.logprobs) : null,
      samplerLogprobs: answer.logprobs,
      entropies: own(now[i]?.entropies),
      isMasked: options.masksTruncated && finishReason === "length",
    };
  });
  const { sequences: count, tokens } = countsOf(samples);
  const totals = Float64Array.of(count, tokens);
  await world.allReduce(totals, "sum");
  const { gradients, metrics } = policyLoss(samples, options.loss, {
    sequences: totals[0] ?? 0,
    tokens: totals[1] ?? 0,
  });
  const sequences = answers.flatMap(({ sequence, promptIds }, i): SupervisedSequence[] => {
    const gradient = gradients[i] ?? new Float64Array();
    if (gradient.every((value) => value === 0)) return [];
    // A row's loss is -logprob.
    const scales = new Float32Array(sequence.ids.length);
    gradient.forEach((value, t) => {
      scales[promptIds.length + t] = -value;
    });
    return [{ ...sequence, scales }];
  });
  return { metrics, sequences };
}

function step(
  sequences: readonly SupervisedSequence[],
  { trainer, options, microBatchTokens, rates }: Learning,
): Promise<StepResult> {
  const batches = inOrder(sequences, microBatchTokens).map((group) => supervisedMicroBatch(group, false));
  return trainer.step(batches, {
    ...rates,
    gamma: 0, // The routing bias belongs to the router, which sampler and trainer must share.
    lambda: 0,
    divisor: 1,
    temperature: options.rollout.temperature,
  });
}
