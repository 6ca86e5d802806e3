/**
 * What is asked of a model and what comes back, token by token: plain data, so that it crosses from the thread of the callers to the one
 * that owns model and cache. `Model` is what the server, the commands and the library's users hold; infrastructure.md 7.1.
 */
import type { ModelConfig } from "../model/config.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Grammar } from "./grammar/constraint.js";
import type { Sampling } from "./sampler.js";

/** Everything but the prompt may be left out. */
export interface GenerationRequest {
  /** Ids of the prompt, start-of-text token included; at least one. */
  readonly prompt: ArrayLike<number>;
  /** Default: greedy. */
  readonly sampling?: Partial<Sampling>;
  /** Most tokens to write; default: as many as the model has positions for. */
  readonly maxTokens?: number;
  /** No stop token and no stop string before this many tokens. Default 0. */
  readonly minTokens?: number;
  /** Write on after the end-of-text token. Default false. */
  readonly ignoreEos?: boolean;
  /** Text that ends a choice and is not part of it, also where it spans tokens. */
  readonly stop?: readonly string[];
  /** Tokens that end a choice, beside the end-of-text token. */
  readonly stopIds?: readonly number[];
  /** Choices to write from the same prompt; choice i takes seed + i. Default 1. */
  readonly n?: number;
  /** Log-probabilities of the tokens written, each with this many likeliest alternatives (0 to 20). Default: none. */
  readonly logprobs?: number;
  /** Temperature of the distribution that `logprobs` tells of: the sampler's own, where a policy is trained on them. Default 1, the model's. */
  readonly logprobTemperature?: number;
  /**
   * The same of the prompt's tokens. If nothing is to be written (`maxTokens` 0) the last of them is only looked at and not read, so that it
   * may stand one position beyond the model's last.
   */
  readonly promptLogprobs?: number;
  /** Position of the first prompt token whose log-probability is wanted: those before may come from the cache. Default 0. */
  readonly promptLogprobsFrom?: number;
  /** Tokens whose log-probabilities are wanted beside those of the prompt's own, at the same positions. Default: none. */
  readonly promptLogprobIds?: readonly number[];
  readonly grammar?: Grammar;
  /** Draft with the model's multi-token-prediction modules where it has them; never changes what is written. Default true. */
  readonly speculate?: boolean;
  /** Requests share cached prefixes only with those of the same salt (a tenant's name). Default "". */
  readonly salt?: string;
  /** Higher goes first, and is pre-empted last. Default 0. */
  readonly priority?: number;
  /** Tell of each token which experts it went to and whether it was drafted. Default false. */
  readonly trace?: boolean;
}

export type FinishReason = "stop" | "length" | "abort" | "error";

/** Natural logarithms of the model's own distribution: before temperature (unless one is named), penalties, bias and grammar. */
export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}

export interface TokenTrace {
  /** Written by an MTP module before the model confirmed it. */
  readonly isDrafted: boolean;
  /** Experts of each MoE layer, in layer order, for the position that this token was predicted from. */
  readonly experts: readonly (readonly number[])[];
}

export type GenerationEvent =
  | {
      /** Once, when the prompt is done. */
      readonly type: "prompt";
      readonly text: "";
      readonly promptTokens: number;
      /** Of these, taken from the prefix cache. */
      readonly cachedTokens: number;
      /** From the request to the beginning of its prompt's first pass, and from there to this event. */
      readonly queuedMs: number;
      readonly promptMs: number;
      /** Position by position from `promptLogprobsFrom` on; null for the first token, which nothing predicts. Only if asked for. */
      readonly logprobs: readonly (PositionLogprobs | null)[] | null;
    }
  | {
      readonly type: "token";
      readonly choice: number;
      readonly id: number;
      /** Text that is now certain to belong to the choice: often "", when a character or the beginning of a stop string is held back. */
      readonly text: string;
      readonly logprobs: PositionLogprobs | null;
      readonly trace: TokenTrace | null;
    }
  | {
      readonly type: "finish";
      readonly choice: number;
      /** What was held back and belongs to the choice. */
      readonly text: string;
      readonly reason: FinishReason;
      /** The stop string or the id of the stop token that was met. */
      readonly stoppedBy: string | number | null;
      /** Log-probability of the stop token that was met, if `logprobs` was asked for. */
      readonly stopLogprob: number | null;
      /** Experts of the row that the stop token followed from, if `trace` was asked for. */
      readonly stopExperts: TokenTrace["experts"] | null;
      /** Tokens written, a stop token not counted. */
      readonly completionTokens: number;
      /** For reason "error". */
      readonly error: string | null;
    };

export interface PositionLogprobs extends TokenLogprob {
  /** Likeliest first. */
  readonly top: readonly TokenLogprob[];
  /** Of `promptLogprobIds`, in their order; only if asked for. */
  readonly asked?: readonly TokenLogprob[];
}

/** Counters since the model was opened, and gauges of now. */
export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  readonly pages: {
    readonly total: number;
    readonly used: number;
    readonly cached: number;
    readonly tokensPerPage: number;
  };
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly prefixQueries: number;
  readonly prefixHits: number;
  readonly preemptions: number;
  readonly steps: number;
  readonly speculation: {
    readonly drafts: number;
    readonly draftTokens: number;
    readonly acceptedTokens: readonly number[];
  };
  readonly finished: Readonly<Record<FinishReason, number>>;
  /** Tokens each expert got, by MoE layer in layer order; the last layer's get only those prompt tokens that something follows from. */
  readonly expertLoad: readonly (readonly number[])[];
  readonly residentBytes: number;
}

export interface ModelInfo {
  /** Directory that it was read from. */
  readonly directory: string;
  /** Directory of the adapter over it; null for none. */
  readonly adapter: string | null;
  readonly config: ModelConfig;
  /** How weights and cache are kept, for people: "bfloat16", "int8", "float8_e4m3fn". */
  readonly weights: string;
  readonly cache: string;
  /** Positions a request may have, prompt and completion together. */
  readonly maxPositions: number;
}

/** A model that is open and answers. */
export interface Model {
  readonly info: ModelInfo;
  /** Null for a checkpoint without one: only ids can be asked for. */
  readonly tokenizer: Tokenizer | null;
  /** What has befallen the files of its weights while it was open, naming the file: what ran has ended with it, and nothing more runs. */
  readonly damage: string | null;
  /**
   * Events of all choices, interleaved as they come; ends after every choice has finished. Leaving the loop or aborting frees all that the
   * request holds within one step.
   * @throws RangeError naming the value that is out of range, before anything is queued; Error once the model is damaged or closed
   */
  stream(request: GenerationRequest, signal?: AbortSignal): AsyncIterable<GenerationEvent>;
  stats(): Promise<EngineStats>;
  /** Ends what runs with reason "abort" and frees the memory. */
  close(): Promise<void>;
}
