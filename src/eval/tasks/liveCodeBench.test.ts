import { expect, test } from "vitest";
import { toolsRunning } from "../../../test/eval/tryPrograms.js";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";

const tests = (rows: readonly object[]): string => JSON.stringify(rows);
const doc = {
  question_title: "Double",
  question_content: "Print twice the number.",
  platform: "atcoder",
  question_id: "abc900_a",
  contest_id: "abc900",
  contest_date: "2024-08-17T00:00:00",
  starter_code: "",
  difficulty: "easy",
  public_test_cases: tests([{ input: "2\n", output: "4\n", testtype: "stdin" }]),
  // zlib and pickle of [{"input": "2\n3\n", "output": "5\n", ...}] is tried in liveCodeBenchTests.test.ts.
  private_test_cases: tests([{ input: "-1\n", output: "-2\n", testtype: "stdin" }]),
  metadata: "{}",
};
const method = {
  ...doc,
  question_id: "3000",
  starter_code: "class Solution:\n    def double(self, x: int) -> int:\n        ",
  public_test_cases: tests([{ input: "2", output: "4", testtype: "functional" }]),
  private_test_cases: tests([{ input: "-1", output: "-2", testtype: "functional" }]),
  metadata: '{"func_name": "double"}',
};
const ten = (answer: string): string[] => Array.from({ length: 10 }, () => answer);
const pass = (one: number, five: number): object => ({ "pass@1,none": one, "pass@5,none": five });

test("livecodebench_base shows worked problems and opens a block", () => {
  const [shot] = taskNamed("livecodebench_base").file.fewshotConfig?.samples ?? [];
  const { texts, shotTexts } = taskNamed("livecodebench_base");
  expect(texts.question(method)).toBe(
    "Problem:\nPrint twice the number.\n\nThe solution completes this code:\n\nclass Solution:\n    def double(self, x: int) -> int:\n\n" +
      "Solution:\n```python\n",
  );
  expect(texts.question(doc)).toBe(
    "Problem:\nPrint twice the number.\n\nThe program reads standard input and prints the answer.\n\nSolution:\n```python\n",
  );
  expect(shotTexts.target(shot ?? {})).toBe(
    "n = int(input())\npots = list(map(int, input().split()))\nprint(sum(pot % 2 for pot in pots))\n```",
  );
  expect(taskNamed("livecodebench_base").numFewshot).toBe(3);
  expect(generationOf("livecodebench_base", doc)).toMatchObject({ until: ["```"], temperature: 0.2, topP: 0.95 });
});

test("the chat tasks allow reasoning or want code at once", () => {
  const question =
    "Solve this programming problem in Python 3.\n\nPrint twice the number.\n\nThe program reads standard input and prints the answer.\n\n";
  expect(promptOf("livecodebench_cot", doc).prompt).toBe(
    `${question}Think it through first, then give the complete solution in one \`\`\`python block at the end.`,
  );
  expect(promptOf("livecodebench", doc).prompt).toBe(
    `${question}Reply with the complete solution in one \`\`\`python block, without explanations.`,
  );
  expect(generationOf("livecodebench", doc)).toMatchObject({ until: [], maxGenToks: 8192 });
});

test("rows count by the day of their contest, both ends of the window included", () => {
  const days = ["2024-07-31", "2024-08-01", "2024-11-01", "2024-11-02", "2024-11-30", "2024-12-01"];
  const rows = days.map((day) => ({ ...doc, contest_date: `${day}T00:00:00` }));
  const kept = (name: string): unknown =>
    taskNamed(name)
      .file.processDocs?.(rows)
      .map((row) => String(row.contest_date).slice(5, 10));
  expect(kept("livecodebench_base")).toEqual(["08-01", "11-01"]);
  expect(kept("livecodebench")).toEqual(["08-01", "11-01", "11-02", "11-30"]);
  expect(() => taskNamed("livecodebench").file.processDocs?.([{ ...doc, contest_date: null }])).toThrow(
    "abc900_a: contest_date must be a date, got null",
  );
});

test("a program must print what is expected for every input, hidden ones too", async () => {
  const doubling = toolsRunning(({ source, stdin }) => ({
    prints: source.includes("2 *") ? `${2 * Number(stdin)}\n` : "4\n",
  }));
  expect(await scoresOf("livecodebench_base", doc, ten("print(2 * int(input()))\n"), doubling.tools)).toEqual(
    pass(1, 1),
  );
  expect(doubling.programs.slice(0, 2).map(({ stdin }) => stdin)).toEqual(["2\n", "-1\n"]);
  expect(await scoresOf("livecodebench_base", doc, ten("print(4)\n"), doubling.tools)).toEqual(pass(0, 0));
  const block = "I double it.\n```python\nprint(2 * int(input()))\n```\n";
  const answers = [...ten(block).slice(0, 2), ...ten("print(2 * int(input()))").slice(0, 8)];
  const scores = await scoresOf("livecodebench", doc, answers, doubling.tools);
  expect(scores["pass@1,none"]).toBeCloseTo(0.2, 12);
  // 1 - C(8, 5) / C(10, 5) = 1 - 56 / 252.
  expect(scores["pass@5,none"]).toBeCloseTo(1 - 56 / 252, 12);
});

test("a method is called with the lines of the input, and its value is compared outside", async () => {
  const code = "```python\nclass Solution:\n    def double(self, x):\n        return x + x\n```";
  const run = toolsRunning(({ source, stdin }) => {
    const word = /print\("\\n([0-9a-f]{24})" \+/.exec(source)?.[1];
    return { prints: `debugging\n\n${word}${source.includes("x + x") ? 2 * Number(stdin) : 4}\n` };
  });
  expect(await scoresOf("livecodebench", method, ten(code), run.tools)).toEqual(pass(1, 1));
  const { source = "", stdin } = run.programs[0] ?? {};
  expect(source).toContain("class Solution:\n    def double(self, x):\n        return x + x\n");
  expect(source).toContain('called = Solution().double if "Solution" in globals() else double\n');
  expect(stdin).toBe("2");
  const constant = code.replace("x + x", "4");
  expect(await scoresOf("livecodebench", method, ten(constant), run.tools)).toEqual(pass(0, 0));
  // What a solution prints itself is no value.
  const liar = toolsRunning(() => ({ prints: "4\n" }));
  expect(await scoresOf("livecodebench", method, ten(constant), liar.tools)).toEqual(pass(0, 0));
});

test("rows that judge nothing are refused, and so is a run without a sandbox", async () => {
  const { tools } = toolsRunning(() => "passes");
  const code = ten("```python\nx\n```");
  const broken = (change: object) => scoresOf("livecodebench", { ...method, ...change }, code, tools);
  await expect(broken({ metadata: "{}" })).rejects.toThrow("3000: metadata must name a function as func_name, got {}");
  await expect(broken({ private_test_cases: doc.private_test_cases })).rejects.toThrow("3000 has tests of both kinds");
  await expect(broken({ private_test_cases: "?" })).rejects.toThrow("neither a JSON list nor base64");
  await expect(scoresOf("livecodebench", doc, code)).rejects.toThrow("no programs in this test");
});
