/**
 * What the functions of the code problems are put together from: conditions on a number, changes of a number, what becomes of a list. Each part
 * says the same four times: in English, in Python, in JavaScript, and as a function that the expected values are made with. Numbers are never
 * negative, because remainders of negative numbers differ between the two languages.
 */

export type Language = "python" | "javascript";

export interface Condition {
  /** What follows "if x is". */
  readonly english: string;
  readonly holds: (x: number) => boolean;
  readonly code: (name: string, language: Language) => string;
  /** Numbers at the border: one for which it holds, and one for which it does not. */
  readonly border: readonly [yes: number, no: number];
}

export interface Change {
  readonly english: (name: string) => string;
  readonly apply: (x: number) => number;
  readonly code: (name: string, language: Language) => string;
}

export interface Reduction {
  /** What follows "returns". */
  readonly english: string;
  readonly apply: (values: readonly number[]) => number;
  readonly code: Readonly<Record<Language, string>>;
}

export const conditions: readonly Condition[] = [
  ...upTo(5, 24, greaterThan),
  ...upTo(5, 24, lessThan),
  ...upTo(2, 9, divisibleBy),
  ...upTo(2, 9, notDivisibleBy),
  ...upTo(0, 9, endsIn),
];

export const changes: readonly Change[] = [
  ...upTo(1, 20, plus),
  ...upTo(2, 9, times),
  ...upTo(10, 29, distanceTo),
  ...upTo(2, 9, remainderBy),
  {
    english: (name) => `the square of ${name}`,
    apply: (x) => x * x,
    code: (name) => `${name} * ${name}`,
  },
];

export const reductions: readonly Reduction[] = [
  {
    english: "their sum",
    apply: (values) => values.reduce((sum, value) => sum + value, 0),
    code: { python: "sum(values)", javascript: "values.reduce((sum, value) => sum + value, 0)" },
  },
  {
    english: "the largest of them, or 0 if there are none",
    apply: (values) => values.reduce((best, value) => Math.max(best, value), 0),
    code: { python: "max(values, default=0)", javascript: "Math.max(0, ...values)" },
  },
  {
    english: "the smallest of them, or 0 if there are none",
    apply: (values) => values.reduce((best, value) => Math.min(best, value), values[0] ?? 0),
    code: { python: "min(values, default=0)", javascript: "values.length > 0 ? Math.min(...values) : 0" },
  },
  {
    english: "how many different values there are among them",
    apply: (values) => new Set(values).size,
    code: { python: "len(set(values))", javascript: "new Set(values).size" },
  },
];

/** The condition the wrong way round. */
export function negated(condition: Condition): Condition {
  const { english, holds, code, border } = condition;
  return {
    english: `not ${english}`,
    holds: (x) => !holds(x),
    code: (name, language) => (language === "python" ? `not ${code(name, language)}` : `!(${code(name, language)})`),
    border: [border[1], border[0]],
  };
}

/** The change, and one more. */
export function oneMore(change: Change): Change {
  return {
    english: (name) => `${change.english(name)}, and one more`,
    apply: (x) => change.apply(x) + 1,
    code: (name, language) => `${change.code(name, language)} + 1`,
  };
}

function upTo<T>(from: number, to: number, make: (k: number) => T): readonly T[] {
  return Array.from({ length: to - from + 1 }, (_, i) => make(from + i));
}

function greaterThan(k: number): Condition {
  return {
    english: `greater than ${k}`,
    holds: (x) => x > k,
    code: (name) => `${name} > ${k}`,
    border: [k + 1, k],
  };
}

function lessThan(k: number): Condition {
  return { english: `less than ${k}`, holds: (x) => x < k, code: (name) => `${name} < ${k}`, border: [k - 1, k] };
}

function divisibleBy(k: number): Condition {
  return {
    english: `divisible by ${k}`,
    holds: (x) => x % k === 0,
    code: (name, language) => `${name} % ${k} ${language === "python" ? "==" : "==="} 0`,
    border: [2 * k, 2 * k + 1],
  };
}

function notDivisibleBy(k: number): Condition {
  return {
    english: `not divisible by ${k}`,
    holds: (x) => x % k !== 0,
    code: (name, language) => `${name} % ${k} ${language === "python" ? "!=" : "!=="} 0`,
    border: [3 * k + 1, 3 * k],
  };
}

function endsIn(k: number): Condition {
  return {
    english: `a number with the last digit ${k}`,
    holds: (x) => x % 10 === k,
    code: (name, language) => `${name} % 10 ${language === "python" ? "==" : "==="} ${k}`,
    border: [10 + k, 11 + k],
  };
}

function plus(k: number): Change {
  return { english: (name) => `${name} plus ${k}`, apply: (x) => x + k, code: (name) => `${name} + ${k}` };
}

function times(k: number): Change {
  return { english: (name) => `${name} times ${k}`, apply: (x) => x * k, code: (name) => `${name} * ${k}` };
}

function distanceTo(k: number): Change {
  return {
    english: (name) => `the distance between ${name} and ${k}`,
    apply: (x) => Math.abs(x - k),
    code: (name, language) => `${language === "python" ? "abs" : "Math.abs"}(${name} - ${k})`,
  };
}

function remainderBy(k: number): Change {
  return {
    english: (name) => `the remainder of ${name} divided by ${k}`,
    apply: (x) => x % k,
    code: (name) => `${name} % ${k}`,
  };
}
