import { expect, test } from "vitest";
import { check, problemAt } from "./families.js";

/** Of each unit, how many of the smallest of its kind; speeds in metres an hour. */
const sizes: Readonly<Record<string, bigint>> = {
  ...{ mm: 1n, cm: 10n, m: 1000n, km: 1_000_000n },
  ...{ mg: 1n, g: 1000n, kg: 1_000_000n, t: 1_000_000_000n },
  ...{ ml: 1n, l: 1000n },
  ...{ s: 1n, min: 60n, h: 3600n, days: 86_400n, weeks: 604_800n },
  ...{ in: 1n, ft: 12n, yd: 36n },
  ...{ oz: 1n, lb: 16n },
  ...{ "m/s": 3600n, "m/min": 60n, "km/h": 1000n },
};

function sizeOf(unit: string): bigint {
  const size = sizes[unit];
  if (size === undefined) throw new Error(`no size of ${unit}`);
  return size;
}

/** a / b as a decimal number without zeros at its end. */
function decimal(a: bigint, b: bigint): string {
  let [text, rest] = [`${a / b}`, a % b];
  if (rest > 0n) text += ".";
  while (rest > 0n) {
    text += `${(10n * rest) / b}`;
    rest = (10n * rest) % b;
  }
  return text;
}

function answerOf(prompt: string): string {
  const [, from = "", to = ""] =
    /^(?:Convert|Express|How much is|What is) ((?:\d+ [a-z/]+ ?)+?) (?:to|in) (.+)[.?]$/.exec(prompt) ?? [];
  const parts = from.split(" ");
  let total = 0n;
  for (let i = 0; i < parts.length; i += 2) total += BigInt(parts[i] ?? "x") * sizeOf(parts[i + 1] ?? "");
  const targets = to.split(/, | and /);
  if (targets.length === 1) return `${decimal(total, sizeOf(to))} ${to}`;
  return targets
    .map((unit) => {
      const count = total / sizeOf(unit);
      total -= count * sizeOf(unit);
      return `${count} ${unit}`;
    })
    .join(" ");
}

test("the answer is the same amount as in the question", () => {
  const units = new Set<string>();
  for (const split of ["train", "heldout"] as const) {
    for (let i = 0; i < 1000; i++) {
      const { prompt, answer } = problemAt("units", split, 3, i);
      expect(answer, prompt).toBe(answerOf(prompt));
      for (const unit of prompt.match(/[a-z]+(\/[a-z]+)?/g) ?? []) if (unit in sizes) units.add(unit);
    }
  }
  expect([...units].sort()).toEqual(Object.keys(sizes).sort());
});

test("a quantity is right with its unit or alone, in any exact form, and with no other unit", () => {
  const problem = { ...problemAt("units", "train", 1, 0), answer: "4.35 km" };
  expect(check(problem, "\\boxed{4.350}")).toBe(true);
  expect(check(problem, "\\boxed{4.35 km}")).toBe(true);
  expect(check(problem, "\\boxed{4.35km}")).toBe(true);
  expect(check(problem, "\\boxed{4.35 m}")).toBe(false);
  expect(check(problem, "\\boxed{4.3}")).toBe(false);
  const two = { ...problem, answer: "7 h 17 min" };
  expect(check(two, "\\boxed{7 h 17 min}")).toBe(true);
  expect(check(two, "\\boxed{7h 17min}")).toBe(true);
  expect(check(two, "\\boxed{7 h}")).toBe(false);
  expect(check(two, "\\boxed{7 17}")).toBe(false);
  expect(check(two, "\\boxed{17 min 7 h}")).toBe(false);
});
