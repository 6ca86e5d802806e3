/**
 * From flags to figures for what programs decide: answers come from an endpoint that plays a model, and run in the real sandbox. Of each
 * benchmark there are three records whose right verdicts are plain to see.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { CannedEndpoint, type Turn } from "../../test/eval/cannedEndpoint.js";
import { problemAt } from "../eval/problems/families.js";

let endpoint: CannedEndpoint;
beforeAll(async () => {
  endpoint = await CannedEndpoint.start();
});
afterAll(() => endpoint.close());

const unsafe = { confirmRunUnsafeCode: true };

test("Python runs in the sandbox: what passes its asserts, what fails them, what reads files of this machine", async () => {
  const row = (i: number, text: string, name: string): object => ({
    task_id: i,
    text,
    code: "",
    test_list: [`assert ${name}(2) == 4`, `assert ${name}(5) == 10`],
    test_setup_code: "",
  });
  endpoint.put("google-research-datasets/mbpp/full/test.jsonl", [
    row(11, "Write double.", "double"),
    row(12, "Write twice.", "twice"),
    row(13, "Write pair.", "pair"),
  ]);
  endpoint.put(
    "google-research-datasets/mbpp/full/prompt.jsonl",
    [2, 3, 4].map((i) => row(i, "Shot.", "shot")),
  );
  const reading = `import os\ndef pair(x):\n    assert os.listdir(${JSON.stringify(endpoint.folder)})\n    return 2 * x`;
  const { results } = await endpoint.evaluate(
    "mbpp",
    [
      ["Write double.", "def double(x):\n    return 2 * x"],
      ["Write twice.", "def twice(x):\n    return x"],
      ["Write pair.", reading],
    ],
    unsafe,
  );
  expect(results.mbpp?.["pass@1,none"]).toBeCloseTo(1 / 3, 12);
});

test("generated problems of code: a reference passes, a slip and a thought do not", async () => {
  const problems = Array.from({ length: 3 }, (_, i) =>
    problemAt("code-javascript", "heldout", 0, i, undefined, "plain"),
  );
  const [first, second] = problems;
  if (!first || !second) throw new Error("no problems");
  const { results } = await endpoint.evaluate(
    "problems_code_javascript",
    [
      [first.prompt, first.solution],
      [second.prompt, second.mistaken],
    ],
    { ...unsafe, metadata: '{"problems":3}' },
  );
  expect(results.problems_code_javascript?.["correct,none"]).toBeCloseTo(1 / 3, 12);
});

test("a second try goes on with the chat, and sees what the tests said", async () => {
  const exercise = (name: string): object => ({
    exercise: name,
    language: "python",
    instructions: `Write ${name}.`,
    files: [{ path: `${name}.py`, content: `def ${name}(x):\n    pass\n` }],
    test_files: [
      {
        path: `${name}_test.py`,
        content: `import unittest\nfrom ${name} import ${name}\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(${name}(2), 4)\n`,
      },
    ],
  });
  endpoint.put("aider/aider_edit/test.jsonl", ["alpha", "beta", "gamma"].map(exercise));
  const edit = (name: string, from: string, to: string): string =>
    `${name}.py\n\`\`\`python\n<<<<<<< SEARCH\n    ${from}\n=======\n    ${to}\n>>>>>>> REPLACE\n\`\`\`\n`;
  const { results } = await endpoint.evaluate(
    "aider_edit",
    [
      ["Write alpha", edit("alpha", "pass", "return 2 * x")],
      ["Write beta", edit("beta", "pass", "return 3 * x")],
      ["AssertionError: 6 != 4", edit("beta", "return 3 * x", "return 2 * x")],
      ["Write gamma", edit("gamma", "pass", "return 5 * x")],
    ],
    unsafe,
  );
  expect(results.aider_edit).toMatchObject({ "well_formed,none": 1 });
  expect(results.aider_edit?.["pass_rate_1,none"]).toBeCloseTo(1 / 3, 12);
  expect(results.aider_edit?.["pass_rate_2,none"]).toBeCloseTo(2 / 3, 12);
  const second = endpoint.asked.find((turns) => turns.length === 3);
  expect((second as readonly Turn[] | undefined)?.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
});
