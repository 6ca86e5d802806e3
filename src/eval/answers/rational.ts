/**
 * Exact fractions of big integers, with a bound on their size: an answer is a few digits, and whoever writes 9^9^9^9 shall not keep a
 * grader busy. Past the bound the result is null, as it is where there is none.
 */

export interface Rational {
  readonly numerator: bigint;
  /** Positive; the fraction is reduced. */
  readonly denominator: bigint;
}

const maxBits = 8192;
const limit = 1n << BigInt(maxBits);

export const zero: Rational = { numerator: 0n, denominator: 1n };
export const one: Rational = { numerator: 1n, denominator: 1n };

export function integer(value: bigint | number): Rational {
  return { numerator: BigInt(value), denominator: 1n };
}

/** @returns null for denominator 0 or more than 8,192 bits */
export function fraction(numerator: bigint, denominator: bigint): Rational | null {
  if (denominator === 0n) return null;
  const divisor = greatestDivisor(numerator, denominator) * (denominator < 0n ? -1n : 1n);
  const result = { numerator: numerator / divisor, denominator: denominator / divisor };
  const size = result.numerator < 0n ? -result.numerator : result.numerator;
  return size > limit || result.denominator > limit ? null : result;
}

/** A decimal such as `12`, `.5`, `1.50`; null for anything else, and past 1,000 digits. */
export function decimal(text: string): Rational | null {
  const found = /^(\d*)(?:\.(\d*))?$/.exec(text);
  if (!found || text.length > 1000) return null;
  const [, whole = "", part = ""] = found;
  if (whole + part === "") return null;
  return fraction(BigInt(whole + part), 10n ** BigInt(part.length));
}

export function add(a: Rational, b: Rational): Rational | null {
  return fraction(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator);
}

export function multiply(a: Rational, b: Rational): Rational | null {
  return fraction(a.numerator * b.numerator, a.denominator * b.denominator);
}

export function invert(a: Rational): Rational | null {
  return fraction(a.denominator, a.numerator);
}

export function negate(a: Rational): Rational {
  return { numerator: -a.numerator, denominator: a.denominator };
}

/** `base` to an integer power; null if it is undefined (0 to a negative power) or too large. */
export function power(base: Rational, exponent: bigint): Rational | null {
  if (exponent < 0n) {
    const inverse = invert(base);
    return inverse && power(inverse, -exponent);
  }
  if (bits(base.numerator) <= 1 && base.denominator === 1n) {
    return integer(base.numerator < 0n && exponent % 2n === 0n ? 1n : exponent === 0n ? 1n : base.numerator);
  }
  const size = BigInt(Math.max(bits(base.numerator), bits(base.denominator)));
  if (size * exponent > BigInt(2 * maxBits)) return null;
  return fraction(base.numerator ** exponent, base.denominator ** exponent);
}

/** The exact root of an exact power; null if there is none among fractions. */
export function exactRoot(value: Rational, degree: number): Rational | null {
  if (degree < 2 || degree > 64 || (value.numerator < 0n && degree % 2 === 0)) return null;
  const sign = value.numerator < 0n ? -1n : 1n;
  const top = integerRoot(value.numerator * sign, degree);
  const bottom = integerRoot(value.denominator, degree);
  return top === null || bottom === null ? null : fraction(sign * top, bottom);
}

export function compare(a: Rational, b: Rational): number {
  const left = a.numerator * b.denominator;
  const right = b.numerator * a.denominator;
  return left < right ? -1 : left > right ? 1 : 0;
}

export function toNumber({ numerator, denominator }: Rational): number {
  const whole = numerator / denominator;
  // Past 2^53 a double holds no fraction; below, the two parts are divided with enough digits left.
  if (bits(whole) > 53) return Number(whole);
  const shift = BigInt(Math.max(0, Math.max(bits(numerator), bits(denominator)) - 1000));
  return Number(numerator >> shift) / Number(denominator >> shift);
}

function integerRoot(value: bigint, degree: number): bigint | null {
  if (value < 2n) return value;
  const n = BigInt(degree);
  // Newton's method from above falls until it is there.
  let guess = 1n << BigInt(Math.ceil(bits(value) / degree));
  for (;;) {
    const next = ((n - 1n) * guess + value / guess ** (n - 1n)) / n;
    if (next >= guess) return guess ** n === value ? guess : null;
    guess = next;
  }
}

function bits(value: bigint): number {
  return (value < 0n ? -value : value).toString(2).length;
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x === 0n ? 1n : x;
}
