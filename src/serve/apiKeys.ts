/** Bearer tokens. Hashes are compared, all of them each time, so that the time taken tells nothing of a key. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { ApiError } from "./apiError.js";

/** Lets requests with one of the keys pass. */
export function requireKey(keys: readonly string[]): MiddlewareHandler {
  const hashes = keys.map(hashOf);
  return async (c, next) => {
    const given =
      /^Bearer +(\S.*)$/i.exec(c.req.header("authorization") ?? "")?.[1]?.trim() ?? c.req.header("x-api-key");
    const hash = hashOf(given ?? "");
    let isKnown = false;
    for (const each of hashes) if (timingSafeEqual(each, hash)) isKnown = true;
    if (given === undefined || !isKnown) {
      const message =
        given === undefined ? "an API key is needed: Authorization: Bearer KEY" : "the API key is not known";
      throw new ApiError(401, "authentication_error", message, { code: "invalid_api_key" });
    }
    await next();
  };
}

function hashOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

/** Keys of a file, one a line; empty lines and those with # are left out. @throws RangeError for one that no header can carry */
export function parseKeys(text: string, file: string): string[] {
  const keys = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const wrong = keys.findIndex((key) => !/^[\x21-\x7e]{8,512}$/.test(key));
  if (wrong >= 0) throw new RangeError(`${file}: key ${wrong + 1}: expected 8 to 512 visible ASCII characters`);
  return keys;
}
