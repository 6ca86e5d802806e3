import { expect, test } from "vitest";
import { check, problemAt } from "./families.js";

/** What a question asks for, read from its words; each answer by another way than the generator's. */
function answerOf(prompt: string): number | readonly number[] {
  const list = JSON.parse(/\[[^\]]*\]/.exec(prompt)?.[0] ?? "") as number[];
  const words = prompt.replace(/\[[^\]]*\]/, "L").replace(" Give the list in brackets.", "");
  const counts = new Array<number>(100).fill(0);
  for (const number of list) counts[number] = (counts[number] ?? 0) + 1;
  const ascending = counts.flatMap((count, number) => new Array<number>(count).fill(number));
  if (/^(Sort L in|Put the numbers L in) ascending order\.$|^Arrange L with the smallest number first\.$/.test(words)) {
    return ascending;
  }
  if (/^(Sort L in|Put the numbers L in) descending order\.$|^Arrange L with the largest number first\.$/.test(words)) {
    return ascending.map((_, i) => ascending[ascending.length - 1 - i] ?? 0);
  }
  if (/^(Reverse the list L|Write L from the last number to the first|Turn the order of L around)\.$/.test(words)) {
    return list.map((_, i) => list[list.length - 1 - i] ?? 0);
  }
  if (
    /^What is the difference between the largest and the smallest number in L\?$|^By how much is the largest number of L above the smallest\?$|^Find the range of L: /.test(
      words,
    )
  ) {
    return (ascending.at(-1) ?? 0) - (ascending[0] ?? 0);
  }
  if (
    /^What is the largest number in L\?$|^Find the largest of the numbers L\.$|^Which number of L is the largest\?$/.test(
      words,
    )
  ) {
    return ascending.at(-1) ?? 0;
  }
  if (
    /^What is the smallest number in L\?$|^Find the smallest of the numbers L\.$|^Which number of L is the smallest\?$/.test(
      words,
    )
  ) {
    return ascending[0] ?? 0;
  }
  if (/^What is the sum of the numbers in L\?$|^Add up the numbers L\.$|^Find the total of L\.$/.test(words)) {
    return counts.reduce((sum, count, number) => sum + count * number, 0);
  }
  if (
    /even\? Keep their order\.$|^Keep only the even numbers of L, in the same order\.$|^Remove the odd numbers from L\.$/.test(
      words,
    )
  ) {
    return list.filter((number) => /[02468]$/.test(String(number)));
  }
  if (/duplicates|appears first|first appearance/.test(words)) {
    const seen: number[] = [];
    for (const number of list) if (!seen.includes(number)) seen.push(number);
    return seen;
  }
  const [, bound] = /^(?:How many|Count) .*(?:greater than|above|exceed) (\d+)[?.]$/.exec(words) ?? [];
  if (bound === undefined) throw new Error(`cannot read ${prompt}`);
  return counts.slice(Number(bound) + 1).reduce((sum, count) => sum + count, 0);
}

test("the answer is what the words of the question ask for", () => {
  const kinds = new Set<string>();
  for (const split of ["train", "heldout"] as const) {
    for (let i = 0; i < 1000; i++) {
      const problem = problemAt("lists", split, 3, i);
      const wanted = answerOf(problem.prompt);
      expect(problem.answer, problem.prompt).toBe(
        typeof wanted === "number" ? String(wanted) : `[${wanted.join(", ")}]`,
      );
      kinds.add(problem.id.split("/")[2] ?? "");
    }
  }
  expect(kinds.size).toBe(10);
});

test("the working calls numbers even, odd, new, seen, or counted as they are", () => {
  const wrong: string[] = [];
  for (let i = 0; i < 3000; i++) {
    const { solution } = problemAt("lists", "train", 1, i);
    const before: string[] = [];
    for (const line of solution.split("\n")) {
      const [, number = "", word] = /^(\d+) (even|odd|new|seen)$/.exec(line) ?? [];
      const isEven = /[02468]$/.test(number);
      const isSeen = before.includes(number);
      before.push(number);
      if ((word === "even" || word === "odd") && isEven !== (word === "even")) wrong.push(line);
      if ((word === "new" || word === "seen") && isSeen !== (word === "seen")) wrong.push(line);
    }
  }
  expect(wrong).toEqual([]);
});

test("lists are compared number by number", () => {
  const problem = { ...problemAt("lists", "train", 1, 0), answer: "[3, 7, 12]" };
  expect(check(problem, "\\boxed{[3,7,12]}")).toBe(true);
  expect(check(problem, "\\boxed{3, 7, 12}")).toBe(true);
  expect(check(problem, "\\boxed{[3, 12, 7]}")).toBe(false);
  expect(check(problem, "\\boxed{[3, 7]}")).toBe(false);
  expect(check(problem, "\\boxed{3 7 12}")).toBe(false);
});
