import { expect, test } from "vitest";
import { check, problemAt } from "./families.js";

const dayMs = 86_400_000;
const names = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** What a question asks for, read from its words, by JavaScript's own calendar. */
function answerOf(prompt: string): string {
  const dates = prompt.match(/\d{4}-\d\d-\d\d/g) ?? [];
  const [first = Number.NaN, second = Number.NaN] = dates.map((date) => Date.parse(`${date}T00:00:00Z`));
  if (prompt.includes("YYYY-MM-DD")) {
    const [days = "x"] = prompt.replace(/\d{4}-\d\d-\d\d/g, "").match(/\d+/) ?? [];
    const sign = / (before|earlier)\b/.test(prompt) ? -1 : 1;
    return new Date(first + sign * Number(days) * dayMs).toISOString().slice(0, 10);
  }
  if (/day of the week/.test(prompt)) {
    const given = /\ba (\w+day)\b/.exec(prompt)?.[1];
    expect(given, prompt).toBe(names[new Date(first).getUTCDay()]);
    return names[new Date(second).getUTCDay()] ?? "";
  }
  if (/whole years/.test(prompt)) {
    let years = 0;
    const begin = new Date(first);
    while (Date.UTC(begin.getUTCFullYear() + years + 1, begin.getUTCMonth(), begin.getUTCDate()) <= second) years++;
    return String(years);
  }
  if (!/days/.test(prompt)) throw new Error(`cannot read ${prompt}`);
  return String((second - first) / dayMs);
}

test("the answer is what the words of the question ask for", () => {
  const forms = new Set<string>();
  for (const split of ["train", "heldout"] as const) {
    for (let i = 0; i < 1000; i++) {
      const { prompt, answer } = problemAt("dates", split, 3, i);
      expect(answer, prompt).toBe(answerOf(prompt));
      forms.add(
        prompt
          .replace(/\d{4}-\d\d-\d\d/g, "D")
          .replace(/\d+/g, "n")
          .replace(/\w+day\b/g, "W"),
      );
    }
  }
  expect(forms.size).toBe(23);
});

test("whole years are never counted from a 29 February, which most years lack", () => {
  for (let i = 0; i < 3000; i++) {
    const { prompt } = problemAt("dates", "train", 1, i);
    if (prompt.includes("whole years")) expect(prompt.match(/\d{4}-\d\d-\d\d/)?.[0]).not.toMatch(/02-29$/);
  }
});

test("on the very day of the year the year is whole", () => {
  let met = 0;
  for (let i = 0; i < 4000; i++) {
    // The fifth kind of the level.
    const { prompt, answer } = problemAt("dates", "train", 1, 5 * i + 4, 2);
    const [, from = "", day, to = "", again] = /(\d{4})-(\d\d-\d\d).*(\d{4})-(\d\d-\d\d)/.exec(prompt) ?? [];
    if (day !== again) continue;
    met++;
    expect(answer, prompt).toBe(String(Number(to) - Number(from)));
  }
  expect(met).toBeGreaterThan(3);
});

test("dates are compared as they are written", () => {
  const problem = { ...problemAt("dates", "train", 1, 0), answer: "2021-03-04" };
  expect(check(problem, "\\boxed{2021-03-04}")).toBe(true);
  expect(check(problem, "\\boxed{2021-3-4}")).toBe(false);
  expect(check({ ...problem, answer: "Monday" }, "\\boxed{\\text{Monday}}")).toBe(true);
  expect(check({ ...problem, answer: "Monday" }, "\\boxed{Tuesday}")).toBe(false);
});
