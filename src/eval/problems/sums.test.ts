import { expect, test } from "vitest";
import { check, problemAt } from "./families.js";

/** What a question asks for, read from its words. */
function answerOf(prompt: string): bigint {
  const numbers = (prompt.match(/\d+/g) ?? []).map(BigInt);
  const [first = 0n, second = 0n] = numbers;
  if (/^(Add|Find the sum of) \d+(, \d+)* and \d+\.$/.test(prompt)) return numbers.reduce((sum, n) => sum + n, 0n);
  if (/^Subtract \d+ from \d+\.$/.test(prompt)) return second - first;
  if (/^Take \d+ away from \d+\.$/.test(prompt)) return second - first;
  if (/^(What is|How much is) \d+( [+-] \d+)+\?$|^Compute \d+( [+-] \d+)+\.$|^\d+( [+-] \d+)+ =$/.test(prompt)) {
    const signs = prompt.match(/[+-]/g) ?? [];
    return numbers.reduce((sum, n, i) => (i === 0 ? n : signs[i - 1] === "+" ? sum + n : sum - n), 0n);
  }
  throw new Error(`cannot read ${prompt}`);
}

test.each(["add-subtract", "long-sums"] as const)(
  "%s: the answer is what the words of the question ask for",
  (family) => {
    const forms = new Set<string>();
    for (const split of ["train", "heldout"] as const) {
      for (let i = 0; i < 1000; i++) {
        const problem = problemAt(family, split, 3, i);
        expect(problem.answer, problem.prompt).toBe(String(answerOf(problem.prompt)));
        forms.add(problem.prompt.replace(/\d+/g, "n"));
      }
    }
    expect(forms.size).toBeGreaterThanOrEqual(10);
  },
);

test("add-subtract asks for two numbers of two and three digits, and no result is below zero", () => {
  const lengths = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (let i = 0; i < 3000; i++) {
    const { prompt, level, answer } = problemAt("add-subtract", "train", 1, i, undefined, "plain");
    const [, a = "", b = ""] = /^What is (\d+) [+-] (\d+)\?$/.exec(prompt) ?? [];
    lengths[level - 1]?.add([a.length, b.length].sort().join("+"));
    expect(Number(answer)).toBeGreaterThanOrEqual(0);
  }
  expect(lengths.map((set) => [...set])).toEqual([["2+2"], ["2+3"], ["3+3"]]);
});

test("answers are compared as whole numbers", () => {
  const problem = { ...problemAt("long-sums", "train", 1, 0), answer: "-12345" };
  expect(check(problem, "\\boxed{-12,345}")).toBe(true);
  expect(check(problem, "\\boxed{12345}")).toBe(false);
  expect(check(problem, "-12345")).toBe(false);
});
