/**
 * The shape of an answer: a value, a point or interval, a set or list, a union, an equation or inequality, a matrix, or words. Reads
 * cleaned text (clean.ts) from the outside in, splitting at what stands outside of all brackets. Spec: post-training.md section 5.5,
 * level 3.
 */
import { type Expression, NotMaths, parseExpression } from "./expression.js";

export type Relation = "=" | "<" | ">" | "\\le" | "\\ge" | "\\ne";

export type Answer =
  | { readonly kind: "expression"; readonly expression: Expression; readonly text: string }
  /** A point or an interval: the brackets count, and so does the order. */
  | { readonly kind: "tuple"; readonly open: string; readonly close: string; readonly items: readonly Answer[] }
  /** Braces or none: the order does not count. */
  | { readonly kind: "list"; readonly isSet: boolean; readonly items: readonly Answer[] }
  | { readonly kind: "union"; readonly items: readonly Answer[] }
  | { readonly kind: "relation"; readonly relations: readonly Relation[]; readonly sides: readonly Expression[] }
  | { readonly kind: "matrix"; readonly rows: readonly (readonly Answer[])[] }
  | { readonly kind: "text"; readonly text: string };

const maxItems = 200;

export function parseAnswer(text: string): Answer {
  return (
    matrixOf(text) ??
    unionOf(text) ??
    relationOf(text) ??
    bracketedOf(text) ??
    listOf(text) ??
    expressionOf(text) ?? { kind: "text", text }
  );
}

function matrixOf(text: string): Answer | null {
  const found = /^\\begin\s*\{([pbBvV]?matrix|smallmatrix|array)\}(?:\s*\{[lcr| ]*\})?(.*)\\end\s*\{\1\}$/s.exec(text);
  if (found?.[2] === undefined || found[2].includes("\\begin")) return null;
  const rows = found[2]
    .split("\\cr")
    .map((row) => row.trim())
    .filter((row, i, all) => row !== "" || i < all.length - 1);
  const cells = rows.map((row) => row.split("&").map((cell) => parseAnswer(cell.trim())));
  return cells.flat().length > maxItems ? null : { kind: "matrix", rows: cells };
}

function unionOf(text: string): Answer | null {
  const parts = splitOutside(text, [["\\cup", "\\cup"]]).parts;
  return parts.length < 2 || parts.length > maxItems ? null : { kind: "union", items: parts.map(parseAnswer) };
}

const relationSigns: readonly (readonly [sign: string, relation: string])[] = [
  ["\\approx", "="],
  ["\\equiv", "="],
  ["\\le", "\\le"],
  ["\\ge", "\\ge"],
  ["\\ne", "\\ne"],
  ["\\lt", "<"],
  ["\\gt", ">"],
  ["\\in", "\\in"],
  ["=", "="],
  ["<", "<"],
  [">", ">"],
];

function relationOf(text: string): Answer | null {
  const { parts, signs } = splitOutside(text, relationSigns);
  if (parts.length < 2 || parts.length > 10) return null;
  const last = parts.at(-1) ?? "";
  // x in [2, 5): the set is the answer.
  if (signs.at(-1) === "\\in") return parseAnswer(last);
  try {
    return { kind: "relation", relations: signs as Relation[], sides: parts.map(parseExpression) };
  } catch (error) {
    if (!(error instanceof NotMaths)) throw error;
    // What is said to be equal to a set, a point or a word is that.
    const isNamed =
      signs.every((sign) => sign === "=") &&
      /^\s*\\?[a-zA-Z]+(_\{?\w+\}?)?(\s*\(\s*[a-zA-Z]\s*\))?\s*$/.test(parts[0] ?? "");
    return isNamed && last !== "" ? parseAnswer(last) : null;
  }
}

const closing: Readonly<Record<string, readonly string[]>> = {
  "(": [")", "]"],
  "[": [")", "]"],
  "\\{": ["\\}"],
  "\\langle": ["\\rangle"],
};

function bracketedOf(text: string): Answer | null {
  const open = Object.keys(closing).find((bracket) => text.startsWith(bracket));
  const close = open && closing[open]?.find((bracket) => text.endsWith(bracket));
  if (open === undefined || close === undefined || text.length < open.length + close.length) return null;
  const inner = text.slice(open.length, text.length - close.length).trim();
  const { parts, isBalanced } = splitOutside(inner, [
    [",", ","],
    [";", ";"],
  ]);
  if (!isBalanced || parts.length > maxItems) return null;
  const items = (): Answer[] => parts.map(parseAnswer);
  if (open === "\\{") return { kind: "list", isSet: true, items: inner === "" ? [] : items() };
  if (parts.length < 2) return open === "(" && close === ")" ? parenthesized(inner) : null;
  const isAngle = open === "\\langle";
  return { kind: "tuple", open: isAngle ? "(" : open, close: isAngle ? ")" : close, items: items() };
}

/** `(A)`, `(x+1)`: the brackets say nothing. */
function parenthesized(inner: string): Answer | null {
  return inner === "" ? null : parseAnswer(inner);
}

function listOf(text: string): Answer | null {
  const { parts } = splitOutside(text.replace(/"\s*(and|or)\s*"|\b(and|or)\b/g, ","), [
    [",", ","],
    [";", ";"],
  ]);
  const items = parts.filter((part) => part !== "").flatMap(bothSigns);
  if (items.length < 2 || items.length > maxItems) return null;
  return { kind: "list", isSet: false, items: items.map(parseAnswer) };
}

/** `3 \pm 2` is two values. */
function bothSigns(text: string): string[] {
  const at = text.indexOf("\\pm");
  if (at < 0 || text.indexOf("\\pm", at + 1) >= 0) return [text];
  const [before, after] = [text.slice(0, at), text.slice(at + 3)];
  return [`${before}+${after}`, `${before}-${after}`];
}

function expressionOf(text: string): Answer | null {
  try {
    return { kind: "expression", expression: parseExpression(text), text };
  } catch (error) {
    if (error instanceof NotMaths) return null;
    throw error;
  }
}

interface Split {
  readonly parts: readonly string[];
  readonly signs: readonly string[];
  readonly isBalanced: boolean;
}

/**
 * Cuts at separators that stand outside of brackets and quotes. Round and square brackets close each other, as in intervals.
 * @param separators each with the name it is reported by
 */
function splitOutside(text: string, separators: readonly (readonly [text: string, name: string])[]): Split {
  const parts: string[] = [];
  const signs: string[] = [];
  let depth = 0;
  let isBalanced = true;
  let start = 0;
  for (let at = 0; at < text.length; ) {
    if (text[at] === '"') {
      const end = text.indexOf('"', at + 1);
      at = end < 0 ? text.length : end + 1;
      continue;
    }
    const command =
      text[at] === "\\" ? (/^\\(?:[a-zA-Z]+|.)/s.exec(text.slice(at, at + 20))?.[0] ?? "\\") : (text[at] ?? "");
    const found = depth === 0 ? separators.find(([separator]) => separator === command) : undefined;
    if (found) {
      parts.push(text.slice(start, at).trim());
      signs.push(found[1]);
      start = at + command.length;
    } else if (["(", "[", "{", "\\{", "\\langle", "\\begin"].includes(command)) depth++;
    else if ([")", "]", "}", "\\}", "\\rangle", "\\end"].includes(command)) {
      depth--;
      if (depth < 0) {
        isBalanced = false;
        depth = 0;
      }
    }
    at += command.length;
  }
  parts.push(text.slice(start).trim());
  return { parts, signs, isBalanced: isBalanced && depth === 0 };
}
