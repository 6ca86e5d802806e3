/**
 * One streamed completion as a client sees it: when it was sent, when each piece of text came, and how it ended. The stream is read line by
 * line; a chunk is searched for text and not parsed, since parsing thousands of them would disturb the server on the same machine.
 */
import { type Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isObject } from "../../files/json.js";
import type { PlannedRequest } from "./loadPlan.js";

/** Whom to ask. */
export interface LoadTarget {
  /** Without a path: the API is expected below /v1. */
  readonly url: string;
  /** Name of the model in requests; null: left out. */
  readonly model: string | null;
  readonly apiKey: string | null;
}

/** Times are milliseconds of the clock of the thread that sent the request. */
export interface RequestRecord {
  readonly promptTokens: number;
  /** Tokens written: by the server's own count, else the pieces of text. */
  readonly outputTokens: number;
  /** Prompt tokens that the server says it had cached; 0 if it says nothing. */
  readonly cachedTokens: number;
  /** Of HTTP; 0 if no answer came. */
  readonly status: number;
  /** Null for an answer that came whole; else why not: the system's code, the server's kind of error, "cut short", "stopped". */
  readonly failure: string | null;
  readonly startMs: number;
  /** When each piece of text came; several in one packet came together. */
  readonly pieceMs: readonly number[];
  readonly endMs: number;
}

/** The body of a request: greedy, and exactly as many tokens as planned. */
export function completionBody({ prompt, outputTokens }: PlannedRequest, model: string | null): Buffer {
  return Buffer.from(
    JSON.stringify({
      ...(model === null ? {} : { model }),
      prompt,
      max_tokens: outputTokens,
      min_tokens: outputTokens,
      ignore_eos: true,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
}

/** Milliseconds without a byte after which an answer is given up. */
const silenceMs = 600_000;

/** Never rejects: what goes wrong is in the record. */
export function sendCompletion(
  target: LoadTarget,
  agent: Agent,
  body: Buffer,
  promptTokens: number,
  signal: AbortSignal,
): Promise<RequestRecord> {
  return new Promise((resolve) => {
    const startMs = performance.now();
    const stream = new CompletionStream();
    let status = 0;
    let isOver = false;
    const finish = (failure: string | null): void => {
      if (isOver) return;
      isOver = true;
      signal.removeEventListener("abort", stop);
      resolve({
        promptTokens,
        outputTokens: stream.usage?.outputTokens ?? stream.pieceMs.length,
        cachedTokens: stream.usage?.cachedTokens ?? 0,
        status,
        failure,
        startMs,
        pieceMs: stream.pieceMs,
        endMs: performance.now(),
      });
    };
    const stop = (): void => {
      finish("stopped");
      request.destroy();
    };
    const request = open(target, agent, body.length, (response) => {
      status = response.statusCode ?? 0;
      response.on("data", (part: Buffer) => {
        if (status === 200) stream.push(part, performance.now());
      });
      response.on("end", () => {
        if (status !== 200) finish("refused");
        else finish(stream.failure ?? (stream.isDone ? null : "cut short"));
      });
      response.on("error", (error: NodeJS.ErrnoException) => finish(error.code ?? "cut short"));
    });
    request.setNoDelay(true);
    request.setTimeout(silenceMs, () => request.destroy(Object.assign(new Error("silence"), { code: "ETIMEDOUT" })));
    request.on("error", (error: NodeJS.ErrnoException) => finish(error.code ?? "failed"));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
    request.end(body);
  });
}

function open(
  { url, apiKey }: LoadTarget,
  agent: Agent,
  bodyBytes: number,
  onResponse: (response: IncomingMessage) => void,
): ClientRequest {
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  const headers = {
    "content-type": "application/json",
    "content-length": bodyBytes,
    ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
  };
  return send(`${url}/v1/completions`, { method: "POST", agent, headers }, onResponse);
}

/** A piece of text that is not empty; quotes inside of texts are escaped, so the key cannot be part of one. */
const textField = /"text":\s*"(?!")/;

/** The events of one answer, as they come. */
export class CompletionStream {
  readonly pieceMs: number[] = [];
  usage: { readonly outputTokens: number; readonly cachedTokens: number } | null = null;
  /** Kind of the error that the server sent in place of the rest. */
  failure: string | null = null;
  /** The end was said. */
  isDone = false;
  #rest = "";

  /** Bytes of the answer, cut anywhere. @param now milliseconds */
  push(part: Buffer, now: number): void {
    // Latin-1 keeps bytes apart that UTF-8 joins, and costs nothing: what is looked for is ASCII.
    const text = this.#rest + part.toString("latin1");
    let from = 0;
    for (;;) {
      const end = text.indexOf("\n", from);
      if (end < 0) break;
      if (text.startsWith("data:", from)) this.#event(text.slice(from + 5, end).trim(), now);
      from = end + 1;
    }
    this.#rest = text.slice(from);
  }

  #event(data: string, now: number): void {
    if (data === "[DONE]") this.isDone = true;
    else if (textField.test(data)) this.pieceMs.push(now);
    else if (data.startsWith('{"error"')) this.failure = errorType(data);
    if (data.includes('"usage":{') || data.includes('"usage": {')) this.usage = usageOf(data) ?? this.usage;
  }
}

function errorType(data: string): string {
  const { error } = objectOf(data);
  return isObject(error) && typeof error.type === "string" ? error.type : "error";
}

function usageOf(data: string): CompletionStream["usage"] {
  const { usage } = objectOf(data);
  if (!isObject(usage) || typeof usage.completion_tokens !== "number") return null;
  const { prompt_tokens_details: details } = usage;
  const cached = isObject(details) ? details.cached_tokens : 0;
  return { outputTokens: usage.completion_tokens, cachedTokens: typeof cached === "number" ? cached : 0 };
}

function objectOf(data: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
