import { expect, test } from "vitest";
import { promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";

const doc = { goal: "To cool soup,", sol1: "blow on it.", sol2: "heat it more.", label: 0 };

test("piqa asks a question, piqa_plain goes on from the goal", () => {
  expect(promptOf("piqa", doc)).toEqual({
    prompt: "Question: To cool soup,\nAnswer:",
    continuations: [" blow on it.", " heat it more."],
  });
  expect(promptOf("piqa_plain", doc)).toEqual({
    prompt: "To cool soup,",
    continuations: [" blow on it.", " heat it more."],
  });
  expect(taskNamed("piqa").numFewshot).toBe(0);
});

test("a right answer, one that length decides, a wrong one, and a row without a label", async () => {
  expect(await scoresOf("piqa", doc, [-5, -9])).toEqual({ "acc,none": 1, "acc_norm,none": 1 });
  // 11 and 13 characters: -11/11 = -1, -12/13 = -0.92.
  expect(await scoresOf("piqa", doc, [-11, -12])).toEqual({ "acc,none": 1, "acc_norm,none": 0 });
  expect(await scoresOf("piqa_plain", doc, [-9, -5])).toEqual({ "acc,none": 0, "acc_norm,none": 0 });
  await expect(scoresOf("piqa", { ...doc, label: -1 }, [-1, -1])).rejects.toThrow("the answer -1 is none of the 2");
});
