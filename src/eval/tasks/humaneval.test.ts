import { expect, test } from "vitest";
import { toolsRunning, withoutWord } from "../../../test/eval/tryPrograms.js";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";

const doc = {
  task_id: "HumanEval/900",
  prompt: 'def double(x):\n    """Twice x."""\n',
  canonical_solution: "    return 2 * x\n",
  test: "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n",
  entry_point: "double",
};

test("humaneval shows the file as it stands", () => {
  expect(promptOf("humaneval", doc).prompt).toBe('def double(x):\n    """Twice x."""\n');
  expect(generationOf("humaneval", doc)).toMatchObject({
    until: ["\nclass", "\ndef", "\n#", "\nif", "\nprint"],
    maxGenToks: 1024,
    temperature: 0,
  });
  expect(generationOf("humaneval_t02", doc)).toMatchObject({ temperature: 0.2, topP: 0.95 });
  expect(taskNamed("humaneval_t08").repeats).toBe(200);
});

test("the program is what was asked, the completion, the tests and their call", async () => {
  const { tools, programs } = toolsRunning(() => "passes");
  await scoresOf("humaneval", doc, ["    return x + x\n"], tools);
  expect(programs.map(withoutWord)).toEqual([
    'def double(x):\n    """Twice x."""\n    return x + x\n\n' +
      "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n\ncheck(double)",
  ]);
  expect(programs[0]).toMatchObject({ language: "python", timeoutSeconds: 3 });
});

test("a right completion, a wrong one, one that leaves early, one that hangs, and no sandbox", async () => {
  const score = (behaviour: "passes" | "raises" | "leaves" | "hangs") =>
    scoresOf("humaneval", doc, ["    pass\n"], toolsRunning(() => behaviour).tools);
  const scores = [await score("passes"), await score("raises"), await score("leaves"), await score("hangs")];
  expect(scores).toEqual([1, 0, 0, 0].map((value) => ({ "pass@1,none": value })));
  await expect(scoresOf("humaneval", doc, ["    pass\n"])).rejects.toThrow("no programs in this test");
});

test("of 200 draws pass@k is estimated", async () => {
  const { tools } = toolsRunning(({ source }) => (source.includes("2 * x") ? "passes" : "raises"));
  const draws = Array.from({ length: 200 }, (_, i) => (i < 50 ? "    return 2 * x\n" : "    return x\n"));
  const scores = await scoresOf("humaneval_t02", doc, draws, tools);
  expect(scores["pass@1,none"]).toBeCloseTo(0.25, 12);
  // 1 - C(150, 10) / C(200, 10), the quotient written out.
  const none = Array.from({ length: 10 }, (_, i) => (150 - i) / (200 - i)).reduce((all, each) => all * each, 1);
  expect(scores["pass@10,none"]).toBeCloseTo(1 - none, 12);
});
