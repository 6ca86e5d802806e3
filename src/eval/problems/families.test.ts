import { describe, expect, test } from "vitest";
import { check, familyInfo, familyNamed, numHeldOut, problemAt } from "./families.js";
import { type FamilyName, familyNames, type Problem } from "./problem.js";

const isCode = (family: FamilyName): boolean => family.startsWith("code-");

/** A question without its wording; of sums and products, whose order tells nothing, with the numbers in order. */
function content({ family, prompt }: Problem): string {
  const isEitherOrder = family === "multiplication" || / \+ /.test(prompt);
  const numbers = (prompt.match(/\d+/g) ?? []).map(Number);
  return isEitherOrder && !isCode(family) ? numbers.sort((a, b) => a - b).join(" ") : prompt;
}

function draws(family: FamilyName, split: "train" | "heldout", count: number, seed = 1): Problem[] {
  return Array.from({ length: count }, (_, i) => problemAt(family, split, seed, i, undefined, "plain"));
}

/** Statements of a text such as 4+8+1=13, 36=7*5+1 or 3<=7. */
function statementsOf(text: string): string[] {
  const words = text.split(/\s+/).map((word) => word.replace(/[.,:]+$/, ""));
  return words.filter((word) => /^\d[\d.+*/-]*(<=|>=|<|>|=)\d[\d.+*/-]*$/.test(word));
}

/** Whether JavaScript agrees with a statement. */
function isTrue(statement: string): boolean {
  // Without leading zeros, which JavaScript does not allow, and with its own sign for equality.
  const code = statement.replace(/(?<![\d.])0+(?=\d)/g, "").replace(/(?<![<>])=/, "===");
  return new Function(`return ${code}`)() === true;
}

describe.each(familyNames)("%s", (family) => {
  const heldOut = draws(family, "heldout", numHeldOut);
  const train = draws(family, "train", 2000);

  test("has at least three levels, and at least 5,000 problems", () => {
    const { levels } = familyInfo(family);
    expect(levels.length).toBeGreaterThanOrEqual(3);
    expect(levels.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThanOrEqual(5000);
    expect(levels.reduce((sum, level) => sum + level.heldOut, 0)).toBe(1000);
    expect(new Set(train.map(({ level }) => level)).size).toBe(levels.length);
  });

  test("holds 1,000 different problems out, and none of the 2,000 first to train on is among them", () => {
    const held = new Set(heldOut.map(content));
    expect(held.size).toBe(1000);
    expect(new Set(train.map(content)).size).toBe(2000);
    expect(train.filter((problem) => held.has(content(problem)))).toEqual([]);
  });

  test("holds the same problems out for every seed", () => {
    const others = draws(family, "heldout", numHeldOut, 99);
    expect(others.map(({ id }) => id)).not.toEqual(heldOut.map(({ id }) => id));
    expect(others.map(content).sort()).toEqual(heldOut.map(content).sort());
  });

  test("gives equal problems for equal arguments, in any order of asking", () => {
    for (const index of [1999, 0, 1234]) {
      expect(problemAt(family, "train", 1, index, undefined, "plain")).toEqual(train[index]);
    }
    expect(problemAt(family, "train", 2, 5).id).not.toBe(problemAt(family, "train", 1, 5).id);
  });

  test("no answer is right for 5 % of the held-out problems", () => {
    const counts = new Map<string, number>();
    for (const { answer } of heldOut) counts.set(answer, (counts.get(answer) ?? 0) + 1);
    expect(Math.max(...counts.values())).toBeLessThan(50);
  });

  test("one level alone is that level, held-out problems included", () => {
    const { levels } = familyInfo(family);
    const held = new Set(heldOut.map(({ id }) => id));
    levels.forEach(({ heldOut: count }, i) => {
      expect(problemAt(family, "train", 1, 7, i + 1).level).toBe(i + 1);
      const ids = Array.from({ length: count }, (_, at) => problemAt(family, "heldout", 5, at, i + 1).id);
      expect(new Set(ids).size).toBe(count);
      expect(ids.every((id) => held.has(id))).toBe(true);
      expect(() => problemAt(family, "heldout", 5, count, i + 1)).toThrow(`there are ${count}`);
    });
  });

  test("the plain phrasing asks each kind in one form of words", () => {
    const forms = new Map<string, Set<string>>();
    for (const { id, prompt } of train) {
      const [, level, kind] = id.split("/");
      const form = prompt.replace(/"[^"]*"|\[[^\]]*\]|\d+/g, "*").replace(/\b(A|a) \w+day\b/g, "W");
      forms.set(`${level} ${kind}`, (forms.get(`${level} ${kind}`) ?? new Set()).add(form.slice(0, 8)));
    }
    expect([...forms.values()].filter((set) => set.size > 1 && !set.has("* is W."))).toEqual([]);
    const varied = Array.from({ length: 60 }, (_, i) => problemAt(family, "train", 1, i, 1).prompt.slice(0, 8));
    expect(new Set(varied).size).toBeGreaterThan(2);
  });

  test("a reasoned response is thoughts, then the short response, and at least twice as long", () => {
    const isGood = ({ solution, reasoned }: Problem): boolean =>
      reasoned.startsWith("<think>\n") &&
      reasoned.endsWith(`\n</think>\n${solution}`) &&
      reasoned.length >= 2 * solution.length &&
      !/undefined|NaN|\[object/.test(reasoned);
    expect(train.filter((problem) => !isGood(problem))).toEqual([]);
  });
});

describe.each(familyNames.filter((family) => !isCode(family)))("%s", (family) => {
  const problems = [...draws(family, "train", 2000, 4), ...draws(family, "heldout", numHeldOut)];

  test("both responses are right, the mistaken one is wrong, and no box is no answer", () => {
    const isGood = (problem: Problem): boolean =>
      problem.solution.endsWith(`\n\\boxed{${problem.answer}}`) &&
      check(problem, problem.solution) &&
      check(problem, problem.reasoned) &&
      !check(problem, problem.mistaken) &&
      !check(problem, problem.answer);
    expect(problems.filter((problem) => !isGood(problem))).toEqual([]);
  });

  test("every equation and comparison in the responses is true", () => {
    const statements = new Set(problems.flatMap(({ reasoned }) => statementsOf(reasoned)));
    expect([...statements].filter((statement) => !isTrue(statement))).toEqual([]);
    if (family !== "strings") expect(statements.size).toBeGreaterThan(500);
  });

  test("of two boxes the last counts", () => {
    const problem = problemAt(family, "train", 1, 0);
    expect(check(problem, `\\boxed{${problem.answer}} or \\boxed{no}`)).toBe(false);
    expect(check(problem, `\\boxed{no}, rather \\boxed{${problem.answer}}`)).toBe(true);
    expect(check(problem, `<think>\\boxed{${problem.answer}}</think>I do not know.`)).toBe(false);
  });
});

test("names, levels and indices that are not there are refused", () => {
  expect(() => familyNamed("sums")).toThrow('"sums" is not known; there are add-subtract, long-sums');
  expect(() => problemAt("lists", "train", 1, 0, 4)).toThrow("lists: level must be a whole number from 1 to 3, got 4");
  expect(() => problemAt("lists", "train", 1, 0, 0)).toThrow("got 0");
  expect(() => problemAt("lists", "heldout", 1, 1000)).toThrow("held-out problem 1000 was asked for, there are 1000");
  expect(() => problemAt("lists", "train", 1, 1.5)).toThrow("got 1.5");
});

test("a three-digit sum has at most 40 tokens of work, every digit being one", () => {
  // A tokenizer has at most a token for each digit, sign, line break and brace, and one for `\boxed`.
  const lengths = Array.from({ length: 500 }, (_, i) =>
    problemAt("add-subtract", "train", 1, i, 3).solution.replace("\\boxed", "b"),
  ).map(({ length }) => length);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(40);
});
