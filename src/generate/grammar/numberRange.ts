/**
 * The decimal spellings of the numbers of a range, as an automaton: it goes digit by digit, and knows of what it has read whether that is still
 * the beginning of either bound, and its rest by the divisor. What leads to no number is left out, so that whoever follows it never has to
 * turn back. Without exponents; numbers that are no integers have 15 digits at most, so that reading them as doubles changes no comparison.
 */
import type { Fragment, NfaBuilder } from "./automaton.js";

export interface Bound {
  /** Finite. */
  readonly value: number;
  readonly isIncluded: boolean;
}

export interface NumberRange {
  /** Null: none. */
  readonly low: Bound | null;
  readonly high: Bound | null;
  readonly isInteger: boolean;
  /** All are multiples of this positive number; null: of none. */
  readonly multipleOf: number | null;
}

/** Largest divisor, as a whole number of units of its last place. */
export const maxDivisor = 1000;
/** Digits of integers where there is no upper bound, and of other numbers at all. */
const integerDigits = 16;
const numberDigits = 15;

/** @returns null if the range is empty @throws RangeError for a divisor that is no positive number or has too many digits */
export function numbersWithin({ low, high, isInteger, multipleOf }: NumberRange): Fragment | null {
  const divisor = divisorOf(multipleOf);
  const roots: { readonly isNegative: boolean; readonly roots: readonly Node[] }[] = [];
  const add = (isNegative: boolean, from: Bound, to: Bound | null): void => {
    roots.push({ isNegative, roots: new Magnitudes(from, to, isInteger, divisor).roots() });
  };
  if (!low || low.value < 0)
    add(true, high && high.value < 0 ? negated(high) : { value: 0, isIncluded: false }, low && negated(low));
  if (!high || high.value >= 0) add(false, low && low.value >= 0 ? low : { value: 0, isIncluded: true }, high);
  if (roots.every((each) => each.roots.length === 0)) return null;
  return (nfa, from) => {
    const to = nfa.state();
    const states = new Map<Node, number>();
    for (const { isNegative, roots: nodes } of roots) {
      if (nodes.length === 0) continue;
      const begin = nfa.state();
      if (isNegative) nfa.bytes(from, minus, minus, begin);
      else nfa.epsilon(from, begin);
      for (const node of nodes) addEdges(nfa, node, begin, to, states);
    }
    return to;
  };
}

const [minus, point, zero] = [0x2d, 0x2e, 0x30];

/** What may follow some digits. */
interface Node {
  /** The number may end here. */
  readonly canEnd: boolean;
  readonly edges: readonly { readonly byte: number; readonly to: Node }[];
}

function addEdges(nfa: NfaBuilder, node: Node, from: number, end: number, states: Map<Node, number>): void {
  if (node.canEnd) nfa.epsilon(from, end);
  for (const { byte, to } of node.edges) {
    let state = states.get(to);
    if (state === undefined) {
      state = nfa.state();
      states.set(to, state);
      addEdges(nfa, to, state, end, states);
    }
    nfa.bytes(from, byte, byte, state);
  }
}

/** A positive number as digits before and after the point. */
interface Decimal {
  readonly whole: string;
  readonly fraction: string;
}

/** Where a number of `length` digits before the point stands: how much of it is read, and what that is. */
interface Place {
  readonly length: number;
  readonly read: number;
  /** All that is read is the beginning of the bound. */
  readonly isLow: boolean;
  readonly isHigh: boolean;
  /** Of the digits as one whole number, by the divisor. */
  readonly rest: number;
}

/** Numbers from `low`, at least 0, to `high`. */
class Magnitudes {
  readonly #low: Bound;
  readonly #high: Bound | null;
  readonly #lowDigits: Decimal;
  readonly #highDigits: Decimal | null;
  readonly #isInteger: boolean;
  readonly #divisor: Divisor | null;
  readonly #known = new Map<string, Node | null>();

  constructor(low: Bound, high: Bound | null, isInteger: boolean, divisor: Divisor | null) {
    this.#low = low;
    this.#high = high;
    this.#lowDigits = decimalOf(low.value);
    this.#highDigits = high && decimalOf(high.value);
    this.#isInteger = isInteger;
    this.#divisor = divisor;
  }

  /** The beginnings, by how many digits stand before the point. */
  roots(): Node[] {
    const [least, most] = [this.#lowDigits.whole.length, this.#highDigits?.whole.length ?? null];
    const longest = this.#isInteger
      ? (most ?? Math.max(integerDigits, least))
      : Math.min(most ?? numberDigits, numberDigits);
    const roots: Node[] = [];
    for (let length = least; length <= longest; length++) {
      const place = { length, read: 0, isLow: length === least, isHigh: length === most, rest: 0 };
      const edges = this.#digits(place, length > 1 ? 1 : 0);
      if (edges.length > 0) roots.push({ canEnd: false, edges });
    }
    return roots;
  }

  /** Null where no number of the range goes on so. */
  #node(place: Place): Node | null {
    const { length, read, isLow, isHigh, rest } = place;
    // Away from the bounds it only counts how many digits are left.
    const key =
      isLow || isHigh ? [length, read, isLow, isHigh, rest].join() : [length - read, this.#most(length), rest].join();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const canEnd = read >= length && this.#isWithin(place);
    const edges: Node["edges"][number][] = [];
    if (read < length || (read > length && read < length + this.#most(length))) edges.push(...this.#digits(place, 0));
    else if (read === length && this.#most(length) > 0) {
      const fraction = this.#digits(place, 0);
      if (fraction.length > 0) edges.push({ byte: point, to: { canEnd: false, edges: fraction } });
    }
    const node = canEnd || edges.length > 0 ? { canEnd, edges } : null;
    this.#known.set(key, node);
    return node;
  }

  #digits({ length, read, isLow, isHigh, rest }: Place, least: number): Node["edges"][number][] {
    const low = isLow ? digitOf(this.#lowDigits, read) : 0;
    const high = isHigh && this.#highDigits ? digitOf(this.#highDigits, read) : 9;
    const edges: Node["edges"][number][] = [];
    for (let digit = Math.max(low, least); digit <= high; digit++) {
      const next = this.#divisor ? (10 * rest + digit) % this.#divisor.units : 0;
      const place = {
        length,
        read: read + 1,
        isLow: isLow && digit === low,
        isHigh: isHigh && digit === high,
        rest: next,
      };
      const to = this.#node(place);
      if (to) edges.push({ byte: zero + digit, to });
    }
    return edges;
  }

  /** Digits after the point, at most. */
  #most(length: number): number {
    if (this.#isInteger) return 0;
    return Math.min(numberDigits - length, this.#divisor?.places ?? numberDigits);
  }

  /** Of the number that ends here. */
  #isWithin({ length, read, isLow, isHigh, rest }: Place): boolean {
    // The beginning of a bound is the bound if only zeros follow there, and less otherwise.
    if (isLow && !(hasEnded(this.#lowDigits, read) && this.#low.isIncluded)) return false;
    if (isHigh && this.#high && this.#highDigits && hasEnded(this.#highDigits, read) && !this.#high.isIncluded)
      return false;
    if (!this.#divisor) return true;
    let whole = rest;
    for (let i = read - length; i < this.#divisor.places; i++) whole = (10 * whole) % this.#divisor.units;
    return whole === 0;
  }
}

function digitOf({ whole, fraction }: Decimal, index: number): number {
  return Number((whole + fraction)[index] ?? "0");
}

function hasEnded({ whole, fraction }: Decimal, read: number): boolean {
  return !/[1-9]/.test((whole + fraction).slice(read));
}

function negated({ value, isIncluded }: Bound): Bound {
  return { value: -value, isIncluded };
}

/** The shortest that reads as this double; of an integer all digits. @param value at least 0 */
function decimalOf(value: number): Decimal {
  if (Number.isInteger(value)) return { whole: BigInt(value).toString(), fraction: "" };
  const [digits = "", exponent = "0"] = String(value).split("e");
  const [whole = "", fraction = ""] = digits.split(".");
  // What is no integer is below 2^53 and has an exponent only where it is small.
  if (Number(exponent) === 0) return { whole, fraction };
  return { whole: "0", fraction: (whole + fraction).padStart(fraction.length - Number(exponent), "0") };
}

/** A divisor: so many units of its last place, which is so far behind the point. */
interface Divisor {
  readonly units: number;
  readonly places: number;
}

function divisorOf(multipleOf: number | null): Divisor | null {
  if (multipleOf === null) return null;
  if (!(multipleOf > 0)) throw new RangeError(`multipleOf must be a positive number, got ${multipleOf}`);
  const { whole, fraction } = decimalOf(multipleOf);
  const units = Number(whole + fraction);
  if (units > maxDivisor) {
    throw new RangeError(`multipleOf ${multipleOf} is not supported: without its point it is above ${maxDivisor}`);
  }
  return { units, places: fraction.length };
}
