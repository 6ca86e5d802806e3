/**
 * Exact match and F1 of DROP: an answer is a list of spans, a span a set of normalised tokens, and predicted spans are paired with gold
 * spans one to one so that the sum of their F1 is largest. Evaluation specification, 7.4; worked numbers 13.1.
 *
 * What the reference does and a reader might not expect: numbers are compared as Python prints floats ("3" and "3.0" are equal); a pair
 * scores 0 when the gold span has numbers of which the predicted span has none; F1 is rounded to two decimals per item.
 */
import { removeAsciiPunctuation } from "./asciiPunctuation.js";
import { bestAssignment } from "./assignment.js";
import { formatPythonFloat, parsePythonFloat } from "./pythonFloat.js";

export interface DropScore {
  readonly exactMatch: 0 | 1;
  /** In hundredths, at most 1. */
  readonly f1: number;
}

/** An answer of the data set: one of its three fields is filled. */
export interface DropAnswer {
  readonly number: string;
  readonly date: { readonly day: string; readonly month: string; readonly year: string };
  readonly spans: readonly string[];
}

/**
 * The best of the scores against each gold annotation.
 * @param predicted spans; one string is one span
 * @param golds annotations, each a list of spans; those whose first span is empty count for nothing
 */
export function dropScore(predicted: string | readonly string[], golds: readonly (readonly string[])[]): DropScore {
  let [exactMatch, f1]: [0 | 1, number] = [0, 0];
  for (const gold of golds) {
    if ((gold[0] ?? "").trim() === "") continue;
    const score = scoreAgainst(typeof predicted === "string" ? [predicted] : predicted, gold);
    if (score.exactMatch === 1) exactMatch = 1;
    f1 = Math.max(f1, score.f1);
  }
  return { exactMatch, f1 };
}

/** The spans of an annotation: its number, else its spans, else day, month and year as one span. */
export function dropSpans({ number, date, spans }: DropAnswer): string[] {
  if (number !== "") return [number];
  if (spans.length > 0) return [...spans];
  return [`${date.day} ${date.month} ${date.year}`.trim()];
}

function scoreAgainst(predicted: readonly string[], gold: readonly string[]): DropScore {
  const ours = predicted.map(normalize);
  const theirs = gold.map(normalize);
  const distinct = new Set(ours);
  const isExact =
    ours.length === theirs.length &&
    distinct.size === new Set(theirs).size &&
    theirs.every((span) => distinct.has(span));
  const bags = ours.map(bagOf);
  const scores = theirs.map((span) => {
    const goldBag = bagOf(span);
    return bags.map((bag) => (sharesNumbers(goldBag, bag) ? bagF1(bag, goldBag) : 0));
  });
  const columns = bestAssignment(scores);
  const sum = scores.reduce((total, row, r) => total + (row[columns[r] ?? -1] ?? 0), 0);
  return { exactMatch: isExact ? 1 : 0, f1: roundHalfEven(sum / Math.max(ours.length, theirs.length, 1)) };
}

/** Tokens apart at single spaces and hyphens; each lower-case, without punctuation and articles, numbers as Python's floats. */
function normalize(span: string): string {
  return span
    .split(/[ -]/)
    .map((token) => {
      const lower = token.toLowerCase();
      // A number keeps its point and sign.
      const bare = parsePythonFloat(lower) === null ? removeAsciiPunctuation(lower) : lower;
      const value = parsePythonFloat(bare);
      const text = value === null ? bare : formatPythonFloat(value);
      const withoutArticles = text.replace(/(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu, " ");
      return withoutArticles.split(/\s+/u).filter(Boolean).join(" ");
    })
    .filter((token) => token !== "")
    .join(" ");
}

function bagOf(span: string): ReadonlySet<string> {
  return new Set(span.split(" ").filter(Boolean));
}

function sharesNumbers(gold: ReadonlySet<string>, predicted: ReadonlySet<string>): boolean {
  const numbers = [...gold].filter((token) => parsePythonFloat(token) !== null);
  return numbers.length === 0 || numbers.some((token) => predicted.has(token));
}

function bagF1(predicted: ReadonlySet<string>, gold: ReadonlySet<string>): number {
  const shared = [...gold].filter((token) => predicted.has(token)).length;
  // An empty side is taken for perfect on its own measure, as in the reference.
  const precision = predicted.size === 0 ? 1 : shared / predicted.size;
  const recall = gold.size === 0 ? 1 : shared / gold.size;
  return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

/** To two decimals; halves to the even neighbour, as NumPy rounds. */
function roundHalfEven(value: number): number {
  const scaled = value * 100;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 === 1);
  return (floor + (up ? 1 : 0)) / 100;
}
