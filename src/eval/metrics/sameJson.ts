/** Whether two JSON texts hold the same value: layout and the order of keys do not matter, whole numbers of any size do. */
import { isDeepStrictEqual } from "node:util";

/** @throws RangeError if the second is no JSON; a first that is none equals nothing */
export function sameJson(got: string, expected: string): boolean {
  const wanted = parsed(expected);
  if (wanted === undefined) throw new RangeError(`expected value is no JSON: ${expected.slice(0, 80)}`);
  const value = parsed(got);
  if (value === undefined) return false;
  if (compact(got) === compact(expected)) return true;
  // Beyond 2^53 different numbers would be read as the same.
  if (/\d{16}/.test(got) || /\d{16}/.test(expected)) return false;
  return isDeepStrictEqual(withoutMinusZero(value), withoutMinusZero(wanted));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Without white space outside of strings. */
function compact(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|\s+/g, (piece) => (piece.startsWith('"') ? piece : ""));
}

function withoutMinusZero(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(withoutMinusZero);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutMinusZero(each)]));
  }
  return value;
}
