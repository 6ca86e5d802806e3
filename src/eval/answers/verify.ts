/**
 * Whether an answer is the right one, in four steps from strict to lenient: the normalised text (hendrycks.ts), the value, the shape with
 * its parts, and expressions with letters by their values at several points. Spec: post-training.md sections 5.5, 11.17 and 11.18.
 *
 * Not symmetric: the answer may be read leniently (units, prose around a number, a decimal comma), the gold answer may not. Every step is
 * bounded in size (1,000 characters, 60 levels, 8,192 bits), so that no answer takes more than some milliseconds.
 *
 * Deviation: there is no computer algebra. Two expressions with letters are equal if they agree at all of ten points with positive and
 * negative values where both are defined, and there are three of those or more.
 */
import { cleanMaths } from "./clean.js";
import { type Complex, evaluate, toComplex, type Value } from "./evaluate.js";
import { type Expression, variablesOf } from "./expression.js";
import { lastNumber } from "./extract.js";
import { normalizeHendrycks } from "./hendrycks.js";
import { add, compare, fraction, negate, type Rational, toNumber } from "./rational.js";
import { type Answer, parseAnswer } from "./structure.js";

/** Written beside every score it gives: the grader alone moves results. */
export const grader = { name: "fathom-verify", version: "1" } as const;

export type VerdictLevel = "string" | "numeric" | "structure" | "symbolic";

export interface Verdict {
  readonly equal: boolean;
  /** Which comparison decided: the first that found them equal, or the last that was tried. */
  readonly level: VerdictLevel;
}

export interface VerifyOptions {
  /** Decimals, and values that are not exact, are equal to this many places; the latter relative to the gold value past 1. Default 6. */
  readonly decimals?: number;
  /** Whether 50% is 0.5 as well as 50. Default true. */
  readonly percentIsFraction?: boolean;
}

/** A gold answer nobody could be compared with: longer than this, or empty. */
const maxLength = 1000;

/** Whether `gold` can be read; a reward gives no score where it cannot. */
export function isReadable(gold: string): boolean {
  const { text } = cleanMaths(gold);
  return text !== "" && gold.length <= maxLength;
}

export function verify(gold: string, answer: string, options: VerifyOptions = {}): Verdict {
  if (gold.trim() === "" || answer.trim() === "") return { equal: false, level: "string" };
  if (gold.trim() === answer.trim() || normalizeHendrycks(gold) === normalizeHendrycks(answer))
    return { equal: true, level: "string" };
  if (gold.length > maxLength || answer.length > 20 * maxLength) return { equal: false, level: "string" };
  const comparison = new Comparison(options.decimals ?? 6, options.percentIsFraction ?? true);
  let level: VerdictLevel = "string";
  for (const wanted of readings(gold, true)) {
    for (const given of readings(answer, false)) {
      level = levelOf(wanted.answer, given.answer);
      if (comparison.same(wanted, given)) return { equal: true, level };
    }
  }
  return { equal: false, level };
}

interface Reading {
  readonly answer: Answer;
  readonly isPercent: boolean;
}

/** What a text may mean, the likeliest first. */
function readings(text: string, isGold: boolean): Reading[] {
  const { text: clean, isPercent } = cleanMaths(text);
  const texts = new Set([clean]);
  // 1,200,000 and 1 200 000 are numbers first, and lists second.
  const grouped = clean.replace(/(?<![\d.,])\d{1,3}(?:([ ,])\d{3})(?:\1\d{3})*(?![\d,]*\d)/g, (number) =>
    number.replace(/[ ,]/g, ""),
  );
  texts.add(grouped);
  if (!isGold) {
    texts.add(clean.replace(/^(-?\d+),(\d+)$/, "$1.$2"));
    texts.add(withoutUnit(grouped));
    const number = lastNumber(clean);
    // A number in a sentence; in a formula it would be a part of it.
    if (number !== null && /\p{L}{3,}/u.test(clean) && !/[\\^_={}]/.test(clean))
      texts.add(number.replace(/,(?=\d{3}(?!\d))/g, ""));
  }
  return [...texts]
    .filter((one) => one !== "")
    .map((text) => ({ answer: text.length > maxLength ? { kind: "text", text } : parseAnswer(text), isPercent }));
}

/** A letter or two after a number that may be a unit: `1500.25m^2`, `3 kg`. */
function withoutUnit(text: string): string {
  return text.replace(
    /(?<=[\d)}])\s*(?:[mgshLlNJWVAKCFT]|[a-zµ]{2})(?:\s*\^\s*\{?-?\d\}?)?(?:\s*\/\s*[a-z]{1,3}(?:\s*\^\s*\{?\d\}?)?)?$/,
    "",
  );
}

function levelOf(gold: Answer, answer: Answer): VerdictLevel {
  if (gold.kind !== "expression") return gold.kind === "text" && answer.kind === "text" ? "string" : "structure";
  if (answer.kind === "text") return "string";
  const value =
    answer.kind === "relation" ? answer.sides.at(-1) : answer.kind === "expression" ? answer.expression : undefined;
  if (value === undefined) return "structure";
  return variablesOf(gold.expression).length + variablesOf(value).length === 0 ? "numeric" : "symbolic";
}

/** Points for letters: fractions of both signs and sizes, none of them special. */
const points: readonly (readonly [bigint, bigint])[] = [
  [7n, 5n],
  [-11n, 6n],
  [23n, 7n],
  [5n, 13n],
  [-17n, 9n],
  [31n, 4n],
  [-2n, 7n],
  [19n, 11n],
  [3n, 8n],
  [-4n, 9n],
];
const fewestPoints = 3;

class Comparison {
  readonly #decimals: number;
  readonly #percentIsFraction: boolean;

  constructor(decimals: number, percentIsFraction: boolean) {
    this.#decimals = decimals;
    this.#percentIsFraction = percentIsFraction;
  }

  same(gold: Reading, answer: Reading): boolean {
    if (this.#answers(gold.answer, answer.answer)) return true;
    if (gold.isPercent === answer.isPercent || !this.#percentIsFraction) return false;
    const [percent, plain] = gold.isPercent ? [gold.answer, answer.answer] : [answer.answer, gold.answer];
    const [a, b] = [singleValue(percent), singleValue(plain)];
    if (a === null || b === null) return false;
    const hundredth: Expression = { kind: "quotient", left: a, right: hundred };
    return this.#values(hundredth, b);
  }

  #answers(gold: Answer, answer: Answer): boolean {
    if (gold.kind === "text" || answer.kind === "text")
      return plainText(gold) === plainText(answer) && plainText(gold) !== "";
    if (gold.kind === "relation" && answer.kind === "relation") return this.#relations(gold, answer);
    if (gold.kind === "relation") {
      const interval = intervalOf(gold);
      if (interval && answer.kind === "tuple") return this.#answers(interval, answer);
      const value = singleValue(gold);
      return value !== null && answer.kind === "expression" && this.#values(value, answer.expression);
    }
    if (answer.kind === "relation") {
      const interval = intervalOf(answer);
      if (interval && gold.kind === "tuple") return this.#answers(gold, interval);
      const value = singleValue(answer);
      return value !== null && gold.kind === "expression" && this.#values(gold.expression, value);
    }
    if (gold.kind === "expression")
      return answer.kind === "expression" && this.#values(gold.expression, answer.expression);
    if (gold.kind === "matrix") {
      return (
        answer.kind === "matrix" &&
        sameLength(gold.rows, answer.rows) &&
        gold.rows.every((row, i) => this.#inOrder(row, answer.rows[i] ?? []))
      );
    }
    if (gold.kind === "tuple") {
      if (answer.kind === "tuple" && (gold.open !== answer.open || gold.close !== answer.close)) return false;
      const isPoint = gold.open === "(" && gold.close === ")";
      const isList = answer.kind === "tuple" || (answer.kind === "list" && isPoint && !answer.isSet);
      return isList && this.#inOrder(gold.items, answer.items);
    }
    if (gold.kind === "union") return answer.kind === "union" && this.#inAnyOrder(gold.items, answer.items);
    if (answer.kind === "tuple")
      return !gold.isSet && answer.open === "(" && answer.close === ")" && this.#inOrder(gold.items, answer.items);
    return answer.kind === "list" && this.#inAnyOrder(gold.items, answer.items);
  }

  #inOrder(gold: readonly Answer[], answer: readonly Answer[]): boolean {
    return (
      sameLength(gold, answer) && gold.every((item, i) => this.#answers(item, answer[i] ?? { kind: "text", text: "" }))
    );
  }

  #inAnyOrder(gold: readonly Answer[], answer: readonly Answer[]): boolean {
    if (!sameLength(gold, answer)) return false;
    const left = [...answer];
    return gold.every((item) => {
      const at = left.findIndex((other) => this.#answers(item, other));
      if (at >= 0) left.splice(at, 1);
      return at >= 0;
    });
  }

  /** Chains of the same facts: `a < b < c` is two of them; each is compared as the sign of a difference. */
  #relations(gold: Answer & { kind: "relation" }, answer: Answer & { kind: "relation" }): boolean {
    const [goldValue, answerValue] = [singleValue(gold), singleValue(answer)];
    if (goldValue && answerValue) {
      return nameOf(gold.sides[0]) === nameOf(answer.sides[0]) && this.#values(goldValue, answerValue);
    }
    const facts = factsOf(gold);
    const others = factsOf(answer);
    if (!sameLength(facts, others)) return false;
    return facts.every((fact) => {
      const at = others.findIndex((other) => this.#sameFact(fact, other));
      if (at >= 0) others.splice(at, 1);
      return at >= 0;
    });
  }

  /** Equal solutions: one difference is a multiple of the other, a positive one where the direction counts. */
  #sameFact(a: Fact, b: Fact): boolean {
    if (a.relation !== b.relation) return false;
    let ratio: number | null = null;
    let count = 0;
    for (const letters of this.#assignments([a.difference, b.difference])) {
      const [x, y] = [evaluate(a.difference, letters), evaluate(b.difference, letters)];
      if (x === null || y === null) continue;
      const [p, q] = [toComplex(x), toComplex(y)];
      if (p.im !== 0 || q.im !== 0 || (p.re === 0) !== (q.re === 0)) return false;
      if (p.re === 0) continue;
      const here = p.re / q.re;
      if (ratio !== null && Math.abs(here - ratio) > 1e-8 * Math.abs(ratio)) return false;
      ratio = here;
      count++;
    }
    return ratio !== null && count >= fewestPoints && (a.relation === "=" || a.relation === "\\ne" || ratio > 0);
  }

  #values(gold: Expression, answer: Expression): boolean {
    if (isInfinite(gold) !== 0 || isInfinite(answer) !== 0) return isInfinite(gold) === isInfinite(answer);
    if (variablesOf(gold).length === 0 && variablesOf(answer).length === 0) {
      const [a, b] = [evaluate(gold, noLetters), evaluate(answer, noLetters)];
      return a !== null && b !== null && this.#numbers(a, b, hasDecimal(gold) || hasDecimal(answer));
    }
    let count = 0;
    for (const letters of this.#assignments([gold, answer])) {
      const [a, b] = [evaluate(gold, letters), evaluate(answer, letters)];
      if (a === null || b === null) continue;
      if (!this.#numbers(a, b, hasDecimal(gold) || hasDecimal(answer))) return false;
      count++;
    }
    return count >= fewestPoints;
  }

  #numbers(a: Value, b: Value, mayBeRounded: boolean): boolean {
    if ("exact" in a && "exact" in b) {
      if (compare(a.exact, b.exact) === 0) return true;
      // Integers and fractions are what they are; only a decimal may have been rounded.
      const difference = add(a.exact, negate(b.exact));
      return mayBeRounded && difference !== null && Math.abs(toNumber(difference)) <= 10 ** -this.#decimals;
    }
    return near(toComplex(a), toComplex(b), mayBeRounded ? 10 ** -this.#decimals : 1e-9);
  }

  *#assignments(expressions: readonly Expression[]): Generator<ReadonlyMap<string, Rational>> {
    const names = [...new Set(expressions.flatMap(variablesOf))].sort();
    for (let k = 0; k < points.length; k++) {
      const values = names.map((name, i): [string, Rational] => {
        const [top, bottom] = points[(k + 3 * i) % points.length] ?? [1n, 1n];
        // Letters that share a point get different values.
        return [name, fraction(top + BigInt(i), bottom + BigInt(i)) ?? { numerator: 1n, denominator: 1n }];
      });
      yield new Map(values);
    }
  }
}

const noLetters: ReadonlyMap<string, Rational> = new Map();
const hundred: Expression = { kind: "number", value: { numerator: 100n, denominator: 1n }, isDecimal: false };

/** |a - b| up to the tolerance times the larger of 1 and |a|, the gold value. */
function near(a: Complex, b: Complex, tolerance: number): boolean {
  return Math.hypot(a.re - b.re, a.im - b.im) <= tolerance * Math.max(1, Math.hypot(a.re, a.im));
}

function sameLength(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length;
}

/** The value that `x = 5 + 6 = 11` says: the last side, if the first is a name or has no letters. Null for other relations. */
function singleValue(answer: Answer): Expression | null {
  if (answer.kind === "expression") return answer.expression;
  if (answer.kind !== "relation" || answer.relations.some((relation) => relation !== "=")) return null;
  const [first] = answer.sides;
  if (first === undefined || (nameOf(first) === null && variablesOf(first).length > 0)) return null;
  return answer.sides.at(-1) ?? null;
}

/** `x`, or `f(x)`, which reads as a product. */
function nameOf(side: Expression | undefined): string | null {
  if (side?.kind === "variable") return side.name;
  if (side?.kind !== "product" || side.items.length !== 2) return null;
  const [name, argument] = side.items;
  return name?.kind === "variable" &&
    argument?.kind === "variable" &&
    /^[a-zA-Z]$/.test(name.name) &&
    /^[fghFGHP]$/.test(name.name)
    ? `${name.name}(${argument.name})`
    : null;
}

interface Fact {
  /** Of `difference` to zero. */
  readonly relation: "=" | "\\ne" | ">" | "\\ge";
  readonly difference: Expression;
}

function factsOf({ relations, sides }: Answer & { kind: "relation" }): Fact[] {
  const minus = (a: Expression, b: Expression): Expression => ({
    kind: "sum",
    items: [a, { kind: "negative", of: b }],
  });
  return relations.flatMap((relation, i): Fact[] => {
    const [left, right] = [sides[i], sides[i + 1]];
    if (left === undefined || right === undefined) return [];
    if (relation === "=" || relation === "\\ne") return [{ relation, difference: minus(left, right) }];
    const isStrict = relation === "<" || relation === ">";
    const isLess = relation === "<" || relation === "\\le";
    return [{ relation: isStrict ? ">" : "\\ge", difference: isLess ? minus(right, left) : minus(left, right) }];
  });
}

const infinite: Expression = { kind: "constant", name: "infinity" };

/** `x \ge 4` is [4, infinity); a chain such as `1 < x \le 2` is (1, 2]. */
function intervalOf({ relations, sides }: Answer & { kind: "relation" }): Answer | null {
  const bound = (expression: Expression): Answer => ({ kind: "expression", expression, text: "" });
  let low: readonly [Expression, string] = [{ kind: "negative", of: infinite }, "("];
  let high: readonly [Expression, string] = [infinite, ")"];
  for (const [i, relation] of relations.entries()) {
    const [left, right] = [sides[i], sides[i + 1]];
    if (left === undefined || right === undefined || relation === "=" || relation === "\\ne") return null;
    const isLess = relation === "<" || relation === "\\le";
    const isStrict = relation === "<" || relation === ">";
    const [small, large] = isLess ? [left, right] : [right, left];
    if (large.kind === "variable" && variablesOf(small).length === 0) low = [small, isStrict ? "(" : "["];
    else if (small.kind === "variable" && variablesOf(large).length === 0) high = [large, isStrict ? ")" : "]"];
    else return null;
  }
  return { kind: "tuple", open: low[1], close: high[1], items: [bound(low[0]), bound(high[0])] };
}

/** 1 and -1 for the infinities, else 0. */
function isInfinite(expression: Expression): number {
  if (expression.kind === "negative") return -isInfinite(expression.of);
  if (expression.kind === "sum" && expression.items.length === 1 && expression.items[0])
    return isInfinite(expression.items[0]);
  return expression.kind === "constant" && expression.name === "infinity" ? 1 : 0;
}

function hasDecimal(expression: Expression): boolean {
  switch (expression.kind) {
    case "number":
      return expression.isDecimal;
    case "sum":
    case "product":
      return expression.items.some(hasDecimal);
    case "quotient":
    case "power":
      return hasDecimal(expression.left) || hasDecimal(expression.right);
    case "negative":
      return hasDecimal(expression.of);
    case "call":
      return expression.args.some(hasDecimal);
    default:
      return false;
  }
}

/** Words without case, quotes and brackets around; letters of a choice as well. */
function plainText(answer: Answer): string {
  const text = answer.kind === "text" || answer.kind === "expression" ? answer.text : "";
  return text
    .toLowerCase()
    .replace(/["$\\(){}.]/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}
