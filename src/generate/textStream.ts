/**
 * One choice of a request as its reader wants it: pieces of text while they come, and in the end the whole with its counts. Both are made
 * from the same events, so what was written is kept also when the reading stops early.
 */
import { modelFailure } from "./modelFailure.js";
import type { FinishReason, GenerationEvent, GenerationRequest, Model, PositionLogprobs } from "./request.js";

/** What is known of every answer once it has ended. */
export interface Completion {
  /** All tokens written, those of a stop string included. */
  readonly ids: readonly number[];
  /** "abort": the signal came, or the loop over the pieces was left. */
  readonly finishReason: Exclude<FinishReason, "error">;
  /** The stop string or the id of the stop token that was met. */
  readonly stoppedBy: string | number | null;
  readonly usage: TokenUsage;
  /** Of the tokens after the first, so without the prompt's pass; 0 for fewer than two tokens. */
  readonly tokensPerSecond: number;
  /** Of `ids`, one by one; null if they were not asked for. */
  readonly logprobs: readonly PositionLogprobs[] | null;
}

export interface TokenUsage {
  readonly promptTokens: number;
  /** Of these, taken from the prefix cache. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

/** Pieces that can be read once; the model begins with the first that is asked for. */
export class TextStream<Piece, Result> implements AsyncIterable<Piece> {
  readonly #pieces: AsyncGenerator<Piece, void>;
  readonly #result: () => Result;

  /** @param result what has come of the pieces so far */
  constructor(pieces: AsyncGenerator<Piece, void>, result: () => Result) {
    this.#pieces = pieces;
    this.#result = result;
  }

  [Symbol.asyncIterator](): AsyncIterator<Piece> {
    return this.#pieces;
  }

  /**
   * The whole: reads to the end what has not been read, so it is called after the loop over the pieces or instead of it.
   * @throws what the pieces throw: RangeError for what the model refuses, Error if it fails
   */
  async result(): Promise<Result> {
    for await (const _ of this.#pieces);
    return this.#result();
  }
}

/** Takes the events of a request for one choice and keeps count. */
export class CompletionCounter {
  readonly #ids: number[] = [];
  readonly #logprobs: PositionLogprobs[] | null;
  #failure: unknown = null;
  #finishReason: Completion["finishReason"] = "abort";
  #stoppedBy: string | number | null = null;
  #promptTokens = 0;
  #cachedTokens = 0;
  #completionTokens = 0;
  #firstMs = 0;
  #lastMs = 0;

  constructor(hasLogprobs: boolean) {
    this.#logprobs = hasLogprobs ? [] : null;
  }

  /** Texts of the events, without empty ones. @throws Error for a request that failed */
  async *read(model: Model, request: GenerationRequest, signal: AbortSignal | undefined): AsyncGenerator<string, void> {
    try {
      for await (const event of model.stream(request, signal)) {
        this.#see(model, event);
        if (event.text !== "") yield event.text;
      }
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** @throws what `read` threw: there is no result then */
  completion(): Completion {
    if (this.#failure !== null) throw this.#failure;
    const seconds = (this.#lastMs - this.#firstMs) / 1000;
    return {
      ids: this.#ids,
      finishReason: this.#finishReason,
      stoppedBy: this.#stoppedBy,
      usage: {
        promptTokens: this.#promptTokens,
        cachedTokens: this.#cachedTokens,
        completionTokens: this.#completionTokens,
      },
      tokensPerSecond: seconds > 0 ? (this.#ids.length - 1) / seconds : 0,
      logprobs: this.#logprobs,
    };
  }

  #see(model: Model, event: GenerationEvent): void {
    switch (event.type) {
      case "prompt":
        this.#promptTokens = event.promptTokens;
        this.#cachedTokens = event.cachedTokens;
        break;
      case "token":
        this.#lastMs = performance.now();
        if (this.#ids.length === 0) this.#firstMs = this.#lastMs;
        this.#ids.push(event.id);
        this.#completionTokens = this.#ids.length;
        if (event.logprobs) this.#logprobs?.push(event.logprobs);
        break;
      case "finish":
        if (event.reason === "error") throw modelFailure(model, event.error);
        this.#finishReason = event.reason;
        this.#stoppedBy = event.stoppedBy;
        this.#completionTokens = event.completionTokens;
        break;
      default:
        event satisfies never;
    }
  }
}
