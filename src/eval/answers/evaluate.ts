/**
 * The value of an expression: exact where every step is one of fractions, else as a complex double. Letters get values from outside. Sizes
 * are bounded (rational.ts, and factorials up to 500), so that the time is linear in the length of the expression.
 */
import type { Expression, FunctionName } from "./expression.js";
import {
  add,
  exactRoot,
  fraction,
  integer,
  invert,
  multiply,
  negate,
  one,
  power,
  type Rational,
  toNumber,
  zero,
} from "./rational.js";

export interface Complex {
  readonly re: number;
  readonly im: number;
}

export type Value = { readonly exact: Rational } | { readonly rounded: Complex };

/** Null where it has no finite value, or one past the bounds. */
export function evaluate(expression: Expression, letters: ReadonlyMap<string, Rational>): Value | null {
  const value = exprValue(expression, letters);
  if (value === null || "exact" in value) return value;
  return Number.isFinite(value.rounded.re) && Number.isFinite(value.rounded.im) ? value : null;
}

export function toComplex(value: Value): Complex {
  return "exact" in value ? { re: toNumber(value.exact), im: 0 } : value.rounded;
}

const exactly = (value: Rational | null): Value | null => value && { exact: value };
const rounded = (re: number, im = 0): Value => ({ rounded: { re, im } });

function exprValue(expression: Expression, letters: ReadonlyMap<string, Rational>): Value | null {
  switch (expression.kind) {
    case "number":
      return { exact: expression.value };
    case "variable":
      return exactly(letters.get(expression.name) ?? null);
    case "constant":
      if (expression.name === "i") return rounded(0, 1);
      return expression.name === "infinity" ? null : rounded(expression.name === "pi" ? Math.PI : Math.E);
    case "sum":
      return fold(expression.items, letters, zero, add, (a, b) => ({ re: a.re + b.re, im: a.im + b.im }));
    case "product":
      return fold(expression.items, letters, one, multiply, product);
    case "negative": {
      const value = exprValue(expression.of, letters);
      if (value === null) return null;
      return "exact" in value ? { exact: negate(value.exact) } : rounded(-value.rounded.re, -value.rounded.im);
    }
    case "quotient":
      return both(expression.left, expression.right, letters, divide);
    case "power":
      return both(expression.left, expression.right, letters, raise);
    case "call": {
      const args = expression.args.map((argument) => exprValue(argument, letters));
      const [first, second] = args;
      if (!first || second === null) return null;
      return call(expression.name, first, second);
    }
  }
}

function fold(
  items: readonly Expression[],
  letters: ReadonlyMap<string, Rational>,
  start: Rational,
  exact: (a: Rational, b: Rational) => Rational | null,
  inexact: (a: Complex, b: Complex) => Complex,
): Value | null {
  let result: Value | null = { exact: start };
  for (const item of items) {
    const value = exprValue(item, letters);
    if (value === null || result === null) return null;
    const sum: Rational | null = "exact" in value && "exact" in result ? exact(result.exact, value.exact) : null;
    result = sum ? { exact: sum } : { rounded: inexact(toComplex(result), toComplex(value)) };
  }
  return result;
}

function both(
  left: Expression,
  right: Expression,
  letters: ReadonlyMap<string, Rational>,
  combine: (a: Value, b: Value) => Value | null,
): Value | null {
  const a = exprValue(left, letters);
  const b = a && exprValue(right, letters);
  return a && b && combine(a, b);
}

function product(a: Complex, b: Complex): Complex {
  return { re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re };
}

function divide(a: Value, b: Value): Value | null {
  if ("exact" in a && "exact" in b) {
    const inverse = invert(b.exact);
    return inverse && exactly(multiply(a.exact, inverse));
  }
  const [x, y] = [toComplex(a), toComplex(b)];
  const size = y.re * y.re + y.im * y.im;
  return size === 0 ? null : rounded((x.re * y.re + x.im * y.im) / size, (x.im * y.re - x.re * y.im) / size);
}

function raise(a: Value, b: Value): Value | null {
  if ("exact" in b) {
    const { numerator, denominator } = b.exact;
    if ("exact" in a) {
      const base = denominator === 1n ? a.exact : denominator <= 64n ? exactRoot(a.exact, Number(denominator)) : null;
      const exact = base && power(base, numerator);
      if (exact) return { exact };
      if (a.exact.numerator === 0n) return numerator > 0n ? { exact: zero } : null;
    } else if (denominator === 1n && numerator >= -64n && numerator <= 64n) {
      // Whole powers by products: i^2 is -1 to the last digit.
      let result: Complex = { re: 1, im: 0 };
      for (let k = 0n; k < (numerator < 0n ? -numerator : numerator); k++) result = product(result, a.rounded);
      return numerator < 0n ? divide({ exact: one }, { rounded: result }) : { rounded: result };
    }
  }
  const [x, y] = [toComplex(a), toComplex(b)];
  if (x.re === 0 && x.im === 0) return y.re > 0 ? rounded(0) : null;
  const [size, angle] = [Math.log(Math.hypot(x.re, x.im)), Math.atan2(x.im, x.re)];
  return exponential({ re: y.re * size - y.im * angle, im: y.re * angle + y.im * size });
}

function exponential({ re, im }: Complex): Value {
  const size = Math.exp(re);
  return im === 0 ? rounded(size) : rounded(size * Math.cos(im), size * Math.sin(im));
}

const realFunctions: Partial<Readonly<Record<FunctionName, (x: number) => number>>> = {
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  cot: (x) => 1 / Math.tan(x),
  sec: (x) => 1 / Math.cos(x),
  csc: (x) => 1 / Math.sin(x),
  arcsin: Math.asin,
  arccos: Math.acos,
  arctan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  floor: Math.floor,
  ceil: Math.ceil,
};

function call(name: FunctionName, x: Value, second: Value | undefined): Value | null {
  switch (name) {
    case "sqrt":
      return raise(x, { exact: { numerator: 1n, denominator: 2n } });
    case "root": {
      const inverse = second && divide({ exact: one }, second);
      return inverse ? raise(x, inverse) : null;
    }
    case "abs":
      if ("exact" in x) return { exact: x.exact.numerator < 0n ? negate(x.exact) : x.exact };
      return rounded(Math.hypot(x.rounded.re, x.rounded.im));
    case "exp":
      return exponential(toComplex(x));
    case "ln":
      return logarithm(x);
    case "log": {
      const [top, bottom] = [logarithm(x), logarithm(second ?? { exact: integer(10) })];
      return top && bottom && divide(top, bottom);
    }
    case "factorial":
      return factorial(x);
    case "binomial": {
      const n = wholeNumber(x);
      const k = second && wholeNumber(second);
      return n === null || k === null || k === undefined ? null : exactly(binomial(n, k));
    }
    case "floor":
    case "ceil":
      if ("exact" in x) return { exact: whole(x.exact, name) };
  }
  const real = realFunctions[name];
  const value = toComplex(x);
  // Of complex arguments nothing but the functions above.
  return real === undefined || value.im !== 0 ? null : rounded(real(value.re));
}

function logarithm(x: Value): Value | null {
  const { re, im } = toComplex(x);
  const size = Math.hypot(re, im);
  return size === 0 ? null : rounded(Math.log(size), Math.atan2(im, re));
}

function whole({ numerator, denominator }: Rational, name: "floor" | "ceil"): Rational {
  const down = numerator / denominator - (numerator < 0n && numerator % denominator !== 0n ? 1n : 0n);
  return integer(name === "floor" || numerator % denominator === 0n ? down : down + 1n);
}

/** An integer from 0 to 500, past which factorials are no answers. */
function wholeNumber(x: Value): number | null {
  if (!("exact" in x) || x.exact.denominator !== 1n || x.exact.numerator < 0n || x.exact.numerator > 500n) return null;
  return Number(x.exact.numerator);
}

function factorial(x: Value): Value | null {
  const n = wholeNumber(x);
  if (n === null) return null;
  let result = 1n;
  for (let k = 2n; k <= BigInt(n); k++) result *= k;
  return exactly(fraction(result, 1n));
}

function binomial(n: number, k: number): Rational | null {
  let result = 1n;
  for (let j = 0; j < k; j++) result = (result * BigInt(n - j)) / BigInt(j + 1);
  return fraction(result, 1n);
}
