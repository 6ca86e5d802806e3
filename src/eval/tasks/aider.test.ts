import { expect, test } from "vitest";
import { toolsRunning, withoutWord } from "../../../test/eval/tryPrograms.js";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { pythonTestProgram, secondRequest } from "./aider.js";

const doc = {
  exercise: "double",
  language: "python",
  instructions: "Write double(x).",
  files: [{ path: "double.py", content: "def double(x):\n    pass\n" }],
  test_files: [{ path: "double_test.py", content: "import unittest\n" }],
};
const edit = (from: string, to: string): string =>
  `double.py\n\`\`\`python\n<<<<<<< SEARCH\n    ${from}\n=======\n    ${to}\n>>>>>>> REPLACE\n\`\`\`\n`;
const behave = toolsRunning(({ source }) => (source.includes("return 2 * x") ? "passes" : "raises"));
const followUps: string[] = [];
const twice = (second: string) => ({
  ...behave.tools,
  followUp: async (message: string) => {
    followUps.push(message);
    return second;
  },
});
const values = (first: number, second: number, wellFormed: number): object => ({
  "pass_rate_1,none": first,
  "pass_rate_2,none": second,
  "well_formed,none": wellFormed,
});

test("the prompt gives instructions, files and the form of edits", () => {
  expect(promptOf("aider_edit", doc).prompt).toBe(`Write double(x).

Edit the files below so that they do what is described. Keep the names of files, functions and classes, since tests use them. Use the
standard library alone.

double.py
\`\`\`python
def double(x):
    pass
\`\`\`

Give every change as an edit block: the file's path on a line, then a fenced block that finds lines and replaces them. The lines
to find must be in the file as they stand, white space included.

path/of/file
\`\`\`python
<<<<<<< SEARCH
lines of the file
=======
lines to put there
>>>>>>> REPLACE
\`\`\``);
  expect(() => promptOf("aider_edit", { ...doc, files: [] })).toThrow("double: the column files must be a list");
});

test("an exercise is solved at the first try, at the second, or not", async () => {
  const score = (first: string, second: string) => scoresOf("aider_edit", doc, [first], twice(second));
  expect(await score(edit("pass", "return 2 * x"), "")).toEqual(values(1, 1, 1));
  expect(followUps).toEqual([]);
  expect(withoutWord(behave.programs[0] ?? { language: "python", source: "", timeoutSeconds: 0 })).toBe(
    pythonTestProgram(
      new Map([["double.py", "def double(x):\n    return 2 * x\n"]]),
      new Map([["double_test.py", "import unittest\n"]]),
    ),
  );
  // The second try edits what the first has left.
  expect(await score(edit("pass", "return x"), edit("return x", "return 2 * x"))).toEqual(values(0, 1, 1));
  expect(followUps).toEqual([
    "The tests fail. The end of their output:\n\nTraceback\nAssertionError\n\n" +
      "The tests are right. Change the files with further edit blocks.",
  ]);
  expect(await score(edit("pass", "return x"), "I give up.")).toEqual(values(0, 0, 1));
});

test("an edit that does not fit is not well formed, and the second try is told so", async () => {
  const malformed = edit("nothing", "x");
  expect(await scoresOf("aider_polyglot", doc, [malformed], twice(edit("pass", "return 2 * x")))).toEqual(
    values(0, 1, 0),
  );
  expect(followUps.at(-1)).toContain(
    "An edit block could not be applied:\n\ndouble.py: the lines to find are not in the file",
  );
  const long = { passed: false, outcome: "", errors: `${"a".repeat(5000)}END` };
  expect(secondRequest({ isWellFormed: true, verdict: long }).length).toBeLessThan(4200);
});

test("what is missing is named: a further turn, another language's tools, a sandbox", async () => {
  const right = edit("pass", "return 2 * x");
  await expect(scoresOf("aider_edit", doc, [edit("pass", "x")], behave.tools)).rejects.toThrow(
    "the second try is a further turn",
  );
  await expect(scoresOf("aider_polyglot", { ...doc, language: "rust" }, [right], behave.tools)).rejects.toThrow(
    "double: its tests need a checkout of the exercises with the tools of rust",
  );
  await expect(scoresOf("aider_edit", doc, [right])).rejects.toThrow("no programs in this test");
});
