/**
 * One sequence, token by token: the prompt in one pass with the naive attention that fills the cache, then the absorbed form over the
 * latents. The serving engine builds on the same parts.
 */
import { inferenceBatch } from "../model/batch.js";
import type { AttentionContext } from "../model/block.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { CacheDtype } from "../tensor/ops/latentAttention.js";
import { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import { promptIds } from "../tokenizer/promptIds.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { applyMask, Constraint, type Grammar, TokenBytes } from "./grammar/constraint.js";
import { LatentCache } from "./latentCache.js";
import { checkSampling, Random, type Sampling, sample } from "./sampler.js";

export interface GenerateOptions extends Sampling {
  readonly maxTokens: number;
  /** Ids that end the text; the one met is not part of it. */
  readonly stopIds: readonly number[];
  /** Ids from here on have no token (a padded embedding). Default: the model's vocabulary. */
  readonly usableIds?: number;
  /** How the latent cache keeps its entries. Default: in the type of the arithmetic. */
  readonly cache?: CacheDtype | undefined;
  /** What the text must be a part of, and at its end a whole of; the end itself is one of `stopIds` or follows from the grammar. */
  readonly constraint?: Constraint | null;
  readonly signal?: AbortSignal;
}

export type FinishReason = "stop" | "length" | "abort";

/**
 * Yields ids as they are chosen and returns why it ended.
 * @throws RangeError for an empty prompt, an id outside the vocabulary, or more tokens than the model has positions
 */
export async function* generateIds(
  model: DeepseekV3,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
): AsyncGenerator<number, FinishReason> {
  checkSampling(options);
  checkPrompt(model, prompt, options.maxTokens);
  const random = new Random(options.seed);
  const usable = options.usableIds ?? model.config.vocabSize;
  using cache = new LatentCache(model, prompt.length + options.maxTokens, options.cache);
  const { constraint = null, stopIds } = options;
  let state = constraint?.start ?? 0;
  let logits = await prefill(model, cache, prompt);
  for (let count = 0; count < options.maxTokens; count++) {
    if (options.signal?.aborted) return "abort";
    if (constraint) applyMask(logits, constraint, state, stopIds);
    const id = sample(logits, usable, options, random);
    if (stopIds.includes(id)) return "stop";
    yield id;
    if (constraint) {
      state = constraint.advance(state, id);
      if (constraint.isFinished(state)) return "stop";
    }
    if (count + 1 < options.maxTokens) logits = await decode(model, cache, id);
  }
  return "length";
}

function checkPrompt(model: DeepseekV3, prompt: ArrayLike<number>, maxTokens: number): void {
  const { vocabSize, maxPositionEmbeddings } = model.config;
  if (prompt.length === 0) throw new RangeError("generate: the prompt is empty; give at least one token");
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new RangeError(`generate: max tokens must be a whole number from 1, got ${maxTokens}`);
  }
  if (prompt.length + maxTokens > maxPositionEmbeddings) {
    throw new RangeError(
      `generate: ${prompt.length} prompt tokens and ${maxTokens} new ones exceed the model's ${maxPositionEmbeddings} positions`,
    );
  }
  for (let i = 0; i < prompt.length; i++) {
    const id = prompt[i] ?? -1;
    if (id < 0 || id >= vocabSize) throw new RangeError(`generate: id ${id} at ${i} is outside [0, ${vocabSize})`);
  }
}

/** Fills the cache with the prompt. @returns [vocab] logits after its last token */
export async function prefill(model: DeepseekV3, cache: LatentCache, prompt: ArrayLike<number>): Promise<Float32Array> {
  using batch = inferenceBatch(model.arena, [prompt]);
  using tape = new Tape(model.arena, { hasGrad: false });
  const context: AttentionContext = { kind: "prefill", batch, onLatent: (layer, rows) => cache.store(layer, rows) };
  const { normed } = await model.hidden(tape, batch.ids, context, prompt.length);
  cache.advance(prompt.length);
  const { hiddenSize } = model.config;
  return lastLogits(model, tape, normed.view((prompt.length - 1) * hiddenSize, [1, hiddenSize]));
}

/** One more token. @returns [vocab] logits after it */
export async function decode(model: DeepseekV3, cache: LatentCache, id: number): Promise<Float32Array> {
  const position = cache.length;
  if (position >= cache.capacity) throw new Error(`internal: the cache holds ${cache.capacity} tokens, no more`);
  using tape = new Tape(model.arena, { hasGrad: false });
  const positions = tape.ints([position]);
  const lengths = tape.ints([position + 1]);
  const context: AttentionContext = {
    kind: "decode",
    positions,
    cache: (layer) => cache.view(layer, positions, lengths),
  };
  const { normed } = await model.hidden(tape, tape.ints([id]), context, position + 1);
  cache.advance(1);
  return lastLogits(model, tape, normed);
}

function lastLogits(model: DeepseekV3, tape: Tape, normed: Tensor): Float32Array {
  return model.logits(tape, normed, "decode").floats().slice();
}

export interface TextRequest extends Sampling {
  readonly prompt: string;
  /** Text after the gap: fill in the middle. */
  readonly suffix: string | null;
  /** Null: up to 128, as far as the model has positions. */
  readonly maxTokens: number | null;
  readonly cache?: CacheDtype | undefined;
  /** What the text must be; a text cut off by maxTokens may be the beginning of it. */
  readonly grammar?: Grammar | null;
  readonly signal?: AbortSignal;
}

export interface TextResult {
  readonly text: string;
  readonly ids: readonly number[];
  readonly finishReason: FinishReason;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Decoded tokens per second, the prompt's pass left out. */
  readonly tokensPerSecond: number;
}

/** The tokens that text consists of. */
function tokenBytes(tokenizer: Tokenizer): TokenBytes {
  const isText = (id: number): boolean => tokenizer.hasToken(id) && !tokenizer.isSpecial(id);
  return new TokenBytes(tokenizer.vocabSize, (id) => (isText(id) ? tokenizer.idToBytes(id) : null));
}

/** Completes a text, yielding pieces of it as they become whole characters. */
export async function* generateText(
  model: DeepseekV3,
  tokenizer: Tokenizer,
  request: TextRequest,
): AsyncGenerator<string, TextResult> {
  const prompt = promptIds(tokenizer, request.prompt, request.suffix);
  const stopIds = tokenizer.eosTokenId === null ? [] : [tokenizer.eosTokenId];
  const usableIds = Math.min(tokenizer.vocabSize, model.config.vocabSize);
  const room = Math.max(1, model.config.maxPositionEmbeddings - prompt.length);
  const maxTokens = request.maxTokens ?? Math.min(128, room);
  const constraint = request.grammar ? new Constraint(request.grammar, tokenBytes(tokenizer)) : null;
  const stream = generateIds(model, prompt, { ...request, maxTokens, stopIds, usableIds, constraint });
  const decoder = tokenizer.decoder({ skipSpecialTokens: true });
  const ids: number[] = [];
  let text = "";
  let begun = 0;
  for (;;) {
    const { value, done } = await stream.next();
    if (ids.length === 0 && begun === 0) begun = performance.now();
    if (done) {
      const rest = decoder.flush();
      if (rest !== "") yield rest;
      const seconds = (performance.now() - begun) / 1000;
      return {
        text: text + rest,
        ids,
        finishReason: value,
        promptTokens: prompt.length,
        completionTokens: ids.length,
        tokensPerSecond: ids.length > 1 && seconds > 0 ? (ids.length - 1) / seconds : 0,
      };
    }
    ids.push(value);
    const piece = decoder.push(value);
    text += piece;
    if (piece !== "") yield piece;
  }
}
