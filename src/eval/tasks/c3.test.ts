import { expect, test } from "vitest";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";

const doc = {
  id: 1,
  context: ["男：你带伞了吗？", "女：没有，今天不会下雨。"],
  question: "女的为什么没带伞？",
  choice: ["伞坏了", "觉得不会下雨", "忘了"],
  answer: "觉得不会下雨",
};

test("c3 shows the lines, the question, and scores options in full", () => {
  expect(promptOf("c3", doc)).toEqual({
    prompt: "男：你带伞了吗？\n女：没有，今天不会下雨。\n请根据上文回答问题：\n女的为什么没带伞？\n答案：",
    continuations: ["伞坏了", "觉得不会下雨", "忘了"],
  });
});

test("a right answer, one that length decides, a wrong one, and a row whose answer is no option", async () => {
  expect(await scoresOf("c3", doc, [-9, -3, -8])).toEqual({ "acc,none": 1, "acc_norm,none": 1 });
  // By character: -6/3, -7/6, -5/2.
  expect(await scoresOf("c3", doc, [-6, -7, -5])).toEqual({ "acc,none": 0, "acc_norm,none": 1 });
  expect(await scoresOf("c3", doc, [-1, -9, -8])).toEqual({ "acc,none": 0, "acc_norm,none": 0 });
  await expect(scoresOf("c3", { ...doc, answer: "" }, [-1, -1, -1])).rejects.toThrow("is none of the 3 choices");
});
