/** The decimal spellings of the integers of a range, as an automaton. */
import { byteRange, choice, type Fragment, literal, repeat, sequence } from "./automaton.js";

const digit = byteRange(0x30, 0x39);
/** Digits of the longest integers that an open range has. */
const mostDigits = 16;

/** @param low integer or -Infinity @param high integer or Infinity, not below `low` */
export function integersBetween(low: number, high: number): Fragment {
  const parts: Fragment[] = [];
  if (low < 0) {
    const [from, to] = [high < 0 ? -high : 1, low === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : -low];
    parts.push(sequence(literal("-"), positive(from, to)));
  }
  if (low <= 0 && high >= 0) parts.push(literal("0"));
  if (high > 0) parts.push(positive(Math.max(1, low), high));
  return choice(...parts);
}

/** Integers from `low` (at least 1) to `high`. */
function positive(low: number, high: number): Fragment {
  const parts: Fragment[] = [];
  const last = high === Number.POSITIVE_INFINITY ? 10 ** mostDigits - 1 : high;
  for (let count = String(low).length; count <= String(last).length; count++) {
    const from = Math.max(low, 10 ** (count - 1));
    const to = Math.min(last, 10 ** count - 1);
    if (from <= to) parts.push(equallyLong(String(from), String(to)));
  }
  return choice(...parts);
}

/** Numbers between two of the same length: by the first digit, whose ends alone bind the digits after it. */
function equallyLong(low: string, high: string): Fragment {
  const rest = low.length - 1;
  const [first, last] = [low.charCodeAt(0), high.charCodeAt(0)];
  if (rest === 0) return byteRange(first, last);
  const [zeros, nines] = ["0".repeat(rest), "9".repeat(rest)];
  if (low.slice(1) === zeros && high.slice(1) === nines)
    return sequence(byteRange(first, last), repeat(digit, rest, rest));
  if (first === last) return sequence(byteRange(first), equallyLong(low.slice(1), high.slice(1)));
  const parts = [sequence(byteRange(first), equallyLong(low.slice(1), nines))];
  if (last - first > 1) parts.push(sequence(byteRange(first + 1, last - 1), repeat(digit, rest, rest)));
  parts.push(sequence(byteRange(last), equallyLong(zeros, high.slice(1))));
  return choice(...parts);
}
