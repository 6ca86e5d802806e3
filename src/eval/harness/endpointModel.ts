/**
 * A model behind OpenAI's protocol, whoever serves it. Log-likelihoods come from completions that echo their prompt with log-probabilities,
 * where the server has that; texts from completions or, with a chat template, from chat completions. What fails for a while is tried
 * again, ever later; then the evaluation stops, with what was answered kept.
 *
 * Tokens are told apart by where they begin in the text, which is the rule of encodePrompt.ts without a tokenizer: by their own bytes where
 * these add up to what was sent, else by the server's `text_offset`, in code points.
 */
import { setTimeout as wait } from "node:timers/promises";
import { isObject } from "../../files/json.js";
import { codePoints } from "./choiceMetrics.js";
import {
  type EvalModel,
  type EvalRequest,
  type EvalResponse,
  type GenerateRequest,
  type GenerateResponse,
  type LoglikelihoodResponse,
  refusal,
} from "./evalModel.js";
import { type HttpAnswer, type PostJson, postJson } from "./postJson.js";
import type { Prompt } from "./prompt.js";

export interface EndpointOptions {
  /** Up to `/v1`, which may be left out. */
  readonly url: string;
  /** Null: the only one that the server has. */
  readonly model: string | null;
  readonly apiKey: string | null;
  /** Requests under way at once. */
  readonly atOnce: number;
  /** How often a request is tried again. Default 6, over about a minute. */
  readonly retries?: number;
  /** For tests. */
  readonly post?: PostJson;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Stop texts that every server takes; more are cut from the answer here. */
const mostStops = 4;
const longestWaitMs = 120_000;

/** @throws RangeError for a server that cannot be asked, or has several models and none was named */
export async function openEndpoint(options: EndpointOptions): Promise<EndpointModel> {
  const base = baseOf(options.url);
  const caller = new Caller(base, options);
  if (options.model !== null) return new EndpointModel(caller, options.model, options.atOnce);
  const { data } = await caller.call("models", null, new AbortController().signal);
  const names = Array.isArray(data) ? data.flatMap((each) => (isObject(each) ? [String(each.id)] : [])) : [];
  const [only] = names;
  if (names.length === 1 && only !== undefined) return new EndpointModel(caller, only, options.atOnce);
  throw new RangeError(
    `${base}: the server has ${names.length} models (${names.join(", ")}); name one with --endpoint-model`,
  );
}

export class EndpointModel implements EvalModel {
  readonly id: string;
  readonly name: string;
  readonly #caller: Caller;
  readonly #model: string;
  readonly #atOnce: number;

  constructor(caller: Caller, model: string, atOnce: number) {
    this.id = `endpoint ${caller.base} ${model}`;
    this.name = model;
    this.#caller = caller;
    this.#model = model;
    this.#atOnce = atOnce;
  }

  async answer(
    requests: readonly EvalRequest[],
    onResponse: (index: number, response: EvalResponse) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    let next = 0;
    const workers = Array.from({ length: Math.min(this.#atOnce, requests.length) }, async () => {
      for (let index = next++; index < requests.length; index = next++) {
        both.throwIfAborted();
        const request = requests[index];
        if (!request) continue;
        const response = await this.#one(request, both).catch((error: unknown) => {
          both.throwIfAborted();
          throw refusal(index, error);
        });
        onResponse(index, response);
      }
    });
    try {
      await Promise.all(workers);
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(workers);
      throw error;
    }
  }

  promptAsRead(): null {
    return null;
  }

  async close(): Promise<void> {}

  async #one(request: EvalRequest, signal: AbortSignal): Promise<EvalResponse> {
    switch (request.kind) {
      case "loglikelihood": {
        const { prompt, continuation } = request;
        if (prompt.kind === "chat" || prompt.suffix !== null) {
          throw new RangeError(
            "an endpoint scores continuations of plain text alone: run tasks of log-likelihoods without a chat template",
          );
        }
        return this.#score(prompt.text, continuation, signal);
      }
      case "rolling": {
        const { logprob, tokens } = await this.#score("", request.text, signal);
        return { kind: "rolling", logprob, tokens };
      }
      case "generate":
        return this.#generate(request, signal);
      default:
        return request satisfies never;
    }
  }

  async #score(text: string, continuation: string, signal: AbortSignal): Promise<LoglikelihoodResponse> {
    if (continuation === "") throw new RangeError("a continuation is empty: nothing of it can be scored");
    const context = text.trimEnd();
    const whole = text + continuation;
    // One token is written since not every server takes 0.
    const body = { model: this.#model, prompt: whole, max_tokens: 1, temperature: 0, echo: true, logprobs: 1 };
    const answer = await this.#caller.call("completions", body, signal);
    const written = isObject(answer.usage) ? answer.usage.completion_tokens : null;
    const numWritten = typeof written === "number" ? written : null;
    return scoreOf(firstChoice(answer), { whole, context, numWritten }, this.#caller.base);
  }

  async #generate({ prompt, settings, seed }: GenerateRequest, signal: AbortSignal): Promise<GenerateResponse> {
    const { until, maxGenToks, temperature, topP, topK } = settings;
    const body = {
      model: this.#model,
      max_tokens: maxGenToks,
      temperature,
      ...(temperature > 0 ? { top_p: topP, seed } : {}),
      ...(topK > 0 ? { top_k: topK } : {}),
      ...(until.length > 0 ? { stop: until.slice(0, mostStops) } : {}),
      ...promptFields(prompt),
    };
    const route = prompt.kind === "chat" ? "chat/completions" : "completions";
    const answer = await this.#caller.call(route, body, signal);
    const { text, reason } = prompt.kind === "chat" ? chatChoice(answer) : textChoice(answer);
    const ends = until.flatMap((stop) => (text.includes(stop) ? [text.indexOf(stop)] : []));
    const usage = isObject(answer.usage) ? answer.usage : {};
    return {
      kind: "generate",
      text: text.slice(0, Math.min(text.length, ...ends)),
      isTruncated: reason === "length" && ends.length === 0,
      promptTokens: Number(usage.prompt_tokens ?? 0),
      completionTokens: Number(usage.completion_tokens ?? 0),
      cutTokens: null,
      cost: null,
    };
  }
}

/** Calls with patience. */
class Caller {
  readonly base: string;
  readonly #options: EndpointOptions;

  constructor(base: string, options: EndpointOptions) {
    this.base = base;
    this.#options = options;
  }

  async call(route: string, body: object | null, signal: AbortSignal): Promise<Record<string, unknown>> {
    const {
      apiKey,
      retries = 6,
      post = postJson,
      sleep = (ms, s) => wait(ms, undefined, { signal: s }),
    } = this.#options;
    const headers: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      let answer: HttpAnswer | null = null;
      let failure = "";
      try {
        answer = await post(`${this.base}/${route}`, headers, body, signal);
        failure = `HTTP ${answer.status}: ${answer.text.slice(0, 300)}`;
      } catch (error) {
        signal.throwIfAborted();
        failure = error instanceof Error ? error.message || String(error) : String(error);
      }
      if (answer && answer.status >= 200 && answer.status < 300) return parsed(answer.text, `${this.base}/${route}`);
      const mayHelp = answer === null || answer.status >= 500 || [408, 409, 425, 429].includes(answer.status);
      if (!mayHelp || tries > retries) {
        const hint = answer?.status === 401 ? " (the key is read from OPENAI_API_KEY)" : "";
        const often = tries > 1 ? ` after ${tries} tries` : "";
        throw new RangeError(`${this.base}/${route}: ${failure}${hint}${often}`);
      }
      await sleep(waitMs(tries, answer?.retryAfter ?? null), signal);
    }
  }
}

function baseOf(url: string): string {
  const base = url.replace(/\/+$/, "");
  return /\/v\d+[^/]*$/.test(base) ? base : `${base}/v1`;
}

/** 1, 2, 4, ... seconds, or as long as the server asks for. */
function waitMs(tries: number, retryAfter: string | null): number {
  const asked = retryAfter === null ? Number.NaN : Number(retryAfter) * 1000;
  return Math.min(longestWaitMs, Number.isFinite(asked) ? asked : 1000 * 2 ** (tries - 1));
}

function parsed(text: string, where: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw new RangeError(`${where}: expected a JSON object, got ${JSON.stringify(text.slice(0, 200))}`);
}

function promptFields(prompt: Prompt): Record<string, unknown> {
  if (prompt.kind === "text") {
    return { prompt: prompt.text, ...(prompt.suffix === null ? {} : { suffix: prompt.suffix }) };
  }
  if (prompt.answerStart === "") return { messages: prompt.messages };
  throw new RangeError("chat completions cannot begin an answer (gen_prefix): run this task without a chat template");
}

function firstChoice(answer: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const choice: unknown = Array.isArray(answer.choices) ? answer.choices[0] : null;
  if (isObject(choice)) return choice;
  throw new RangeError(`the server's answer has no choices: ${JSON.stringify(answer).slice(0, 200)}`);
}

function textChoice(answer: Readonly<Record<string, unknown>>): { readonly text: string; readonly reason: unknown } {
  const { text, finish_reason: reason } = firstChoice(answer);
  return { text: typeof text === "string" ? text : "", reason };
}

function chatChoice(answer: Readonly<Record<string, unknown>>): { readonly text: string; readonly reason: unknown } {
  const { message, finish_reason: reason } = firstChoice(answer);
  const content = isObject(message) ? message.content : null;
  return { text: typeof content === "string" ? content : "", reason };
}

interface EchoedText {
  /** What was sent. */
  readonly whole: string;
  /** What of it the continuation follows. */
  readonly context: string;
  /** Tokens behind the echo; null: not told, so those that begin at the text's end or later. */
  readonly numWritten: number | null;
}

/** Adds up the echoed tokens of the continuation. */
function scoreOf(choice: Readonly<Record<string, unknown>>, echo: EchoedText, base: string): LoglikelihoodResponse {
  const lists = isObject(choice.logprobs) ? choice.logprobs : {};
  const { tokens, token_logprobs: values, top_logprobs: tops, text_offset: offsets } = lists;
  if (
    !Array.isArray(tokens) ||
    !Array.isArray(values) ||
    !Array.isArray(offsets) ||
    !Array.isArray(tops) ||
    tokens.length < 2
  ) {
    throw new RangeError(
      `${base}: the server gives no log-probabilities of a prompt (completions with echo and logprobs), which tasks of log-likelihoods ` +
        "need; tasks that generate work without",
    );
  }
  // Some servers list the token that begins a document, and count its spelling in what follows.
  const first = values[0] === null && !echo.whole.startsWith(String(tokens[0])) ? 1 : 0;
  const own = bytePlaces(tokens.slice(first).map(String), echo);
  const places = own ?? offsetPlaces(offsets.slice(first).map(Number), echo);
  const behind = places.inText.filter((i) => (places.begins[i] ?? 0) >= places.from);
  // One token at least is scored, also when it holds a part of the context.
  const scored = behind.length > 0 ? behind : places.inText.slice(-1);
  let [logprob, isGreedy] = [0, true];
  for (const i of scored) {
    const value: unknown = values[first + i];
    const top: unknown = tops[first + i];
    if (typeof value !== "number" || !isObject(top)) {
      throw new RangeError(
        `${base}: the server gives no log-probability of a text's first token (it puts no begin token before it), so nothing without ` +
          "context can be scored",
      );
    }
    logprob += value;
    isGreedy &&= value >= Math.max(...Object.values(top).map(Number));
  }
  return { kind: "loglikelihood", logprob, isGreedy, tokens: scored.length, cutTokens: null };
}

interface Places {
  /** Where each token begins. */
  readonly begins: readonly number[];
  /** Where the continuation does. */
  readonly from: number;
  /** Tokens of what was sent. */
  readonly inText: readonly number[];
}

/** In bytes; null if the tokens do not spell what was sent (parts of characters are `bytes:\xe2\x82`, as at OpenAI). */
function bytePlaces(tokens: readonly string[], { whole, context }: EchoedText): Places | null {
  const wanted = Buffer.from(whole);
  const pieces: Buffer[] = [];
  const begins: number[] = [];
  let end = 0;
  for (const token of tokens) {
    if (end >= wanted.length) break;
    const hex = /^bytes:((?:\\x[0-9a-f]{2})+)$/i.exec(token)?.[1];
    const piece = hex === undefined ? Buffer.from(token) : Buffer.from(hex.replaceAll("\\x", ""), "hex");
    begins.push(end);
    pieces.push(piece);
    end += piece.length;
  }
  if (!Buffer.concat(pieces).equals(wanted)) return null;
  return { begins, from: Buffer.byteLength(context), inText: begins.map((_, i) => i) };
}

function offsetPlaces(offsets: readonly number[], { whole, context, numWritten }: EchoedText): Places {
  const shift = offsets[0] ?? 0;
  const begins = offsets.map((offset) => offset - shift);
  const end = codePoints(whole);
  const isEchoed = (begin: number, i: number): boolean =>
    numWritten === null ? begin < end : i < offsets.length - numWritten;
  return {
    begins,
    from: codePoints(context),
    inText: begins.flatMap((begin, i) => (isEchoed(begin, i) ? [i] : [])),
  };
}
