/**
 * Values that leave or enter a guest, as trees of JSON (pythonCodec.ts, javascriptCodec.ts), and their comparison with what was expected.
 * A tree comes from untrusted code: it is read as data, and whatever is not understood equals nothing.
 */
import type { Language } from "./program.js";

/** @throws RangeError for what JSON has no value for */
export function toTree(value: unknown): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return isSafe(value) ? Number(value) : ["i", hexadecimal(value)];
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return ["f", Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf"];
    return value;
  }
  if (Array.isArray(value)) return ["l", ...value.map(toTree)];
  if (typeof value === "object") return ["d", ...Object.entries(value).map(([key, item]) => [key, toTree(item)])];
  throw new RangeError(`sandbox: an argument is a ${typeof value}, which cannot be sent to a program`);
}

/**
 * Whether a returned value is the expected JSON value. Tuples count as lists and, in Python, True as 1, as they do there; keys of a
 * dict are compared as the text JSON would make of them. Two numbers may differ by `tolerance` times the larger of 1 and the expected.
 */
export function matches(tree: unknown, expected: unknown, language: Language, tolerance: number): boolean {
  const number = numberOf(tree, language);
  if (typeof expected === "number" || typeof expected === "bigint")
    return number !== null && near(number, expected, tolerance);
  if (typeof expected === "boolean") {
    if (typeof tree === "boolean") return tree === expected;
    return language === "python" && number !== null && Number(number) === Number(expected);
  }
  if (expected === null) return tree === null;
  if (expected === undefined) return Array.isArray(tree) && tree[0] === "u";
  if (typeof expected === "string") return tree === expected;
  if (!Array.isArray(tree)) return false;
  const [kind, ...items] = tree as unknown[];
  if (Array.isArray(expected)) {
    if (kind !== "l" && kind !== "t") return false;
    return (
      items.length === expected.length && items.every((item, i) => matches(item, expected[i], language, tolerance))
    );
  }
  if (typeof expected !== "object" || kind !== "d") return false;
  const wanted = new Map(Object.entries(expected));
  if (items.length !== wanted.size) return false;
  return items.every((pair) => {
    if (!Array.isArray(pair)) return false;
    const key = keyText(pair[0], language);
    if (key === null || !wanted.has(key)) return false;
    const value = wanted.get(key);
    wanted.delete(key);
    return matches(pair[1], value, language, tolerance);
  });
}

/** A value for a message, short. */
export function describeTree(tree: unknown): string {
  const text = JSON.stringify(plain(tree, 0)) ?? "undefined";
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}

function plain(tree: unknown, depth: number): unknown {
  if (!Array.isArray(tree)) return tree;
  if (depth > 20) return "...";
  const [kind, ...items] = tree as unknown[];
  switch (kind) {
    case "l":
    case "t":
      return items.slice(0, 50).map((item) => plain(item, depth + 1));
    case "d":
      return Object.fromEntries(
        items
          .slice(0, 50)
          .flatMap((pair) =>
            Array.isArray(pair) ? [[keyText(pair[0], "python") ?? "?", plain(pair[1], depth + 1)]] : [],
          ),
      );
    case "i":
      return Number(numberOf(tree, "javascript"));
    case "f":
      return items[0];
    case "h":
      return `<${String(items[3])} object>`;
    default:
      return `<value of kind ${String(kind)}>`;
  }
}

function keyText(tree: unknown, language: Language): string | null {
  if (typeof tree === "string") return tree;
  if (typeof tree === "boolean") return String(tree);
  if (tree === null) return "null";
  const number = numberOf(tree, language);
  return number === null ? null : String(number);
}

function numberOf(tree: unknown, language: Language): number | bigint | null {
  if (typeof tree === "number") return tree;
  if (typeof tree === "boolean") return language === "python" ? Number(tree) : null;
  if (!Array.isArray(tree) || typeof tree[1] !== "string") return null;
  if (tree[0] === "i") {
    const found = /^(-?)(0x[0-9a-f]+)$/.exec(tree[1]);
    return found?.[2] === undefined ? null : found[1] === "-" ? -BigInt(found[2]) : BigInt(found[2]);
  }
  if (tree[0] === "f") {
    const found = { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, "-inf": Number.NEGATIVE_INFINITY, "-0": -0 }[
      tree[1]
    ];
    return found ?? null;
  }
  return null;
}

function near(got: number | bigint, expected: number | bigint, tolerance: number): boolean {
  // Mixed comparison of number and bigint is exact.
  // biome-ignore lint/suspicious/noDoubleEquals: === is false between the two types
  if (got == expected) return true;
  if (typeof got === "number" && Number.isNaN(got)) return typeof expected === "number" && Number.isNaN(expected);
  return (
    tolerance > 0 && Math.abs(Number(got) - Number(expected)) <= tolerance * Math.max(1, Math.abs(Number(expected)))
  );
}

function isSafe(value: bigint): boolean {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
}

function hexadecimal(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}
