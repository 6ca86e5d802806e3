/** JSON from outside: files whose content nobody has checked yet. */
import { readFileSync } from "node:fs";

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @throws RangeError naming the file, if it cannot be read or is not JSON */
export function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new RangeError(`${path}: cannot be read (${code === "ENOENT" ? "no such file" : code})`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RangeError(`${path}: not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
