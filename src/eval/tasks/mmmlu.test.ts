import { expect, test } from "vitest";
import { promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { mmmluTasks } from "./mmmlu.js";

const doc = {
  Question: " Was ist 2 + 2? ",
  A: "3",
  B: "4",
  C: "5",
  D: "22",
  Answer: "B",
  Subject: "elementary_mathematics",
};

test("mmmlu asks for a letter in MMLU's frame", () => {
  expect(promptOf("mmmlu_de_de", doc, [{ ...doc, Question: "1 + 1?", A: "2", Answer: "A" }])).toEqual({
    prompt: "1 + 1?\nA. 2\nB. 4\nC. 5\nD. 22\nAnswer: A\n\nWas ist 2 + 2?\nA. 3\nB. 4\nC. 5\nD. 22\nAnswer:",
    continuations: [" A", " B", " C", " D"],
  });
  expect(mmmluTasks.length).toBe(14);
  expect(taskNamed("mmmlu_zh_cn").file.fewshotSplit).toBe("test");
});

test("a right answer, a wrong one, and a row without a key", async () => {
  expect(await scoresOf("mmmlu_ja_jp", doc, [-2, -1, -3, -4])).toEqual({ "acc,none": 1 });
  expect(await scoresOf("mmmlu_ja_jp", doc, [-1, -2, -3, -4])).toEqual({ "acc,none": 0 });
  await expect(scoresOf("mmmlu_ja_jp", { ...doc, Answer: "" }, [-1, -2, -3, -4])).rejects.toThrow(
    'the answer "" is none of the 4 choices',
  );
});
