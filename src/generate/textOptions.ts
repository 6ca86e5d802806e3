/** What may be said of an answer: the fields of a request for one choice, and those of its sampling beside them. */
import type { GenerationRequest } from "./request.js";
import type { Sampling } from "./sampler.js";

/** All may be left out; sampling is greedy then. See `GenerationRequest` and `Sampling` for each. */
export interface TextOptions
  extends Partial<Sampling>,
    Pick<
      GenerationRequest,
      "maxTokens" | "minTokens" | "ignoreEos" | "stopIds" | "logprobs" | "grammar" | "speculate" | "salt" | "priority"
    > {
  /** Text, or texts, that end the answer and are not part of it. */
  readonly stop?: string | readonly string[];
  /** Ends the answer within one step; what was written until then is the result. */
  readonly signal?: AbortSignal;
}

const samplingNames: Readonly<Record<keyof Sampling, true>> = {
  temperature: true,
  topP: true,
  topK: true,
  minP: true,
  repetitionPenalty: true,
  frequencyPenalty: true,
  presencePenalty: true,
  logitBias: true,
  seed: true,
};

const requestNames: Readonly<Record<Exclude<keyof TextOptions, keyof Sampling>, true>> = {
  maxTokens: true,
  minTokens: true,
  ignoreEos: true,
  stop: true,
  stopIds: true,
  logprobs: true,
  grammar: true,
  speculate: true,
  salt: true,
  priority: true,
  signal: true,
};

/**
 * The request that the options make of a prompt; values are checked by the model. An option that is undefined counts as left out.
 * @param others names that the caller reads itself
 * @throws RangeError for a name that means nothing: in JavaScript a slip of the pen would go unseen
 */
export function requestOf(
  where: string,
  prompt: ArrayLike<number>,
  options: TextOptions,
  others: readonly string[] = [],
): GenerationRequest {
  const names = [...Object.keys(samplingNames), ...Object.keys(requestNames), ...others];
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const wrong = given.find(([name]) => !names.includes(name));
  if (wrong) throw new RangeError(`${where}: there is no option ${wrong[0]}; expected one of ${names.join(", ")}`);
  const among = (table: object): object => Object.fromEntries(given.filter(([name]) => name in table));
  const { signal, stop, ...rest } = among(requestNames) as TextOptions;
  return {
    ...rest,
    ...(stop === undefined ? {} : { stop: typeof stop === "string" ? [stop] : stop }),
    prompt,
    sampling: among(samplingNames),
  };
}
