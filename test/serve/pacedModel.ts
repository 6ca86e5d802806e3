/**
 * A `Model` whose pace is known: so many milliseconds for each prompt token that it has not read before, so many between the tokens it writes,
 * more of both while a long prompt is read beside other requests. For what is measured through a server.
 */
import type { EngineStats, GenerationEvent, GenerationRequest, Model, ModelInfo } from "../../src/generate/request.js";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { ScriptedModel } from "./scriptedModel.js";

export interface Pace {
  readonly promptTokenMs: number;
  readonly tokenMs: number;
  /** Prompts from here on are long. */
  readonly longTokens: number;
  /** How many times slower a long prompt is beside others. */
  readonly besideTimes: number;
  /** Between tokens while a long prompt is read. */
  readonly besideTokenMs: number;
}

export class PacedModel implements Model {
  readonly info: ModelInfo;
  readonly tokenizer: Tokenizer;
  readonly damage = null;
  readonly #pace: Pace;
  readonly #inner = new ScriptedModel({ write: () => "" });
  readonly #seen: string[] = [];
  #numRunning = 0;
  #numLong = 0;

  constructor(pace: Pace, maxPositions: number) {
    this.#pace = pace;
    this.info = { ...this.#inner.info, maxPositions };
    this.tokenizer = this.#inner.tokenizer;
  }

  async *stream(request: GenerationRequest, signal?: AbortSignal): AsyncGenerator<GenerationEvent> {
    const { promptTokenMs, tokenMs, longTokens, besideTimes, besideTokenMs } = this.#pace;
    const promptTokens = request.prompt.length;
    const isLong = promptTokens >= longTokens;
    const isBeside = this.#numRunning > 0;
    this.#numRunning++;
    if (isLong) this.#numLong++;
    try {
      const cachedTokens = this.#cached(request.prompt);
      await wait((promptTokens - cachedTokens) * promptTokenMs * (isLong && isBeside ? besideTimes : 1));
    } finally {
      if (isLong) this.#numLong--;
    }
    try {
      yield {
        type: "prompt",
        text: "",
        promptTokens,
        cachedTokens: this.#cached(request.prompt),
        queuedMs: 0,
        promptMs: 0,
        logprobs: null,
      };
      const { maxTokens = 1 } = request;
      for (let i = 0; i < maxTokens; i++) {
        if (i > 0) await wait(this.#numLong > 0 ? besideTokenMs : tokenMs);
        if (signal?.aborted) break;
        yield { type: "token", choice: 0, id: 100, text: "x", logprobs: null, trace: null };
      }
      const reason = signal?.aborted ? "abort" : "length";
      yield {
        type: "finish",
        choice: 0,
        text: "",
        reason,
        stoppedBy: null,
        stopLogprob: null,
        stopExperts: null,
        completionTokens: maxTokens,
        error: null,
      };
    } finally {
      this.#numRunning--;
      this.#seen.push(Array.from(request.prompt).join());
    }
  }

  stats(): Promise<EngineStats> {
    return this.#inner.stats();
  }

  async close(): Promise<void> {}

  /** Whole pages of 16 tokens that an earlier prompt began with. */
  #cached(prompt: ArrayLike<number>): number {
    const ids = Array.from(prompt);
    for (let tokens = 16 * Math.floor((ids.length - 1) / 16); tokens > 0; tokens -= 16) {
      const head = `${ids.slice(0, tokens).join()},`;
      if (this.#seen.some((seen) => seen.startsWith(head))) return tokens;
    }
    return 0;
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
