/**
 * A model behind OpenAI's chat completions, whoever serves it. What fails for a while (no connection, 408, 409, 425, 429, 5xx) is tried again, ever
 * later, or when the server says; what cannot succeed is an error at once.
 */
import { setTimeout as wait } from "node:timers/promises";
import { type HttpAnswer, postJson } from "../../eval/harness/postJson.js";
import { isObject } from "../../files/json.js";
import { thinkBegin, thinkEnd } from "../../tokenizer/specialTokens.js";
import { inlineThought } from "../data/thoughts.js";
import type { Answered, Expert, Question } from "./expert.js";

export interface EndpointOptions {
  /** Up to `/v1`, which may be left out. */
  readonly url: string;
  /** Null: the only one that the server has. */
  readonly model: string | null;
  /** Null: none is sent. */
  readonly apiKey: string | null;
  readonly atOnce: number;
  /** How often a question is asked again. */
  readonly retries: number;
  /** Before the first time; doubled each time, up to a minute. */
  readonly firstWaitMs: number;
  readonly timeoutMs: number;
}

export const defaultEndpoint = { atOnce: 8, retries: 6, firstWaitMs: 1000, timeoutMs: 600_000 } as const;

const longestWaitMs = 60_000;

export class EndpointExpert implements Expert {
  readonly name: string;
  readonly atOnce: number;
  readonly #options: EndpointOptions;
  readonly #base: string;

  private constructor(base: string, name: string, options: EndpointOptions) {
    this.#options = options;
    this.#base = base;
    this.name = name;
    this.atOnce = options.atOnce;
  }

  /** @throws RangeError for what is no address; for a server that cannot be asked, or has several models and none was named */
  static async open(options: EndpointOptions, signal: AbortSignal): Promise<EndpointExpert> {
    const base = baseOf(options.url);
    if (options.model !== null) return new EndpointExpert(base, options.model, options);
    const models = parsed(await call(`${base}/models`, null, options, signal), `${base}/models`);
    const names = Array.isArray(models.data) ? models.data.map((each) => (isObject(each) ? String(each.id) : "")) : [];
    const [only] = names;
    if (names.length === 1 && only !== undefined) return new EndpointExpert(base, only, options);
    throw new RangeError(
      `${base}: the server has ${names.length} models (${names.join(", ")}); name one with --endpoint-model`,
    );
  }

  async ask({ name, messages, temperature, topP, maxTokens, seed }: Question, signal: AbortSignal): Promise<Answered> {
    const body = { model: this.name, messages, temperature, top_p: topP, max_tokens: maxTokens, seed };
    const url = `${this.#base}/chat/completions`;
    try {
      return answeredOf(await call(url, body, this.#options, signal), url);
    } catch (error) {
      signal.throwIfAborted();
      throw new RangeError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A request, with patience. @param body null: GET @throws RangeError for a failure that lasts; the signal's reason */
async function call(
  url: string,
  body: object | null,
  { apiKey, retries, firstWaitMs, timeoutMs }: EndpointOptions,
  signal: AbortSignal,
): Promise<string> {
  const headers: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    let answer: HttpAnswer | null = null;
    let failure = "";
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      answer = await postJson(url, headers, body, AbortSignal.any([signal, limit]));
      failure = `HTTP ${answer.status}: ${answer.text.slice(0, 300)}`;
    } catch (error) {
      signal.throwIfAborted();
      failure = limit.aborted ? `no answer within ${timeoutMs / 1000} s` : reasonOf(error);
    }
    if (answer && answer.status >= 200 && answer.status < 300) return answer.text;
    const mayHelp = answer === null || answer.status >= 500 || [408, 409, 425, 429].includes(answer.status);
    if (!mayHelp || tries > retries) throw new RangeError(`${url}: ${failure}${tries === 1 ? "" : `, ${tries} times`}`);
    const backoff = Math.min(longestWaitMs, firstWaitMs * 2 ** (tries - 1));
    await wait(waitOf(answer?.retryAfter ?? null) ?? backoff, undefined, { signal }).catch(() => {});
  }
}

/** @throws RangeError for what is no chat completion */
function answeredOf(text: string, at: string): Answered {
  const value = parsed(text, at);
  const choice: unknown = Array.isArray(value.choices) ? value.choices[0] : null;
  const message = isObject(choice) ? choice.message : null;
  if (!isObject(choice) || !isObject(message)) {
    throw new RangeError(`${at}: expected choices[0].message, got ${text.slice(0, 200)}`);
  }
  const reason = choice.finish_reason;
  if (reason !== "stop" && reason !== "length") {
    throw new RangeError(`${at}: expected finish_reason stop or length, got ${JSON.stringify(reason) ?? "nothing"}`);
  }
  const tokens = isObject(value.usage) ? value.usage.completion_tokens : null;
  if (typeof tokens !== "number") throw new RangeError(`${at}: the answer has no usage.completion_tokens`);
  const content = typeof message.content === "string" ? message.content : "";
  const thought = message.reasoning_content ?? message.reasoning;
  const completion = typeof thought === "string" && thought !== "" ? joined(thought, content) : opened(content);
  return { completion, finish_reason: reason, token_count: tokens };
}

/** Thought and answer that the server gives apart, as a model writes them. */
function joined(thought: string, content: string): string {
  return inlineThought(thought.trim(), false) + content.replace(/^[\r\n]+/, "");
}

/** Where the server's template opens the thought, its tag is not in the answer. */
function opened(content: string): string {
  const isOpen = content.includes(thinkEnd) && !content.trimStart().startsWith(thinkBegin);
  return isOpen ? `${thinkBegin}\n${content.replace(/^\n/, "")}` : content;
}

function parsed(text: string, at: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw new RangeError(`${at}: expected a JSON object, got ${JSON.stringify(text.slice(0, 100))}`);
}

function baseOf(url: string): string {
  if (!/^https?:\/\/[^/]/.test(url)) throw new RangeError(`${url}: expected http://HOST or https://HOST, up to /v1`);
  const base = url.replace(/\/+$/, "").replace(/\/chat\/completions$/, "");
  return /\/v\d+$/.test(base) ? base : `${base}/v1`;
}

/** Seconds, or a date; null where the server says nothing. */
function waitOf(retryAfter: string | null): number | null {
  if (retryAfter === null) return null;
  const ms = /^\d+(\.\d+)?$/.test(retryAfter.trim()) ? 1000 * Number(retryAfter) : Date.parse(retryAfter) - Date.now();
  return Number.isFinite(ms) ? Math.min(longestWaitMs, Math.max(0, ms)) : null;
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message || String(error) : String(error);
}
