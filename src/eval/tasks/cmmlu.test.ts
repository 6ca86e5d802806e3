import { expect, test } from "vitest";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { cmmluTasks } from "./cmmlu.js";

const doc = { Question: "2 + 2 等于", A: "3", B: "4", C: "5", D: "22", Answer: "B" };

test("cmmlu asks for a letter under the subject's header", () => {
  expect(
    promptOf("cmmlu_elementary_mathematics", doc, [{ ...doc, Question: "1 + 1 等于", A: "2", Answer: "A" }]),
  ).toEqual({
    prompt:
      "以下是关于初等数学的单项选择题，请直接给出正确答案的选项。\n\n" +
      "题目：1 + 1 等于\nA. 2\nB. 4\nC. 5\nD. 22\n答案是： A\n\n题目：2 + 2 等于\nA. 3\nB. 4\nC. 5\nD. 22\n答案是：",
    continuations: [" A", " B", " C", " D"],
  });
  expect(new Set(cmmluTasks.map(({ task }) => task)).size).toBe(2 * 67);
});

test("cmmlu_lm_eval asks in lm-eval's words", async () => {
  const shot = { ...doc, Question: "1 + 1 等于", A: "2", Answer: "A" };
  expect(promptOf("cmmlu_lm_eval_elementary_mathematics", doc, [shot]).prompt).toBe(
    "以下是关于初等数学的单项选择题，请直接给出正确答案的选项。\n\n" +
      "1 + 1 等于\nA. 2\nB. 4\nC. 5\nD. 22\n答案： A\n\n2 + 2 等于\nA. 3\nB. 4\nC. 5\nD. 22\n答案：",
  );
  const both = (value: number) => ({ "acc,none": value, "acc_norm,none": value });
  expect(await scoresOf("cmmlu_lm_eval_anatomy", doc, [-2, -1, -3, -4])).toEqual(both(1));
  expect(await scoresOf("cmmlu_lm_eval_anatomy", doc, [-1, -2, -3, -4])).toEqual(both(0));
  await expect(scoresOf("cmmlu_lm_eval_anatomy", { ...doc, Answer: null }, [-1, -2, -3, -4])).rejects.toThrow(
    "doc_to_target: expected",
  );
});

test("a right answer, a wrong one, and a row without a key", async () => {
  expect(await scoresOf("cmmlu_anatomy", doc, [-2, -1, -3, -4])).toEqual({ "acc,none": 1 });
  expect(await scoresOf("cmmlu_anatomy", doc, [-1, -2, -3, -4])).toEqual({ "acc,none": 0 });
  await expect(scoresOf("cmmlu_anatomy", { ...doc, Answer: null }, [-1, -2, -3, -4])).rejects.toThrow(
    "doc_to_target: expected",
  );
});
