/**
 * A model behind OpenAI's chat completions, whoever serves it. What fails for a while (no connection, 408, 409, 425, 429, 5xx) is tried again, ever
 * later, or when the server says; what cannot succeed is an error at once.
 */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import { isObject } from "../../files/json.js";
import { thinkBegin, thinkEnd } from "../../tokenizer/specialTokens.js";
import { inlineThought } from "../data/thoughts.js";
import type { Answered, Expert, Question } from "./expert.js";

export interface EndpointOptions {
  /** Up to `/v1`, which may be left out. */
  readonly url: string;
  readonly model: string;
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

interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

export class EndpointExpert implements Expert {
  readonly name: string;
  readonly atOnce: number;
  readonly #options: EndpointOptions;
  readonly #url: string;

  /** @throws RangeError for what is no address */
  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#url = `${baseOf(options.url)}/chat/completions`;
    this.name = options.model;
    this.atOnce = options.atOnce;
  }

  async ask({ name, messages, temperature, topP, maxTokens, seed }: Question, signal: AbortSignal): Promise<Answered> {
    const { model } = this.#options;
    const body = { model, messages, temperature, top_p: topP, max_tokens: maxTokens, seed };
    return answeredOf(await this.#call(name, body, signal), `${name}: ${this.#url}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #call(name: string, body: object, signal: AbortSignal): Promise<string> {
    const { apiKey, retries, firstWaitMs, timeoutMs } = this.#options;
    const headers: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      let answer: HttpAnswer | null = null;
      let failure = "";
      const limit = AbortSignal.timeout(timeoutMs);
      try {
        answer = await post(this.#url, headers, body, AbortSignal.any([signal, limit]));
        failure = `HTTP ${answer.status}: ${answer.text.slice(0, 300)}`;
      } catch (error) {
        signal.throwIfAborted();
        failure = limit.aborted ? `no answer within ${timeoutMs / 1000} s` : reasonOf(error);
      }
      if (answer && answer.status >= 200 && answer.status < 300) return answer.text;
      const mayHelp = answer === null || answer.status >= 500 || [408, 409, 425, 429].includes(answer.status);
      if (!mayHelp || tries > retries) {
        const often = tries === 1 ? "" : `, ${tries} times`;
        throw new RangeError(`${name}: ${this.#url}: ${failure}${often}`);
      }
      const backoff = Math.min(longestWaitMs, firstWaitMs * 2 ** (tries - 1));
      await wait(waitOf(answer?.retryAfter ?? null) ?? backoff, undefined, { signal }).catch(() => {});
    }
  }
}

/** One request; Node's own fetch gives up after five minutes without an answer, which a long thought may take. */
function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: object,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const content = Buffer.from(JSON.stringify(body));
    const all = {
      accept: "application/json",
      "content-type": "application/json",
      "content-length": content.length,
      ...headers,
    };
    const send = url.startsWith("https:") ? httpsRequest : httpRequest;
    const outgoing = send(url, { method: "POST", headers: all, signal }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on("data", (piece: Buffer) => pieces.push(piece));
      answer.on("error", reject);
      answer.on("end", () => {
        const retryAfter = answer.headers["retry-after"] ?? null;
        resolve({ status: answer.statusCode ?? 0, retryAfter, text: Buffer.concat(pieces).toString("utf8") });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(content);
  });
}

/** @throws RangeError for what is no chat completion */
function answeredOf(text: string, at: string): Answered {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RangeError(`${at}: expected JSON, got ${JSON.stringify(text.slice(0, 100))}`);
  }
  const choice: unknown = isObject(value) && Array.isArray(value.choices) ? value.choices[0] : null;
  const message = isObject(choice) ? choice.message : null;
  if (!isObject(value) || !isObject(choice) || !isObject(message)) {
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
