/**
 * A request while it runs: its places among those of the model, the checkpoint that answers it, its clock, and its measures. `end` gives all
 * back; the engine's events come through `generate`, which sees to it that an answer cut short is an error and not a short answer.
 */
import type { GenerationEvent, GenerationRequest } from "../generate/request.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { ApiError, apiErrorOf, damagedModel, invalid } from "./apiError.js";
import type { PromptMaker } from "./promptMaker.js";
import { requestSignal, shuttingDown } from "./requestSignal.js";
import type { Lease } from "./servedModels.js";
import type { ServerContext } from "./serverContext.js";

export interface Timings {
  /** From arrival to the end of the prompt, and from there to the last token. */
  readonly promptMs: number;
  readonly decodeMs: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly tokensPerSecond: number;
}

export class RunningRequest {
  readonly lease: Lease;
  readonly #context: ServerContext;
  readonly #clock: ReturnType<typeof requestSignal>;
  readonly #leave: () => void;
  readonly #arrival = performance.now();
  #firstToken: number | null = null;
  #lastToken: number | null = null;
  #promptTokens = 0;
  #cachedTokens = 0;
  #completionTokens = 0;
  #isOver = false;

  /**
   * @param places completions that the request asks for
   * @throws ApiError 404, 429, 503
   */
  constructor(context: ServerContext, request: Request, modelName: string | null | undefined, places: number) {
    if (context.shutdown.isDraining) throw shuttingDown();
    const model = context.models.find(modelName);
    this.#context = context;
    this.#leave = model.admission.enter(places);
    try {
      this.lease = model.acquire();
    } catch (error) {
      this.#leave();
      throw error;
    }
    this.#clock = requestSignal(request.signal, context.shutdown.signal, context.settings.requestTimeoutMs);
  }

  get signal(): AbortSignal {
    return this.#clock.signal;
  }

  /** Ends what runs: the client does not listen any more. */
  abort(): void {
    this.#clock.abort();
  }

  /** @throws ApiError for a model without tokenizer */
  get text(): { readonly tokenizer: Tokenizer; readonly prompts: PromptMaker } {
    const { model, prompts } = this.lease.opened;
    if (!model.tokenizer || !prompts) {
      throw invalid("model", `model: ${this.lease.id} has no tokenizer; text needs one`);
    }
    return { tokenizer: model.tokenizer, prompts };
  }

  /** Checks that prompt and completion fit into the model. @throws ApiError 400 */
  checkLength(promptTokens: number, maxTokens: number | null): void {
    const { maxPositions } = this.lease.opened.model.info;
    if (promptTokens + Math.max(1, maxTokens ?? 1) <= maxPositions) return;
    throw new ApiError(
      400,
      "invalid_request_error",
      `the model has ${maxPositions} positions; the prompt has ${promptTokens} tokens${
        maxTokens === null ? "" : ` and max_tokens asks for ${maxTokens} more`
      }`,
      { param: promptTokens >= maxPositions ? "prompt" : "max_tokens", code: "context_length_exceeded" },
    );
  }

  /**
   * @param grammarParam the field that a mistake in the grammar is in
   * @throws ApiError for what the engine refuses, for a time-out, a client that is gone, a shutdown, and an engine that fails
   */
  async *generate(request: GenerationRequest, grammarParam: string | null): AsyncGenerator<GenerationEvent> {
    const { metrics } = this.#context;
    const { id, opened } = this.lease;
    const lastOf = new Map<number, number>();
    metrics.observe("requestChoices", id, request.n ?? 1);
    if (request.maxTokens !== undefined) metrics.observe("requestMaxTokens", id, request.maxTokens);
    try {
      for await (const event of opened.model.stream(request, this.signal)) {
        const now = performance.now();
        switch (event.type) {
          case "prompt":
            this.#promptTokens += event.promptTokens;
            this.#cachedTokens += event.cachedTokens;
            metrics.observe("requestPromptTokens", id, event.promptTokens);
            metrics.observe("queued", id, event.queuedMs / 1000);
            metrics.observe("prefill", id, event.promptMs / 1000);
            break;
          case "token": {
            if (this.#firstToken === null) {
              this.#firstToken = now;
              metrics.observe("firstToken", id, (now - this.#arrival) / 1000);
            }
            const last = lastOf.get(event.choice);
            if (last !== undefined) metrics.observe("interToken", id, (now - last) / 1000);
            lastOf.set(event.choice, now);
            this.#lastToken = now;
            break;
          }
          case "finish":
            // What a grammar takes shows only while it is followed, and it is the request's all the same.
            if (event.error?.startsWith("the grammar is too large")) throw new RangeError(event.error);
            if (event.reason === "error") {
              if (opened.model.damage !== null) throw damagedModel(id, opened.model.damage);
              throw new ApiError(500, "server_error", "the engine failed on this request; the server's log says more", {
                code: "engine_error",
                cause: new Error(event.error ?? "no reason given"),
              });
            }
            if (event.reason === "abort") throw this.signal.reason ?? shuttingDown();
            this.#completionTokens += event.completionTokens;
            metrics.observe("requestCompletionTokens", id, event.completionTokens);
            break;
          default:
            event satisfies never;
        }
        yield event;
      }
    } catch (error) {
      if (this.signal.aborted) throw this.signal.reason;
      if (opened.model.damage !== null) throw damagedModel(id, opened.model.damage);
      throw engineError(error, request, grammarParam);
    }
    if (this.signal.aborted) throw this.signal.reason;
  }

  timings(): Timings {
    const end = this.#lastToken ?? performance.now();
    const first = this.#firstToken ?? end;
    const decodeMs = end - first;
    const written = this.#completionTokens;
    return {
      promptMs: first - this.#arrival,
      decodeMs,
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      completionTokens: written,
      tokensPerSecond: written > 1 && decodeMs > 0 ? ((written - 1) * 1000) / decodeMs : 0,
    };
  }

  /** To be called once the answer is sent or has failed. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#clock.end();
    this.lease.release();
    this.#leave();
    const { metrics } = this.#context;
    if (this.#firstToken === null || this.#lastToken === null) return;
    metrics.observe("wholeRequest", this.lease.id, (this.#lastToken - this.#arrival) / 1000);
    metrics.observe("decode", this.lease.id, (this.#lastToken - this.#firstToken) / 1000);
  }
}

/** What the engine refuses in a grammar is told of the field that the grammar came from. */
function engineError(error: unknown, request: GenerationRequest, grammarParam: string | null): ApiError {
  if (!(error instanceof RangeError) || !request.grammar || grammarParam === null) return apiErrorOf(error);
  if (!/^(schema\b|choice\b|pattern\b|the (grammar|pattern)\b)/.test(error.message)) return apiErrorOf(error);
  return new ApiError(400, "invalid_request_error", `${grammarParam}: ${error.message}`, {
    param: grammarParam,
    cause: error,
  });
}
