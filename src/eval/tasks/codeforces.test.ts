import { expect, test } from "vitest";
import { toolsRunning } from "../../../test/eval/tryPrograms.js";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { percentileOf, ratingOf } from "./codeforces.js";

const standings = [
  { points: 1500, rating: 2000 },
  { points: 500, rating: 1600 },
  { points: 500, rating: null },
  { points: 0, rating: 1200 },
];
const doc = {
  contest_id: 1980,
  index: "A",
  name: "A. Double",
  statement: "Print twice the number.",
  time_limit_seconds: 2,
  points: 500,
  tests: [
    { input: "2\n", output: "4\n" },
    { input: "7\n", output: "14\n" },
  ],
  standings,
};
const doubling = toolsRunning(({ source, stdin }) => ({
  prints: source.includes("2 *") ? `${2 * Number(stdin)}` : "4",
}));
const solve = (code: string, language = "python"): Promise<Record<string, unknown>> =>
  scoresOf("codeforces", doc, [`Hm.\n\`\`\`${language}\n${code}\n\`\`\``], doubling.tools);

test("the prompt gives the statement and the limit", () => {
  expect(promptOf("codeforces", doc).prompt).toBe(
    "Solve this problem of a programming contest (time limit 2 s). The program reads standard input and prints to standard output.\n\n" +
      "A. Double\n\nPrint twice the number.\n\n" +
      "Think it through first, then give the complete program in one ```cpp block (C++17) or ```python block (Python 3) at the end.",
  );
});

test("a right program, a wrong one, none, and rows that lack something", async () => {
  const nan = Number.NaN;
  const contestants = [1500, 2000, 500, 1600, 500, nan, 0, 1200];
  const values = (won: number): object => ({
    "percentile,none": [1980, won, ...contestants],
    "rating,none": [1980, won, ...contestants],
    "solved,none": won > 0 ? 1 : 0,
  });
  expect(await solve("print(2 * int(input()))")).toEqual(values(500));
  expect(doubling.programs[0]).toMatchObject({ language: "python", stdin: "2\n", timeoutSeconds: 2 });
  expect(await solve("int main() { 2 * x; }", "c++")).toEqual(values(500));
  expect(doubling.programs.at(-1)?.language).toBe("cpp");
  expect(await solve("print(4)")).toEqual(values(0));
  expect(await solve("puts 4", "ruby")).toEqual(values(0));
  const broken = (change: object) =>
    scoresOf("codeforces", { ...doc, ...change }, ["```python\n2 *\n```"], doubling.tools);
  await expect(broken({ standings: [] })).rejects.toThrow("1980A: standings of the contest are missing");
  await expect(broken({ points: "many" })).rejects.toThrow('1980A: points must be a number, got "many"');
  await expect(scoresOf("codeforces", doc, ["```python\nx\n```"])).rejects.toThrow("no programs in this test");
});

test("the percentile is the share of contestants with fewer points, averaged over contests", () => {
  const values = [
    [1, 500, 1500, 2000, 500, 1600, 0, 1200, 0, 1300], // with the next problem 1000 points: 3 of 4 have fewer
    [1, 500, 1500, 2000, 500, 1600, 0, 1200, 0, 1300],
    [2, 0, 100, 1500, 0, 1500], // none has fewer
  ];
  expect(percentileOf(values)).toBeCloseTo((3 / 4 + 0) / 2, 12);
});

test("the rating is the one that expects the place, unrated contestants aside", () => {
  // Second of three, between equals of 1700: their rating.
  expect(ratingOf([[1, 500, 900, 1700, 100, 1700, 100, Number.NaN]])).toBeCloseTo(1700, 1);
  // As many points as one other: half a place each, so again equal strength.
  expect(ratingOf([[1, 500, 500, 1450]])).toBeCloseTo(1450, 1);
});
