/**
 * All families by name, and any problem of them by number. Draws go round the levels, and within a level round its kinds, so that all come
 * equally often however many problems each has. Of every family 1,000 problems are held out, dealt out to the kinds in the same round.
 */

import { hashInts } from "../../data/random.js";
import { thinkBegin, thinkEnd } from "../../tokenizer/specialTokens.js";
import { codeJavascript, codePython } from "./code.js";
import { dates } from "./dates.js";
import { lists } from "./lists.js";
import {
  type Family,
  type FamilyName,
  familyNames,
  type Kind,
  type Phrasing,
  type Problem,
  type Split,
  sizeOf,
} from "./problem.js";
import { division, multiplication } from "./products.js";
import { rankAt } from "./split.js";
import { strings } from "./strings.js";
import { addSubtract, longSums } from "./sums.js";
import { units } from "./units.js";
import { Wording } from "./wording.js";

/** Problems of each family that are never in the training split. */
export const numHeldOut = 1000;

/** Keeps these draws apart from others of the same seed. */
const problemStream = 0x70_72_6f_62;

const families: Readonly<Record<FamilyName, Family>> = {
  "add-subtract": addSubtract,
  "long-sums": longSums,
  multiplication,
  division,
  lists,
  units,
  strings,
  dates,
  "code-python": codePython,
  "code-javascript": codeJavascript,
};

/** What a user can choose from. */
export interface FamilyInfo {
  readonly name: FamilyName;
  readonly about: string;
  /** From level 1 on. */
  readonly levels: readonly { readonly about: string; readonly count: number; readonly heldOut: number }[];
}

/** @throws RangeError for another name */
export function familyNamed(name: string): FamilyName {
  const found = familyNames.find((known) => known === name);
  if (found === undefined) {
    throw new RangeError(`problem family "${name}" is not known; there are ${familyNames.join(", ")}`);
  }
  return found;
}

export function familyInfo(name: FamilyName): FamilyInfo {
  const { about, levels } = families[name];
  return {
    name,
    about,
    levels: levels.map((level, i) => ({
      about: level.about,
      count: level.kinds.reduce((sum, kind) => sum + sizeOf(kind), 0),
      heldOut: dealt(numHeldOut, levels.length, i),
    })),
  };
}

/**
 * One problem; every index takes the same time. Equal arguments give equal problems.
 * @param seed of the order, and of the wording; which problems are held out depends on nothing
 * @param index training: any number, without repetition until a kind is used up; held-out: below 1,000, or below the level's share of it
 * @param level from 1; by default all levels in turn
 * @throws RangeError for an unknown family or level, or an index out of range
 */
export function problemAt(
  family: FamilyName,
  split: Split,
  seed: number,
  index: number,
  level?: number,
  phrasing: Phrasing = "varied",
): Problem {
  const { levels, splitKey, close } = families[familyNamed(family)];
  if (!Number.isSafeInteger(index) || index < 0) {
    throw new RangeError(`problem index must be a whole number from 0, got ${index}`);
  }
  const levelIndex = level === undefined ? index % levels.length : level - 1;
  const kinds = levels[levelIndex]?.kinds;
  if (!kinds) throw new RangeError(`${family}: level must be a whole number from 1 to ${levels.length}, got ${level}`);
  const levelHeld = dealt(numHeldOut, levels.length, levelIndex);
  const inLevel = level === undefined ? Math.floor(index / levels.length) : index;
  if (split === "heldout" && inLevel >= levelHeld) {
    const [count, what] = level === undefined ? [numHeldOut, family] : [levelHeld, `${family}, level ${level}`];
    throw new RangeError(
      `${what}: held-out problem ${index} was asked for, there are ${count}, from 0 to ${count - 1}`,
    );
  }
  const kindIndex = inLevel % kinds.length;
  const kind = kinds[kindIndex];
  if (!kind) throw new Error(`internal: ${family}: level ${levelIndex + 1} has no kind`);
  const key = hashInts(problemStream, ...textKeys(splitKey), levelIndex, kindIndex);
  const space = { key, size: sizeOf(kind), held: dealt(levelHeld, kinds.length, kindIndex) };
  const inKind = Math.floor(inLevel / kinds.length);
  const rank = rankAt(space, split, seed, inKind);
  const wording = new Wording(phrasing, problemStream, seed, split === "train" ? 1 : 2, levelIndex, kindIndex, inKind);
  const draft = kind.make(valuesOf(kind, rank), wording);
  const end = close(draft.answer);
  const solution = [...draft.work, end].join("\n");
  return {
    id: `${family}/${levelIndex + 1}/${kind.name}/${rank}`,
    family,
    level: levelIndex + 1,
    prompt: draft.prompt,
    answer: draft.answer,
    solution,
    reasoned: `${thinkBegin}\n${draft.thought.join("\n")}\n${thinkEnd}\n${solution}`,
    mistaken: [...draft.slip.work, close(draft.slip.answer)].join("\n"),
    ...(draft.tests === undefined ? {} : { tests: draft.tests }),
  };
}

/**
 * Whether a response gives the problem's answer, as the family compares it. No box, or no readable one, is a wrong answer.
 * @throws RangeError for code, which only running it can judge: see `codeTrial`
 */
export function check(problem: Problem, response: string): boolean {
  return families[problem.family].check(problem, response);
}

/** How many of `total` things the place `at` gets when they are dealt out to `places` in turn. */
function dealt(total: number, places: number, at: number): number {
  return Math.floor(total / places) + (at < total % places ? 1 : 0);
}

/** A rank as one value for each base. */
function valuesOf(kind: Kind, rank: number): readonly number[] {
  let left = rank;
  return kind.bases.map((base) => {
    const value = left % base;
    left = Math.floor(left / base);
    return value;
  });
}

function textKeys(text: string): readonly number[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0);
}
