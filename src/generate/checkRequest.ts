/** What a request may ask for; infrastructure.md 7.1 and 7.5. Errors name the field, what it was and the range. */
import type { ModelConfig } from "../model/config.js";
import type { GenerationRequest } from "./request.js";
import { checkSampling, greedy, type Sampling } from "./sampler.js";

/** Of the model that is asked. */
export interface RequestLimits {
  readonly config: Pick<ModelConfig, "vocabSize">;
  readonly hasTokenizer: boolean;
  readonly maxPositions: number;
}

export const maxChoices = 128;
export const maxStops = 64;
export const maxStopLength = 1024;
export const maxAlternatives = 20;
export const maxAskedIds = 1024;

/** A request whose every value is there and in range. */
export interface CheckedRequest
  extends Required<Omit<GenerationRequest, "sampling" | "grammar" | "logprobs" | "promptLogprobs">> {
  readonly prompt: Int32Array;
  readonly sampling: Sampling;
  readonly grammar: GenerationRequest["grammar"] | null;
  /** Null: not wanted. */
  readonly logprobs: number | null;
  readonly promptLogprobs: number | null;
}

/** @throws RangeError naming the value that is out of range */
export function checkRequest(request: GenerationRequest, limits: RequestLimits): CheckedRequest {
  const { maxPositions, hasTokenizer } = limits;
  const isScored = request.promptLogprobs !== undefined && request.maxTokens === 0;
  const prompt = checkPrompt(request.prompt, limits, isScored);
  const sampling = { ...greedy, ...request.sampling };
  checkSampling(sampling);
  const whole = (name: keyof GenerationRequest, usual: number, from: number, to: number): number => {
    const value = request[name] ?? usual;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= from && value <= to) return value;
    throw new RangeError(`${name} must be a whole number from ${from} to ${to}, got ${String(value)}`);
  };
  const room = Math.max(0, maxPositions - prompt.length);
  const maxTokens = request.maxTokens ?? room;
  if (!Number.isSafeInteger(maxTokens) || maxTokens < 0) {
    throw new RangeError(`maxTokens must be a whole number from 0, got ${maxTokens}`);
  }
  if (maxTokens > room) {
    throw new RangeError(
      `maxTokens: ${prompt.length} prompt tokens and ${maxTokens} new ones exceed the model's ${maxPositions} positions`,
    );
  }
  const stop = request.stop ?? [];
  if (stop.length > maxStops) throw new RangeError(`stop has ${stop.length} texts, at most ${maxStops} are taken`);
  for (const text of stop) {
    if (text.length > 0 && text.length <= maxStopLength) continue;
    throw new RangeError(`stop takes texts of 1 to ${maxStopLength} characters, got one of ${text.length}`);
  }
  const stopIds = request.stopIds ?? [];
  if (stopIds.length > 1024) throw new RangeError(`stopIds has ${stopIds.length} ids, at most 1024 are taken`);
  for (const id of stopIds) checkId(id, limits, "stopIds");
  if (!hasTokenizer && (stop.length > 0 || request.grammar)) {
    throw new RangeError(`${request.grammar ? "the grammar" : "stop"} needs a tokenizer, which this model has not`);
  }
  const logprobTemperature = request.logprobTemperature ?? 1;
  if (!(logprobTemperature > 0 && logprobTemperature <= 100)) {
    throw new RangeError(`logprobTemperature must be above 0 and at most 100, got ${logprobTemperature}`);
  }
  const askedIds = request.promptLogprobIds ?? [];
  if (askedIds.length > maxAskedIds) {
    throw new RangeError(`promptLogprobIds has ${askedIds.length} ids, at most ${maxAskedIds} are taken`);
  }
  for (const id of askedIds) checkId(id, limits, "promptLogprobIds");
  const from = whole("promptLogprobsFrom", 0, 0, prompt.length - 1);
  if (request.promptLogprobs === undefined && (from > 0 || askedIds.length > 0)) {
    throw new RangeError("promptLogprobsFrom and promptLogprobIds go with promptLogprobs, which is not given");
  }
  const alternatives = (name: "logprobs" | "promptLogprobs"): number | null =>
    request[name] === undefined ? null : whole(name, 0, 0, maxAlternatives);
  return {
    prompt,
    sampling,
    maxTokens,
    minTokens: whole("minTokens", 0, 0, Number.MAX_SAFE_INTEGER),
    ignoreEos: request.ignoreEos ?? false,
    stop,
    stopIds,
    n: whole("n", 1, 1, maxChoices),
    logprobs: alternatives("logprobs"),
    logprobTemperature,
    promptLogprobs: alternatives("promptLogprobs"),
    promptLogprobsFrom: from,
    promptLogprobIds: askedIds,
    grammar: request.grammar ?? null,
    speculate: request.speculate ?? true,
    salt: request.salt ?? "",
    priority: whole("priority", 0, -(2 ** 31), 2 ** 31),
    trace: request.trace ?? false,
  };
}

/** @param isScored nothing follows the prompt, so its last token is not read */
function checkPrompt(prompt: ArrayLike<number>, limits: RequestLimits, isScored: boolean): Int32Array {
  if (prompt.length === 0) throw new RangeError("prompt: is empty; give at least one token");
  if (prompt.length > limits.maxPositions + Number(isScored)) {
    throw new RangeError(`prompt: ${prompt.length} tokens exceed the model's ${limits.maxPositions} positions`);
  }
  for (let i = 0; i < prompt.length; i++) checkId(prompt[i] ?? Number.NaN, limits, "prompt");
  return Int32Array.from(prompt);
}

function checkId(id: number, { config }: RequestLimits, name: string): void {
  if (Number.isInteger(id) && id >= 0 && id < config.vocabSize) return;
  throw new RangeError(`${name} takes token ids from 0 to ${config.vocabSize - 1}, got ${id}`);
}
