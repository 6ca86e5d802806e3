/**
 * A `Model` that writes what a test tells it to: for the form of requests and answers, for cancellation, and for errors, none of which depends
 * on what a real model would say. It counts what it holds, so that a test can see that all was given back.
 */
import { Constraint, TokenBytes } from "../../src/generate/grammar/constraint.js";
import type {
  EngineStats,
  FinishReason,
  GenerationEvent,
  GenerationRequest,
  Model,
  ModelInfo,
  PositionLogprobs,
} from "../../src/generate/request.js";
import { checkSampling, greedy } from "../../src/generate/sampler.js";
import { loadPreset } from "../../src/model/presets.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";

export interface Script {
  /** What choice i of a request is; control tokens by their spelling. */
  readonly write: (request: GenerationRequest, choice: number) => string;
  /** Between two tokens. Default 0: no waiting at all. */
  readonly stepMs?: number;
  /** Before the prompt is done. */
  readonly promptMs?: number;
  readonly maxPositions?: number;
  /** A message with which a request ends after its first token. */
  readonly failure?: string;
  readonly chatTemplate?: string;
  readonly cachedTokens?: number;
}

/** A tokenizer of single bytes and DeepSeek's control tokens. */
export function byteTokenizer(chatTemplate?: string): Tokenizer {
  const config = buildTokenizerConfig();
  return Tokenizer.fromJson(
    buildTokenizerJson([]),
    chatTemplate === undefined ? config : { ...config, chat_template: chatTemplate },
  );
}

export class ScriptedModel implements Model {
  readonly info: ModelInfo;
  readonly tokenizer: Tokenizer;
  readonly requests: GenerationRequest[] = [];
  /** Requests that hold something now, and the most that ever did. */
  running = 0;
  mostRunning = 0;
  tokens = 0;
  isClosed = false;
  damage: string | null = null;
  readonly #script: Script;
  readonly #finished: Record<FinishReason, number> = { stop: 0, length: 0, abort: 0, error: 0 };

  constructor(script: Script, directory = "models/scripted") {
    this.#script = script;
    this.tokenizer = byteTokenizer(script.chatTemplate);
    const config = { ...loadPreset("tiny"), vocabSize: this.tokenizer.vocabSize };
    const maxPositions = script.maxPositions ?? 4096;
    this.info = { directory, adapter: null, config, weights: "bfloat16", cache: "bfloat16", maxPositions };
  }

  /** The text of the newest request's prompt. */
  get lastPrompt(): string {
    return this.tokenizer.decode(Array.from(this.requests.at(-1)?.prompt ?? []));
  }

  async *stream(request: GenerationRequest, signal?: AbortSignal): AsyncGenerator<GenerationEvent> {
    checkSampling({ ...greedy, ...request.sampling });
    if (request.grammar) this.#checkGrammar(request.grammar);
    this.requests.push(request);
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      const choices = Array.from({ length: request.n ?? 1 }, (_, choice) => this.#choice(request, choice));
      await this.#wait(this.#script.promptMs ?? 0, signal);
      yield {
        type: "prompt",
        queuedMs: 0,
        promptMs: 0,
        text: "",
        promptTokens: request.prompt.length,
        cachedTokens: this.#script.cachedTokens ?? 0,
        logprobs: request.promptLogprobs === undefined ? null : this.#promptLogprobs(request),
      };
      const open = new Set(choices);
      while (open.size > 0) {
        for (const choice of [...open]) {
          await this.#wait(this.#script.stepMs ?? 0, signal);
          if (signal?.aborted) choice.end = "abort";
          else if (this.#script.failure !== undefined && choice.written > 0) choice.end = "error";
          const event = choice.next();
          if (event.type === "finish") {
            open.delete(choice);
            this.#finished[event.reason]++;
          } else this.tokens++;
          yield event;
        }
      }
    } finally {
      this.running--;
    }
  }

  async stats(): Promise<EngineStats> {
    return {
      running: this.running,
      waiting: 0,
      pages: { total: 64, used: this.running, cached: 3, tokensPerPage: 16 },
      promptTokens: this.requests.reduce((sum, { prompt }) => sum + prompt.length, 0),
      completionTokens: this.tokens,
      prefixQueries: 100,
      prefixHits: 25,
      preemptions: 2,
      steps: this.tokens,
      speculation: { drafts: 10, draftTokens: 20, acceptedTokens: [8, 5] },
      finished: { ...this.#finished },
      expertLoad: [
        [1, 3],
        [2, 2],
      ],
      residentBytes: 1000,
    };
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  #checkGrammar(grammar: NonNullable<GenerationRequest["grammar"]>): void {
    new Constraint(grammar, new TokenBytes(1, () => new Uint8Array([97]))); // refuses what the engine refuses
  }

  async #wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (ms <= 0 || signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener("abort", done);
    });
  }

  #choice(request: GenerationRequest, choice: number): ScriptedChoice {
    const text = this.#script.write(request, choice);
    const ids = Array.from(this.tokenizer.encode(text, { allowSpecial: true }));
    return new ScriptedChoice(this.tokenizer, request, choice, ids, this.#script.failure ?? null);
  }

  #promptLogprobs({ prompt, promptLogprobs = 0 }: GenerationRequest): (PositionLogprobs | null)[] {
    return Array.from(prompt, (id, i) => (i === 0 ? null : logprobsFor(id, promptLogprobs)));
  }
}

class ScriptedChoice {
  end: FinishReason | null = null;
  written = 0;
  readonly #request: GenerationRequest;
  readonly #choice: number;
  readonly #ids: readonly number[];
  readonly #decoder: ReturnType<Tokenizer["decoder"]>;
  readonly #failure: string | null;
  #text = "";
  #given = 0;

  constructor(
    tokenizer: Tokenizer,
    request: GenerationRequest,
    choice: number,
    ids: readonly number[],
    failure: string | null,
  ) {
    this.#request = request;
    this.#choice = choice;
    this.#ids = ids;
    this.#decoder = tokenizer.decoder({ skipSpecialTokens: true });
    this.#failure = failure;
  }

  next(): Extract<GenerationEvent, { type: "token" | "finish" }> {
    const { maxTokens = Number.POSITIVE_INFINITY, stop = [], logprobs, trace } = this.#request;
    const met = stop.find((each) => this.#text.includes(each));
    if (met !== undefined) return this.#finish("stop", met, this.#text.slice(0, this.#text.indexOf(met)));
    if (this.end !== null) return this.#finish(this.end, null, this.#text);
    if (this.written >= this.#ids.length) return this.#finish("stop", null, this.#text + this.#decoder.flush());
    if (this.written >= maxTokens) return this.#finish("length", null, this.#text + this.#decoder.flush());
    const id = this.#ids[this.written++] ?? 0;
    this.#text += this.#decoder.push(id);
    // Held back while it might be, or be followed by, the beginning of a stop string.
    const longest = Math.max(0, ...stop.map((each) => each.length));
    const text = this.#text.slice(this.#given, Math.max(this.#given, this.#text.length - longest));
    this.#given += text.length;
    return {
      type: "token",
      choice: this.#choice,
      id,
      text,
      logprobs: logprobs === undefined ? null : logprobsFor(id, logprobs),
      trace: trace ? { isDrafted: this.written % 2 === 0, experts: [[id % 4, 1]] } : null,
    };
  }

  #finish(reason: FinishReason, stoppedBy: string | null, whole: string): Extract<GenerationEvent, { type: "finish" }> {
    const text = reason === "error" ? "" : whole.slice(this.#given);
    const error = reason === "error" ? this.#failure : null;
    const completionTokens = this.written;
    return {
      type: "finish",
      choice: this.#choice,
      text,
      reason,
      stoppedBy,
      stopLogprob: null,
      stopExperts: null,
      completionTokens,
      error,
    };
  }
}

/** Made up, but recognisable: token id's value is -id / 1000, and the next ids are the alternatives. */
function logprobsFor(id: number, count: number): PositionLogprobs {
  const at = (of: number): { id: number; logprob: number } => ({ id: of, logprob: -of / 1000 });
  return { ...at(id), top: Array.from({ length: count }, (_, i) => at(id + i)) };
}
