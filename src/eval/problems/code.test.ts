import { execFileSync, spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { codeTrial } from "./code.js";
import { check, problemAt } from "./families.js";
import type { Json, Problem } from "./problem.js";

function draws(family: "code-python" | "code-javascript", count: number): Problem[] {
  const train = Array.from({ length: count }, (_, i) => problemAt(family, "train", 3, i));
  return [...train, ...Array.from({ length: 1000 }, (_, i) => problemAt(family, "heldout", 3, i))];
}

/** What each call gives; null where the program or a call fails. */
function runJavascript(program: string, calls: readonly string[]): readonly (Json | null)[] | null {
  try {
    return new Function(`${program}\nreturn [${calls.join(", ")}];`)() as Json[];
  } catch {
    return null;
  }
}

function trialOf(problem: Problem, response: string): { program: string; calls: readonly string[]; expected: string } {
  const trial = codeTrial(problem, response);
  if (trial === null) throw new Error(`no program in ${response}`);
  return { program: trial.program, calls: trial.calls, expected: JSON.stringify(trial.expected) };
}

test("JavaScript: the reference gives every expected value, and the mistaken program does not", () => {
  const isRight = (problem: Problem, response: string): boolean => {
    const { program, calls, expected } = trialOf(problem, response);
    return JSON.stringify(runJavascript(program, calls)) === expected;
  };
  const problems = draws("code-javascript", 1000);
  expect(problems.filter((problem) => trialOf(problem, problem.reasoned).program !== problem.answer)).toEqual([]);
  expect(problems.filter((problem) => !isRight(problem, problem.solution))).toEqual([]);
  expect(problems.filter((problem) => isRight(problem, problem.mistaken))).toEqual([]);
});

const python = spawnSync("python3", ["--version"]).status === 0;

test.skipIf(!python)("Python: the reference gives every expected value, and the mistaken program does not", () => {
  const trials = draws("code-python", 1000).flatMap((problem) =>
    [problem.solution, problem.mistaken].map((response) => trialOf(problem, response)),
  );
  const script = `
import json, sys
out = []
for trial in json.load(sys.stdin):
    space = {}
    exec(trial["program"], space)
    out.append(json.dumps([eval(call, space) for call in trial["calls"]], separators=(",", ":")))
json.dump(out, sys.stdout)`;
  const options = { input: JSON.stringify(trials), encoding: "utf8", maxBuffer: 1 << 26 } as const;
  const results = JSON.parse(execFileSync("python3", ["-c", script], options)) as string[];
  const verdicts = results.map((result, i) => result === trials[i]?.expected);
  expect(trials.filter((_, i) => verdicts[i] !== (i % 2 === 0))).toEqual([]);
});

/** A change in words, such as "n plus 7", done to a number. */
function change(words: string, x: number): number {
  const [, k = "x"] = /(?:plus|times|and|by) (\d+)$/.exec(words) ?? [];
  if (/^\w plus \d+$/.test(words)) return x + Number(k);
  if (/^\w times \d+$/.test(words)) return x * Number(k);
  if (/^the distance between \w and \d+$/.test(words)) return x > Number(k) ? x - Number(k) : Number(k) - x;
  if (/^the remainder of \w divided by \d+$/.test(words)) return x - Number(k) * Math.floor(x / Number(k));
  if (/^the square of \w$/.test(words)) return x ** 2;
  throw new Error(`cannot read ${words}`);
}

function holds(words: string, x: number): boolean {
  const k = Number(/\d+$/.exec(words)?.[0]);
  if (words.startsWith("greater than ")) return x >= k + 1;
  if (words.startsWith("less than ")) return x <= k - 1;
  if (words.startsWith("not divisible by ")) return !Number.isInteger(x / k);
  if (words.startsWith("divisible by ")) return Number.isInteger(x / k);
  if (words.startsWith("a number with the last digit ")) return String(x).at(-1) === String(k);
  throw new Error(`cannot read ${words}`);
}

/** What the statement of a problem asks of one argument, read from its words. */
function asked(prompt: string, given: unknown): Json {
  const words = prompt.replace(/ Examples: .*$/s, "").replace(/^.*?(?=(n is a whole|xs is a list|s is a text))/s, "");
  const part = (pattern: RegExp): readonly string[] | null => pattern.exec(words)?.slice(1) ?? null;
  const branch = part(/; if n is (.+), it returns (.+), otherwise (.+)\.$/);
  if (branch) return change(branch[holds(branch[0] ?? "", Number(given)) ? 1 : 2] ?? "", Number(given));
  const chain = part(/; m is (.+), and the function returns (.+)\.$/);
  if (chain) return change(chain[1] ?? "", change(chain[0] ?? "", Number(given)));
  const loop = part(
    /; (\d) times, n becomes (.+) if n is (.+), otherwise (.+), each time less all whole multiples of 1000;/,
  );
  if (loop) {
    let n = Number(given);
    for (let i = 0; i < Number(loop[0]); i++) n = change(loop[holds(loop[2] ?? "", n) ? 1 : 3] ?? "", n) % 1000;
    return n;
  }
  const text = part(/; every "(\w)" in it is replaced by "(\w)", and the function returns the text (.+)\.$/);
  if (text) {
    const replaced = Array.from(String(given), (letter) => (letter === text[0] ? text[1] : letter));
    if (text[2] === "reversed") return replaced.reverse().join("");
    if (text[2] === "in capitals") return replaced.join("").toUpperCase();
    if (text[2] === "twice in a row") return [...replaced, ...replaced].join("");
    if (text[2] === "as it then is") return replaced.join("");
    throw new Error(`cannot read ${words}`);
  }
  const xs = given as number[];
  const keep = part(/; for every x in it that is (.+), the returned list holds (.+), in the same order\.$/);
  if (keep) return xs.flatMap((x) => (holds(keep[0] ?? "", x) ? [change(keep[1] ?? "", x)] : []));
  const some = part(
    /; the returned list has (.+) in place of every x that is (.+), and the other numbers as they are\.$/,
  );
  if (some) return xs.map((x) => (holds(some[1] ?? "", x) ? change(some[0] ?? "", x) : x));
  const reduce = part(/; take (.+) for every x in it that is (.+), and return (.+)\.$/);
  if (!reduce) throw new Error(`cannot read ${words}`);
  const values = xs.flatMap((x) => (holds(reduce[1] ?? "", x) ? [change(reduce[0] ?? "", x)] : []));
  values.sort((a, b) => a - b);
  if (reduce[2] === "their sum") return values.reduce((sum, value) => sum + value, 0);
  if (reduce[2] === "the largest of them, or 0 if there are none") return values.at(-1) ?? 0;
  if (reduce[2] === "the smallest of them, or 0 if there are none") return values[0] ?? 0;
  return values.filter((value, i) => value !== values[i - 1]).length;
}

test("the expected values are what the words of the statement ask for", () => {
  const kinds = new Set<string>();
  const wrong: string[] = [];
  for (const { id, prompt, tests } of draws("code-python", 1000)) {
    for (const { call, expected } of tests?.cases ?? []) {
      const given: unknown = JSON.parse(/\((.*)\)$/.exec(call)?.[1] ?? "");
      const wanted = asked(prompt, given);
      if (JSON.stringify(expected) !== JSON.stringify(wanted)) wrong.push(`${prompt} ${call}: ${wanted}`);
    }
    kinds.add(id.split("/")[2] ?? "");
  }
  expect(wrong).toEqual([]);
  expect(kinds.size).toBe(7);
});

test("both languages ask the same problems and hold the same ones out", () => {
  for (const split of ["train", "heldout"] as const) {
    for (let i = 0; i < 300; i++) {
      const [python, javascript] = [problemAt("code-python", split, 1, i), problemAt("code-javascript", split, 1, i)];
      expect(python.prompt.replace("Python", "JavaScript")).toBe(javascript.prompt);
      expect(python.tests?.cases).toEqual(javascript.tests?.cases);
    }
  }
});

test("what running must show: the last program, every call, every value", () => {
  const problem = problemAt("code-javascript", "train", 1, 0);
  expect(codeTrial(problem, "no program")).toBeNull();
  expect(codeTrial(problem, "```\nfirst\n```\nor\n```js\nsecond\n```")?.program).toBe("second");
  const trial = codeTrial(problem, problem.solution);
  expect(trial?.language).toBe("javascript");
  expect(trial?.calls).toEqual(problem.tests?.cases.map(({ call }) => call));
  expect(trial?.expected.length).toBe(trial?.calls.length);
  expect(() => codeTrial(problemAt("lists", "train", 1, 0), "```\na\n```")).toThrow("has no tests to run; use check");
  expect(() => check(problem, problem.solution)).toThrow("use codeTrial and a sandbox");
});
