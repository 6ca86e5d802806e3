/** The kinds of functions that code problems ask for, put together from the parts of codeParts.ts. */
import { hashInts } from "../../data/random.js";
import {
  type Change,
  type Condition,
  changes,
  conditions,
  type Language,
  negated,
  oneMore,
  type Reduction,
  reductions,
} from "./codeParts.js";
import { codeDraft, literal, type Version } from "./codeTask.js";
import type { Json, Kind } from "./problem.js";
import type { Wording } from "./wording.js";

/** Keeps numbers small in loops. */
const modulus = 1000;

const letters = "abcdefghijklmnopqrstuvwxyz";

interface TextForm {
  readonly english: string;
  readonly apply: (text: string) => string;
  readonly python: (text: string) => string;
  readonly javascript: (text: string) => string;
}

const textForms: readonly TextForm[] = [
  { english: "as it then is", apply: (s) => s, python: (s) => s, javascript: (s) => s },
  {
    english: "reversed",
    apply: (s) => Array.from(s).reverse().join(""),
    python: (s) => `${s}[::-1]`,
    javascript: (s) => `[...${s}].reverse().join("")`,
  },
  {
    english: "in capitals",
    apply: (s) => s.toUpperCase(),
    python: (s) => `${s}.upper()`,
    javascript: (s) => `${s}.toUpperCase()`,
  },
  { english: "twice in a row", apply: (s) => s + s, python: (s) => `${s} * 2`, javascript: (s) => `${s}.repeat(2)` },
];

export function branch(language: Language): Kind {
  return {
    name: "branch",
    bases: [conditions.length, changes.length, changes.length - 1],
    make: ([c = 0, a = 0, b = 0], wording) => {
      const condition = at(conditions, c);
      // The two changes differ.
      const [yes, no] = [at(changes, a), at(changes, b < a ? b : b + 1)];
      const version = (when: Condition, then: Change, otherwise: Change): Version<number> => ({
        run: (n) => (when.holds(n) ? then : otherwise).apply(n),
        body: [
          ...onlyIf(when.code("n", language), `return ${then.code("n", language)}`, language),
          returned(otherwise.code("n", language), language),
        ],
      });
      const english = `if n is ${condition.english}, it returns ${yes.english("n")}, otherwise ${no.english("n")}.`;
      return codeDraft(
        {
          language,
          parameter: "n",
          statement: `n is a whole number from 0 on; ${english}`,
          summary: `Two cases, told apart by whether n is ${condition.english}.`,
          right: version(condition, yes, no),
          wrong: slips(
            wording,
            () => version(condition, oneMore(yes), no),
            () => version(condition, no, yes),
            () => version(negated(condition), yes, no),
          ),
          inputs: numbers([condition.border[0], condition.border[1]], 1, c, a, b),
          trace: (n) =>
            `${n} is ${condition.holds(n) ? "" : "not "}${condition.english}, ${(condition.holds(n) ? yes : no).english(String(n))}`,
        },
        wording,
      );
    },
  };
}

export function chain(language: Language): Kind {
  return {
    name: "chain",
    bases: [changes.length, changes.length],
    make: ([a = 0, b = 0], wording) => {
      const [first, second] = [at(changes, a), at(changes, b)];
      const version = (one: Change, two: Change): Version<number> => ({
        run: (n) => two.apply(one.apply(n)),
        body: [
          language === "python" ? `m = ${one.code("n", language)}` : `const m = ${one.code("n", language)};`,
          returned(two.code("m", language), language),
        ],
      });
      return codeDraft(
        {
          language,
          parameter: "n",
          statement: `n is a whole number from 0 on; m is ${first.english("n")}, and the function returns ${second.english("m")}.`,
          summary: "One step after the other.",
          right: version(first, second),
          wrong: slips(
            wording,
            () => version(first, oneMore(second)),
            () => version(second, first),
          ),
          inputs: numbers([], 2, a, b),
          trace: (n) =>
            `m is ${first.english(String(n))}, ${first.apply(n)}, then ${second.english(String(first.apply(n)))}`,
        },
        wording,
      );
    },
  };
}

export function keepAndChange(language: Language): Kind {
  return {
    name: "keep",
    bases: [conditions.length, changes.length],
    make: ([c = 0, a = 0], wording) => {
      const [condition, change] = [at(conditions, c), at(changes, a)];
      const version = (when: Condition, then: Change): Version<readonly number[]> => ({
        run: (xs) => xs.filter(when.holds).map(then.apply),
        body: [returned(kept(when, then, language), language)],
      });
      return codeDraft(
        {
          language,
          parameter: "xs",
          statement: `xs is a list of whole numbers from 0 on; for every x in it that is ${condition.english}, the returned list holds ${change.english("x")}, in the same order.`,
          summary: `Keep each x that is ${condition.english}, and change it.`,
          right: version(condition, change),
          wrong: slips(
            wording,
            () => version(condition, oneMore(change)),
            () => version(negated(condition), change),
          ),
          inputs: numberLists(condition, 3, c, a),
          trace: (xs) => `kept are ${literal(xs.filter(condition.holds))}, changed one by one`,
        },
        wording,
      );
    },
  };
}

export function changeSome(language: Language): Kind {
  return {
    name: "change-some",
    bases: [conditions.length, changes.length],
    make: ([c = 0, a = 0], wording) => {
      const [condition, change] = [at(conditions, c), at(changes, a)];
      const version = (when: Condition, then: Change): Version<readonly number[]> => {
        const [test, changed] = [when.code("x", language), then.code("x", language)];
        return {
          run: (xs) => xs.map((x) => (when.holds(x) ? then.apply(x) : x)),
          body: [
            returned(
              language === "python"
                ? `[${changed} if ${test} else x for x in xs]`
                : `xs.map((x) => (${test} ? ${changed} : x))`,
              language,
            ),
          ],
        };
      };
      return codeDraft(
        {
          language,
          parameter: "xs",
          statement: `xs is a list of whole numbers from 0 on; the returned list has ${change.english("x")} in place of every x that is ${condition.english}, and the other numbers as they are.`,
          summary: `Change each x that is ${condition.english}, and leave the others.`,
          right: version(condition, change),
          wrong: slips(
            wording,
            () => version(condition, oneMore(change)),
            () => version(negated(condition), change),
          ),
          inputs: numberLists(condition, 4, c, a),
          trace: (xs) => `to be changed are ${literal(xs.filter(condition.holds))}`,
        },
        wording,
      );
    },
  };
}

export function texts(language: Language): Kind {
  return {
    name: "text",
    bases: [textForms.length, letters.length, letters.length - 1],
    make: ([f = 0, a = 0, b = 0], wording) => {
      const form = at(textForms, f);
      const [out, into] = [letters[a] ?? "", letters[b < a ? b : b + 1] ?? ""];
      const version = (from: string, to: string): Version<string> => {
        const replaced = language === "python" ? `s.replace("${from}", "${to}")` : `s.replaceAll("${from}", "${to}")`;
        return {
          run: (s) => form.apply(s.replaceAll(from, to)),
          body: [
            language === "python" ? `text = ${replaced}` : `const text = ${replaced};`,
            returned(form[language]("text"), language),
          ],
        };
      };
      return codeDraft(
        {
          language,
          parameter: "s",
          statement: `s is a text of small letters; every "${out}" in it is replaced by "${into}", and the function returns the text ${form.english}.`,
          summary: `Replace first, then return the text ${form.english}.`,
          right: version(out, into),
          wrong: slips(
            wording,
            () => version(out, out),
            () => version(into, out),
          ),
          inputs: letterTexts(out, into, f, a, b),
          trace: (s) => `replaced it is ${literal(s.replaceAll(out, into))}, which goes out ${form.english}`,
        },
        wording,
      );
    },
  };
}

export function reduce(language: Language): Kind {
  return {
    name: "reduce",
    bases: [conditions.length, changes.length, reductions.length],
    make: ([c = 0, a = 0, r = 0], wording) => {
      const [condition, change, reduction] = [at(conditions, c), at(changes, a), at(reductions, r)];
      const version = (when: Condition, then: Change, end: Reduction): Version<readonly number[]> => ({
        run: (xs) => end.apply(xs.filter(when.holds).map(then.apply)),
        body: [
          language === "python"
            ? `values = ${kept(when, then, language)}`
            : `const values = ${kept(when, then, language)};`,
          returned(end.code[language], language),
        ],
      });
      const others = reductions.filter((other) => other !== reduction);
      return codeDraft(
        {
          language,
          parameter: "xs",
          statement: `xs is a list of whole numbers from 0 on; take ${change.english("x")} for every x in it that is ${condition.english}, and return ${reduction.english}.`,
          summary: `Keep each x that is ${condition.english}, change it, and return ${reduction.english}.`,
          right: version(condition, change, reduction),
          wrong: slips(
            wording,
            () => version(condition, oneMore(change), reduction),
            () => version(negated(condition), change, reduction),
            ...others.map((other) => () => version(condition, change, other)),
          ),
          inputs: numberLists(condition, 5, c, a, r),
          trace: (xs) => `the values are ${literal(xs.filter(condition.holds).map(change.apply))}`,
        },
        wording,
      );
    },
  };
}

export function loop(language: Language): Kind {
  return {
    name: "loop",
    bases: [conditions.length, changes.length, changes.length - 1, 4],
    make: ([c = 0, a = 0, b = 0, t = 0], wording) => {
      const [condition, times] = [at(conditions, c), t + 2];
      const [yes, no] = [at(changes, a), at(changes, b < a ? b : b + 1)];
      const version = (when: Condition, then: Change, otherwise: Change, turns: number): Version<number> => {
        const [test, one, two] = [when.code("n", language), then.code("n", language), otherwise.code("n", language)];
        return {
          run: (n) => steps(n, when, then, otherwise, turns).at(-1) ?? n,
          body:
            language === "python"
              ? [`for _ in range(${turns}):`, `    n = (${one} if ${test} else ${two}) % ${modulus}`, "return n"]
              : [
                  `for (let i = 0; i < ${turns}; i++) {`,
                  `  n = (${test} ? ${one} : ${two}) % ${modulus};`,
                  "}",
                  "return n;",
                ],
        };
      };
      return codeDraft(
        {
          language,
          parameter: "n",
          statement: `n is a whole number from 0 on; ${times} times, n becomes ${yes.english("n")} if n is ${condition.english}, otherwise ${no.english("n")}, each time less all whole multiples of ${modulus}; then n is returned.`,
          summary: `A loop of ${times} turns with two cases; the remainder by ${modulus} takes the multiples off.`,
          right: version(condition, yes, no, times),
          wrong: slips(
            wording,
            () => version(condition, yes, no, times - 1),
            () => version(condition, yes, no, times + 1),
            () => version(condition, no, yes, times),
            () => version(condition, oneMore(yes), no, times),
            () => version(condition, yes, oneMore(no), times),
          ),
          inputs: numbers([condition.border[0], condition.border[1]], 6, c, a, b, t),
          trace: (n) => [n, ...steps(n, condition, yes, no, times)].join(" -> "),
        },
        wording,
      );
    },
  };
}

/** The number after each turn. */
function steps(n: number, when: Condition, then: Change, otherwise: Change, turns: number): readonly number[] {
  const result: number[] = [];
  for (let x = n; result.length < turns; result.push(x)) x = (when.holds(x) ? then : otherwise).apply(x) % modulus;
  return result;
}

function returned(expression: string, language: Language): string {
  return language === "python" ? `return ${expression}` : `return ${expression};`;
}

function onlyIf(test: string, statement: string, language: Language): readonly string[] {
  return language === "python" ? [`if ${test}:`, `    ${statement}`] : [`if (${test}) ${statement};`];
}

function kept(when: Condition, then: Change, language: Language): string {
  const [test, changed] = [when.code("x", language), then.code("x", language)];
  return language === "python"
    ? `[${changed} for x in xs if ${test}]`
    : `xs.filter((x) => ${test}).map((x) => ${changed})`;
}

/** In turn from one that the wording picks. */
function slips<T extends Json>(wording: Wording, ...makers: readonly (() => Version<T>)[]): readonly Version<T>[] {
  const from = wording.below(makers.length);
  return [...makers.slice(from), ...makers.slice(0, from)].map((make) => make());
}

/** Tests belong to the problem, so they are drawn by its values alone. */
function numbers(first: readonly number[], ...keys: readonly number[]): readonly number[] {
  const drawn = Array.from({ length: 8 - first.length }, (_, i) => hashInts(...keys, i) % 41);
  return [...first, ...drawn];
}

/** Lists with both sides of the border first, and an empty one. */
function numberLists(condition: Condition, ...keys: readonly number[]): readonly (readonly number[])[] {
  const [yes, no] = condition.border;
  // Every third number is one that counts, which for some conditions few do.
  const drawn = (list: number, length: number): readonly number[] =>
    Array.from({ length }, (_, i) => {
      const number = hashInts(...keys, list, i);
      return number % 3 === 0 ? yes : number % 41;
    });
  return [
    [yes, no, ...drawn(0, 2)],
    [...drawn(1, 3), no, yes],
    [],
    ...[4, 5, 6, 7].map((length) => drawn(length, length)),
  ];
}

/** Texts in which both letters stand, and an empty one. */
function letterTexts(out: string, into: string, ...keys: readonly number[]): readonly string[] {
  const drawn = (text: number, length: number): string =>
    Array.from({ length }, (_, i) => {
      const letter = hashInts(7, ...keys, text, i) % 9;
      // A third of the letters are the two that count.
      return letter < 2 ? out : letter === 2 ? into : letters[hashInts(8, ...keys, text, i) % letters.length];
    }).join("");
  return [
    `${out}${drawn(0, 3)}${into}`,
    `${drawn(1, 2)}${out}${drawn(2, 2)}`,
    "",
    ...[3, 5, 6, 8].map((n) => drawn(n, n)),
  ];
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`internal: code: there is no part ${index} of ${items.length}`);
  return item;
}
