/**
 * Roll-outs: a group of answers to each prompt, sampled by the batched engine from the weights that are being trained. The prompt is read
 * once for its whole group. Token ids are kept as they were sampled: text is never tokenised again (post-training.md 8.4).
 */
import { setMaxListeners } from "node:events";
import type { LanguageModel } from "../../generate/languageModel.js";
import type { FinishReason, TokenTrace } from "../../generate/request.js";

type Experts = TokenTrace["experts"];

export interface RolloutOptions {
  /** G: answers to each prompt. */
  readonly groupSize: number;
  readonly temperature: number;
  /** 1 and 0 for training: a truncated distribution has other ratios. */
  readonly topP: number;
  readonly topK: number;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  /** Tell the experts that each row was sent to. Default false. */
  readonly traces?: boolean;
}

export interface RolloutPrompt {
  readonly ids: Int32Array;
  /** Of this prompt at this step: answer i takes seed + i. */
  readonly seed: number;
}

export interface Rollout {
  /** Index into the prompts. */
  readonly prompt: number;
  readonly promptIds: Int32Array;
  /** As sampled, the end-of-text token included where it was written. */
  readonly completionIds: Int32Array;
  /** The sampler's log-probability of each of them, at its temperature; the model's where it is 0. */
  readonly logprobs: Float64Array;
  /** Without the end-of-text token. */
  readonly text: string;
  readonly finishReason: Extract<FinishReason, "stop" | "length">;
  /** Layer by layer, of the row that each of `completionIds` followed from; null unless asked for. */
  readonly experts: readonly Experts[] | null;
}

/**
 * @returns groups one after the other, in the order of the prompts
 * @throws RangeError for a prompt that leaves no room; Error if the engine fails
 */
export async function rollOut(
  model: LanguageModel,
  prompts: readonly RolloutPrompt[],
  options: RolloutOptions,
  signal?: AbortSignal,
): Promise<Rollout[]> {
  if (signal) setMaxListeners(prompts.length + 10, signal); // Each prompt's stream listens.
  const groups = await Promise.all(prompts.map((prompt, i) => group(model, prompt, i, options, signal)));
  return groups.flat();
}

async function group(
  model: LanguageModel,
  { ids, seed }: RolloutPrompt,
  index: number,
  options: RolloutOptions,
  signal: AbortSignal | undefined,
): Promise<Rollout[]> {
  const room = model.info.maxPositions - ids.length;
  if (room < 1) {
    throw new RangeError(`roll-out: prompt ${index} has ${ids.length} tokens, the model ${model.info.maxPositions}`);
  }
  const { groupSize, temperature, topP, topK, maxTokens, stop } = options;
  const answers = Array.from({ length: groupSize }, () => ({
    ids: [] as number[],
    logprobs: [] as number[],
    experts: [] as Experts[],
  }));
  const done: Rollout[] = [];
  const request = {
    prompt: ids,
    sampling: { temperature, topP, topK, seed },
    maxTokens: Math.min(maxTokens, room),
    n: groupSize,
    stop,
    logprobs: 0,
    logprobTemperature: temperature === 0 ? 1 : temperature, // A greedy answer has none of its own.
    trace: options.traces ?? false,
  };
  const texts = answers.map(() => "");
  for await (const event of model.stream(request, signal)) {
    if (event.type === "prompt") continue;
    const answer = answers[event.choice];
    if (!answer) throw new Error(`internal: choice ${event.choice} of ${groupSize}`);
    texts[event.choice] += event.text;
    if (event.type === "token") {
      answer.ids.push(event.id);
      answer.logprobs.push(event.logprobs?.logprob ?? Number.NaN);
      if (event.trace) answer.experts.push(event.trace.experts);
      continue;
    }
    const { reason, stoppedBy, stopLogprob, stopExperts } = event;
    if (reason === "abort") {
      signal?.throwIfAborted();
      throw new Error("roll-out: the model was closed meanwhile");
    }
    if (reason === "error") throw new Error(`roll-out: the model failed: ${event.error ?? "no reason given"}`);
    if (typeof stoppedBy === "number") {
      answer.ids.push(stoppedBy);
      answer.logprobs.push(stopLogprob ?? Number.NaN);
      if (stopExperts) answer.experts.push(stopExperts);
    }
    done[event.choice] = {
      prompt: index,
      promptIds: ids,
      completionIds: Int32Array.from(answer.ids),
      logprobs: Float64Array.from(answer.logprobs),
      text: texts[event.choice] ?? "",
      finishReason: reason,
      experts: options.traces ? answer.experts : null,
    };
  }
  if (done.filter(Boolean).length !== groupSize) throw new Error("internal: answers are missing from a group");
  return done;
}
