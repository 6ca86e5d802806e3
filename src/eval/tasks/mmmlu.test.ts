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
  const shot = { ...doc, Question: "1 + 1?", A: "2", Answer: "A" };
  expect(promptOf("mmmlu_de_de_elementary_mathematics", doc, [shot])).toEqual({
    prompt:
      "The following are multiple choice questions (with answers) about elementary mathematics (German).\n\n" +
      "1 + 1?\nA. 2\nB. 4\nC. 5\nD. 22\nAnswer: A\n\nWas ist 2 + 2?\nA. 3\nB. 4\nC. 5\nD. 22\nAnswer:",
    continuations: [" A", " B", " C", " D"],
  });
  expect(mmmluTasks.length).toBe(14 * 57);
  const { fewshotSplit, fewshotConfig } = taskNamed("mmmlu_zh_cn_virology").file;
  expect([fewshotSplit, fewshotConfig?.sampler]).toEqual(["test", "first_n"]);
});

test("a task takes the rows of its subject, whose name may be a file's", () => {
  const rows = [doc, { ...doc, Subject: "elementary_mathematics_test.csv_sw-KE.csv" }, { ...doc, Subject: "virology" }];
  expect(taskNamed("mmmlu_sw_ke_elementary_mathematics").file.processDocs?.(rows)).toEqual(rows.slice(0, 2));
});

test("a right answer, a wrong one, and a row without a key", async () => {
  expect(await scoresOf("mmmlu_ja_jp_elementary_mathematics", doc, [-2, -1, -3, -4])).toEqual({
    "acc,none": 1,
    "acc_norm,none": 1,
  });
  expect(await scoresOf("mmmlu_ja_jp_elementary_mathematics", doc, [-1, -2, -3, -4])).toEqual({
    "acc,none": 0,
    "acc_norm,none": 0,
  });
  await expect(
    scoresOf("mmmlu_ja_jp_elementary_mathematics", { ...doc, Answer: "" }, [-1, -2, -3, -4]),
  ).rejects.toThrow('the answer "" is none of the 4 choices');
});
