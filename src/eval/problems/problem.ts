/**
 * A problem whose answer can be checked by rule, made here from numbers alone, and what a family of such problems is made of.
 *
 * A family has levels, a level has kinds (sum, difference, ...), a kind is a space of problems: every way to choose its values, counted by
 * `bases` like the digits of a number. A rank in that space names one problem, so that problems can be counted, split and looked up without
 * making the others. Wording is drawn apart: the same rank asked in other words is the same problem.
 */
import type { Wording } from "./wording.js";

/** In order of difficulty for a small model. */
export const familyNames = [
  "add-subtract",
  "long-sums",
  "multiplication",
  "division",
  "lists",
  "units",
  "strings",
  "dates",
  "code-python",
  "code-javascript",
] as const;

export type FamilyName = (typeof familyNames)[number];

/** Problems to learn from, and the 1,000 of each family that are never among them. */
export type Split = "train" | "heldout";

/** `plain` asks in one form of words, for models too small to learn several. */
export type Phrasing = "varied" | "plain";

export type Json = string | number | boolean | null | readonly Json[];

/** What a program is to do: its function is called, and the values must be these. */
export interface CodeTests {
  readonly language: "python" | "javascript";
  /** The function's name. */
  readonly entry: string;
  /** `call` is an expression that both languages read alike. */
  readonly cases: readonly { readonly call: string; readonly expected: Json }[];
}

export interface Problem {
  /** family/level/kind/rank: the same problem in other words has the same id. */
  readonly id: string;
  readonly family: FamilyName;
  /** Counted from 1. */
  readonly level: number;
  readonly prompt: string;
  /** As it stands in the box; for code the reference program. */
  readonly answer: string;
  /** A short worked response that ends in the box, or in a fenced program. */
  readonly solution: string;
  /** The same after thoughts between think tags, with a check by another way. */
  readonly reasoned: string;
  /** A short response with a slip in it and a wrong answer. */
  readonly mistaken: string;
  /** Of code alone. */
  readonly tests?: CodeTests;
}

/** What a kind makes of its values; `problemAt` adds the rest. */
export interface Draft {
  readonly prompt: string;
  readonly answer: string;
  /** Lines of working, without the box. */
  readonly work: readonly string[];
  /** What stands between the think tags. */
  readonly thought: readonly string[];
  /** Working with a slip, and where it leads. */
  readonly slip: { readonly work: readonly string[]; readonly answer: string };
  readonly tests?: CodeTests;
}

export interface Kind {
  readonly name: string;
  /** How many values each part of the problem can take; their product, 2^52 at most, is the number of problems. */
  readonly bases: readonly number[];
  /** @param values one for each base, from 0 */
  readonly make: (values: readonly number[], wording: Wording) => Draft;
}

export interface Level {
  /** What the level asks, in a few words. */
  readonly about: string;
  readonly kinds: readonly Kind[];
}

export interface Family {
  readonly about: string;
  readonly levels: readonly Level[];
  /** Families with the same key hold the same problems out. */
  readonly splitKey: string;
  /** How a response ends that gives this answer. */
  readonly close: (answer: string) => string;
  /**
   * Whether a response gives the answer.
   * @throws RangeError for code, which only running it can judge
   */
  readonly check: (problem: Problem, response: string) => boolean;
}

/** Up to here the keyed permutation of a space is exact. */
const largestSpace = 2 ** 52;

/** Number of problems of a kind. */
export function sizeOf({ name, bases }: Kind): number {
  const size = bases.reduce((product, base) => product * base, 1);
  if (size > largestSpace) throw new Error(`internal: kind ${name} has ${size} problems, more than ${largestSpace}`);
  return size;
}
