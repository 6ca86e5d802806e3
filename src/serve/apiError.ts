/** Errors in the shape that clients of this API read: `{error: {message, type, param, code}}` with a status; infrastructure.md 7.5. */
import type { z } from "zod";

export type ErrorType =
  | "invalid_request_error"
  | "authentication_error"
  | "not_found_error"
  | "rate_limit_error"
  | "timeout_error"
  | "service_unavailable"
  | "server_error";

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: ErrorType;
    /** The parameter that is wrong, as a path: `messages[0].content`. */
    readonly param: string | null;
    readonly code: string | null;
  };
}

export class ApiError extends Error {
  readonly status: number;
  readonly type: ErrorType;
  readonly param: string | null;
  readonly code: string | null;
  /** For 429 and 503: when to come back. */
  readonly retryAfterSeconds: number | null;

  constructor(
    status: number,
    type: ErrorType,
    message: string,
    details: {
      readonly param?: string | null;
      readonly code?: string | null;
      readonly retryAfterSeconds?: number;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
    this.status = status;
    this.type = type;
    this.param = details.param ?? null;
    this.code = details.code ?? null;
    this.retryAfterSeconds = details.retryAfterSeconds ?? null;
  }

  get body(): ErrorBody {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.code } };
  }

  toResponse(): Response {
    const headers = new Headers({ "content-type": "application/json" });
    if (this.retryAfterSeconds !== null) headers.set("retry-after", String(this.retryAfterSeconds));
    if (this.status === 401) headers.set("www-authenticate", "Bearer");
    if (this.status === 413) headers.set("connection", "close");
    return new Response(JSON.stringify(this.body), { status: this.status, headers });
  }
}

/** A request that asks for something that cannot be. */
export function invalid(param: string | null, message: string, code: string | null = null): ApiError {
  return new ApiError(400, "invalid_request_error", message, { param, code });
}

/** The model's files were cut short while they were served; there may be good ones soon. */
export function damagedModel(id: string, damage: string): ApiError {
  return new ApiError(503, "service_unavailable", `the model ${id} cannot be served: ${damage}`, {
    code: "model_damaged",
    retryAfterSeconds: 10,
  });
}

/** Status of a request whose client went away; nobody reads it but the log. */
export const clientClosed = 499;

/** What of a request is not as its schema says. @param status 400, or 422 as DeepSeek's own service answers */
export function schemaError(error: z.ZodError, status: 400 | 422): ApiError {
  const issue = innermost(error.issues[0], []);
  const param = issue.path === "" ? null : issue.path;
  return new ApiError(status, "invalid_request_error", `${param ?? "the body"}: ${issue.message}`, { param });
}

/** Any failure as an error of the API: what the engine refuses is the request's mistake, everything else is ours and says nothing of itself. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof RangeError && !error.message.startsWith("internal:")) {
    return new ApiError(400, "invalid_request_error", error.message, { param: paramOf(error.message), cause: error });
  }
  return new ApiError(500, "server_error", "the server failed on this request; its log says more", {
    code: "internal_error",
    cause: error,
  });
}

/** Names of the engine's values in requests. */
const paramNames: Readonly<Record<string, string>> = {
  temperature: "temperature",
  topP: "top_p",
  topK: "top_k",
  minP: "min_p",
  repetitionPenalty: "repetition_penalty",
  frequencyPenalty: "frequency_penalty",
  presencePenalty: "presence_penalty",
  logitBias: "logit_bias",
  seed: "seed",
  maxTokens: "max_tokens",
  minTokens: "min_tokens",
  stopIds: "stop_token_ids",
  stop: "stop",
  promptLogprobs: "logprobs",
  logprobs: "logprobs",
  priority: "priority",
  prompt: "prompt",
};

function paramOf(message: string): string | null {
  for (const word of message.match(/[A-Za-z]+/g) ?? []) {
    const param = Object.hasOwn(paramNames, word) ? paramNames[word] : undefined;
    if (param !== undefined) return param;
  }
  return null;
}

interface FoundIssue {
  readonly path: string;
  readonly message: string;
}

/** Of an alternative none of whose forms fits: those that came furthest, together. */
function innermost(issue: z.core.$ZodIssue | undefined, above: readonly PropertyKey[]): FoundIssue {
  const path = [...above, ...(issue?.path ?? [])];
  if (issue?.code !== "invalid_union") return { path: pathText(path), message: issue?.message ?? "not as expected" };
  const forms = issue.errors.flatMap((form) => (form[0] ? [innermost(form[0], path)] : []));
  const longest = Math.max(...forms.map((form) => form.path.length));
  const found = forms.filter((form) => form.path.length === longest);
  const messages = [...new Set(found.map(({ message }) => message.replace(/^Invalid input: /, "")))];
  return { path: found[0]?.path ?? pathText(path), message: messages.join("; or ") || issue.message };
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === "number" ? `[${key}]` : `${i > 0 ? "." : ""}${String(key)}`)).join("");
}
