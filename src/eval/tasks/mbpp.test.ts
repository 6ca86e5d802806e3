import { expect, test } from "vitest";
import { toolsRunning, withoutWord } from "../../../test/eval/tryPrograms.js";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";

const doc = {
  task_id: 11,
  text: "Write a function to double a number.",
  code: "def double(x):\r\n  return 2 * x",
  test_list: ["assert double(2) == 4", "assert double(0) == 0", "assert double(-1) == -2"],
  test_setup_code: "import math",
  challenge_test_list: [],
};
const shot = { ...doc, task_id: 2, text: "Write a function to halve." };

test("mbpp shows the task and its asserts", () => {
  expect(promptOf("mbpp", doc, [shot]).prompt).toBe(
    "You are an expert Python programmer, and here is your task: Write a function to halve. Your code should pass these tests:\n\n" +
      "assert double(2) == 4\nassert double(0) == 0\nassert double(-1) == -2\n[BEGIN]\n" +
      "def double(x):\r\n  return 2 * x\n[DONE]\n\n" +
      "You are an expert Python programmer, and here is your task: Write a function to double a number. Your code should pass these tests:\n\n" +
      "assert double(2) == 4\nassert double(0) == 0\nassert double(-1) == -2\n[BEGIN]\n",
  );
  expect(generationOf("mbpp", doc).until).toEqual(["[DONE]"]);
});

test("shots are problems 2, 3 and 4", () => {
  const { fewshotConfig, fewshotSplit, numFewshot } = taskNamed("mbpp").file;
  const rows = Array.from({ length: 10 }, (_, i) => ({ task_id: i + 1 }));
  expect(fewshotConfig?.processDocs?.(rows)).toEqual([{ task_id: 2 }, { task_id: 3 }, { task_id: 4 }]);
  expect([fewshotSplit, numFewshot]).toEqual(["prompt", 3]);
});

test("a right answer, a wrong one, one that leaves early, and no sandbox", async () => {
  const { tools, programs } = toolsRunning(({ source }) =>
    source.includes("exit") ? "leaves" : source.includes("2 * x") ? "passes" : "raises",
  );
  const key = "pass@1,none";
  expect(await scoresOf("mbpp", doc, ["def double(x):\n  return 2 * x\n"], tools)).toEqual({ [key]: 1 });
  expect(await scoresOf("mbpp", doc, ["def double(x):\n  return x\n"], tools)).toEqual({ [key]: 0 });
  expect(await scoresOf("mbpp", doc, ["exit()"], tools)).toEqual({ [key]: 0 });
  expect(programs.map(withoutWord)[1]).toBe(
    "import math\ndef double(x):\n  return x\n\nassert double(2) == 4\nassert double(0) == 0\nassert double(-1) == -2",
  );
  await expect(scoresOf("mbpp", doc, ["x"])).rejects.toThrow("no programs in this test");
});
