/**
 * Finds the answer in a response and compares it exactly. The last box counts, after the last `</think>`; a box within a thought that never
 * ends is none, nor is one whose braces do not close. post-training.md 5.3 and 5.4; deviation: nothing but a box is an answer here.
 */
import { thinkBegin, thinkEnd } from "../../tokenizer/specialTokens.js";
import { lastBox as lastBoxOf } from "../answers/box.js";

/** `\boxed{answer}`, as a response ends. */
export function boxed(answer: string): string {
  return `\\boxed{${answer}}`;
}

/** What follows the thoughts of a response; null if they do not end. */
export function afterThought(response: string): string | null {
  const end = response.lastIndexOf(thinkEnd);
  const rest = end < 0 ? response : response.slice(end + thinkEnd.length);
  return rest.includes(thinkBegin) ? null : rest;
}

/** What stands in the last box outside thoughts; null without one, or if it does not close. */
export function lastBox(response: string): string | null {
  const text = afterThought(response);
  const inside = text === null ? null : lastBoxOf(text);
  return inside === null ? null : unwrapped(inside);
}

/** The last fenced block of a response, whatever language it names; null without one, or if it does not close. */
export function lastFence(response: string): string | null {
  const text = afterThought(response);
  if (text === null) return null;
  let found: string | null = null;
  let open: string[] | null = null;
  for (const line of text.split("\n")) {
    if (!/^\s*```/.test(line)) open?.push(line);
    else if (open === null) open = [];
    else {
      found = open.join("\n");
      open = null;
    }
  }
  return open === null ? found : null;
}

/** Trimmed, and without the `\text{...}` or the quotes around all of it. */
function unwrapped(given: string): string {
  const text = given.trim();
  const inner = /^\\text\{([^{}]*)\}$/.exec(text)?.[1] ?? /^"([^"]*)"$/.exec(text)?.[1];
  return inner === undefined ? text : inner.trim();
}

/** A whole number, also with commas between groups of three; null if it is none. */
export function parseInteger(text: string): bigint | null {
  const plain = text.replace("\u2212", "-");
  // No answer is longer; a million digits are no reason to compute.
  if (plain.length > 40 || !/^[+-]?(\d+|\d{1,3}(,\d{3})+)$/.test(plain)) return null;
  const digits = BigInt(plain.replace(/[+,-]/g, ""));
  return plain.startsWith("-") ? -digits : digits;
}

/** A decimal number in its shortest form (4.350 as 4.35); null if it is none. */
export function parseDecimal(text: string): string | null {
  const [whole = "", ...rest] = text.split(".");
  const [fraction = ""] = rest;
  const integer = parseInteger(whole);
  if (rest.length > 1 || integer === null || (rest.length === 1 && !/^\d{1,20}$/.test(fraction))) return null;
  const decimals = fraction.replace(/0+$/, "");
  const sign = whole.startsWith("-") && integer === 0n && decimals !== "" ? "-" : "";
  return `${sign}${integer}${decimals === "" ? "" : `.${decimals}`}`;
}

/** Whole numbers separated by commas, with or without brackets around all; `[]` is empty. Null for anything else. */
export function parseIntegers(text: string): readonly bigint[] | null {
  const inner = /^\[([^[\]]*)\]$/.exec(text)?.[1] ?? text;
  if (inner.trim() === "") return text.startsWith("[") ? [] : null;
  const numbers = inner.split(",").map((part) => parseInteger(part.trim()));
  return numbers.every((number) => number !== null) ? numbers : null;
}

/** Whether the box holds this whole number. */
export function isInteger(response: string, answer: string): boolean {
  const given = lastBox(response);
  return given !== null && parseInteger(given) === BigInt(answer);
}

/** Whether the box holds these whole numbers in this order. */
export function areIntegers(response: string, answer: string): boolean {
  const given = parseIntegers(lastBox(response) ?? "");
  const wanted = parseIntegers(answer);
  if (given === null || wanted === null || given.length !== wanted.length) return false;
  return given.every((number, i) => number === wanted[i]);
}

/** Whether the box holds this text; runs of spaces count as one. */
export function isText(response: string, answer: string): boolean {
  return lastBox(response)?.replace(/\s+/g, " ") === answer;
}
