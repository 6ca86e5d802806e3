/**
 * Who can be asked to judge: a model of our own engine, or any server that speaks OpenAI's chat completions. A server that fails for a while is
 * asked again, ever later; one that keeps failing, or refuses, ends the judging with a line that says so.
 */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import { isObject } from "../../files/json.js";
import type { LanguageModel } from "../../generate/languageModel.js";
import type { AskJudge } from "./judge.js";

/** Its thoughts, if it has some, are not part of the answer. */
export function askEngine(model: LanguageModel): AskJudge {
  return async ({ messages, temperature, maxTokens, seed }, signal) => {
    signal.throwIfAborted();
    const { content } = await model.chat(messages, { temperature, maxTokens, seed, signal }).result();
    signal.throwIfAborted();
    return content;
  };
}

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

export interface JudgeEndpoint {
  /** Up to `/v1`, which may be left out. */
  readonly url: string;
  readonly model: string;
  readonly apiKey: string | null;
  /** How often a question is asked again. Default 6, over about a minute. */
  readonly retries?: number;
  /** For tests. */
  readonly post?: (url: string, key: string | null, body: object, signal: AbortSignal) => Promise<HttpAnswer>;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

const longestWaitMs = 60_000;
/** Failures that may pass. */
const passing: readonly number[] = [408, 409, 425, 429];

/** @throws RangeError for what is no address */
export function askEndpoint({ url, model, apiKey, ...options }: JudgeEndpoint): AskJudge {
  const { retries = 6, post = postJson, sleep = (ms, signal) => wait(ms, undefined, { signal }) } = options;
  const base = url.replace(/\/+$/, "");
  const where = `${/\/v\d+[^/]*$/.test(base) ? base : `${base}/v1`}/chat/completions`;
  if (!URL.canParse(where) || !where.startsWith("http")) {
    throw new RangeError(`judge: ${url} is no address of a server; expected one such as http://localhost:8000`);
  }
  return async ({ messages, temperature, maxTokens, seed }, signal) => {
    const body = { model, messages, temperature, max_tokens: maxTokens, seed };
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      let answer: HttpAnswer | null = null;
      let failure: string;
      try {
        answer = await post(where, apiKey, body, signal);
        if (answer.status >= 200 && answer.status < 300) return contentOf(answer.text, where);
        failure = `HTTP ${answer.status}: ${answer.text.slice(0, 300)}`;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof RangeError) throw error;
        failure = error instanceof Error ? error.message || String(error) : String(error);
      }
      const mayPass = answer === null || answer.status >= 500 || passing.includes(answer.status);
      if (!mayPass || tries > retries) {
        throw new RangeError(`${where}: ${failure}${tries > 1 ? `; gave up after ${tries} tries` : ""}`);
      }
      const asked = Number(answer?.retryAfter ?? Number.NaN) * 1000;
      await sleep(Math.min(longestWaitMs, Number.isFinite(asked) ? asked : 1000 * 2 ** (tries - 1)), signal);
    }
  };
}

function contentOf(text: string, where: string): string {
  let json: unknown = null;
  try {
    json = JSON.parse(text);
  } catch {
    // Told below.
  }
  const choice: unknown = isObject(json) && Array.isArray(json.choices) ? json.choices[0] : null;
  const content = isObject(choice) && isObject(choice.message) ? choice.message.content : null;
  if (typeof content === "string") return content;
  throw new RangeError(`${where}: expected choices[0].message.content, got ${JSON.stringify(text.slice(0, 200))}`);
}

/** Node's fetch gives up after five minutes without an answer, which reasons may well take. */
const postJson: NonNullable<JudgeEndpoint["post"]> = (url, key, body, signal) =>
  new Promise((resolve, reject) => {
    const content = Buffer.from(JSON.stringify(body));
    const headers = {
      "content-type": "application/json",
      "content-length": content.length,
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    };
    const send = url.startsWith("https:") ? httpsRequest : httpRequest;
    const outgoing = send(url, { method: "POST", headers, signal }, (answer) => {
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
