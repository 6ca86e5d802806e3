/**
 * The body of a request as checked data. Size, encoding and depth are checked before `JSON.parse` sees it, so that neither a long body nor a
 * deeply nested one costs more than reading it.
 */
import { z } from "zod";
import { ApiError, invalid, schemaError } from "./apiError.js";
import { limits } from "./limits.js";

export interface BodyLimits {
  readonly maxBodyBytes: number;
  /** Status for a body that is JSON but not what its schema says. */
  readonly schemaErrorStatus: 400 | 422;
}

export interface ReadBody<T> {
  readonly body: T;
  /** Fields at the top that mean nothing here. Clients send many; the response names them. */
  readonly ignored: readonly string[];
}

/** @throws ApiError 400, 413 or 422 */
export async function readBody<T extends z.ZodObject>(
  request: Request,
  schema: T,
  { maxBodyBytes, schemaErrorStatus }: BodyLimits,
): Promise<ReadBody<z.infer<T>>> {
  const json = parseJson(await readText(request, maxBodyBytes));
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw schemaError(parsed.error, schemaErrorStatus);
  const given = Object.keys(json as object); // an object: the schema took it
  return { body: parsed.data, ignored: given.filter((name) => !Object.hasOwn(schema.shape, name)).slice(0, 32) };
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (request.body) {
    const reader = request.body.getReader();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        size += value.byteLength;
        if (size > maxBytes) throw tooLarge(maxBytes);
        chunks.push(value);
      }
    } catch (error) {
      if (error instanceof ApiError) throw error;
      throw invalid(null, "the body was cut short", "incomplete_body");
    }
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks, size));
  } catch {
    throw invalid(null, "the body is not UTF-8", "invalid_encoding");
  }
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(413, "invalid_request_error", `the body is larger than the ${maxBytes} bytes taken here`, {
    code: "body_too_large",
  });
}

/** @throws ApiError for what is no JSON, or is nested too deep */
export function parseJson(text: string): unknown {
  if (text.trim() === "") throw invalid(null, "the body is empty; expected a JSON object", "invalid_json");
  checkDepth(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(
      null,
      `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`,
      "invalid_json",
    );
  }
}

/** Counts brackets outside strings; whether the text is JSON at all is for the parser to say. */
function checkDepth(text: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // a string: on to its closing quote
        for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
        break;
      case 0x5b:
      case 0x7b:
        if (++depth > limits.jsonDepth) {
          throw invalid(null, `the body is nested more than ${limits.jsonDepth} deep`, "invalid_json");
        }
        break;
      case 0x5d:
      case 0x7d:
        depth--;
        break;
    }
  }
}

/** A list of token ids: checked in one loop, for it may be as long as the model's context. */
export const tokenIds = z.custom<number[]>(
  (value) =>
    Array.isArray(value) &&
    value.every((id) => typeof id === "number" && Number.isInteger(id) && id >= 0 && id < 2 ** 31),
  { error: "expected a list of token ids" },
);
