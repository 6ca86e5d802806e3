/**
 * What the harness asks of a model (evaluation.md 8.1) and what it takes for one: our own engine (engineModel.ts) or any endpoint that speaks
 * OpenAI's protocol (endpointModel.ts).
 */
import type { PromptCut } from "../taskFile.js";
import type { Prompt } from "./prompt.js";

/** How likely is a continuation? */
export interface LoglikelihoodRequest {
  readonly kind: "loglikelihood";
  readonly prompt: Prompt;
  readonly continuation: string;
}

/** How likely is a whole document? */
export interface RollingRequest {
  readonly kind: "rolling";
  readonly text: string;
}

export interface GenerateRequest {
  readonly kind: "generate";
  readonly prompt: Prompt;
  readonly settings: GenerationSettings;
  /** Of the sampling; 0 for the greedy, which draws nothing. */
  readonly seed: number;
  /** Which of the answers to one document this is. */
  readonly repeat: number;
}

export type EvalRequest = LoglikelihoodRequest | RollingRequest | GenerateRequest;

export interface GenerationSettings {
  readonly until: readonly string[];
  readonly maxGenToks: number;
  /** 0: the likeliest token each time. */
  readonly temperature: number;
  readonly topP: number;
  /** 0: all. */
  readonly topK: number;
  /** Default "start". */
  readonly cutPrompt?: PromptCut;
}

export interface LoglikelihoodResponse {
  readonly kind: "loglikelihood";
  /** Natural logarithm. */
  readonly logprob: number;
  /** Every token of the continuation was the likeliest. */
  readonly isGreedy: boolean;
  readonly tokens: number;
  /** Tokens of the prompt's beginning that the model had no room for; null where nobody counts them. */
  readonly cutTokens: number | null;
}

export interface RollingResponse {
  readonly kind: "rolling";
  readonly logprob: number;
  readonly tokens: number;
}

export interface GenerateResponse {
  readonly kind: "generate";
  /** Without the stop text. */
  readonly text: string;
  /** The limit of tokens ended it. */
  readonly isTruncated: boolean;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** See LoglikelihoodResponse. */
  readonly cutTokens: number | null;
  /** What it cost, where the model tells: time to read the prompt, tokens of it that were there already, memory of the process then. */
  readonly cost: { readonly promptMs: number; readonly cachedTokens: number; readonly residentBytes: number } | null;
}

export type EvalResponse = LoglikelihoodResponse | RollingResponse | GenerateResponse;

export type ResponseTo<R extends EvalRequest> = Extract<EvalResponse, { readonly kind: R["kind"] }>;

/** A request that the model cannot answer, by its index among those that were asked. */
export class RefusedRequest extends RangeError {
  readonly index: number;

  constructor(index: number, reason: RangeError) {
    super(reason.message, { cause: reason });
    this.index = index;
  }
}

/** A mistake in a request with its index; any other error as it is. */
export function refusal(index: number, error: unknown): unknown {
  return error instanceof RangeError ? new RefusedRequest(index, error) : error;
}

export interface EvalModel {
  /** Tells apart what answers differently: weights, precision, endpoint. */
  readonly id: string;
  /** For people and file names. */
  readonly name: string;
  /**
   * Answers each request, in whatever order suits the model.
   * @param onResponse gets each answer as soon as it is there, by the request's index
   * @throws the signal's reason once it is aborted; RefusedRequest for what the model cannot do
   */
  answer(
    requests: readonly EvalRequest[],
    onResponse: (index: number, response: EvalResponse) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** The prompt as the model reads it, control tokens spelled; null where nobody tells. */
  promptAsRead(request: EvalRequest): string | null;
  close(): Promise<void>;
}
