import { expect, test } from "vitest";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";

const doc = {
  translation: "明亮的月光照在床前。",
  choices: ["床前明月光", "举头望明月", "低头思故乡", "疑是地上霜"],
  answer: 0,
};

test("ccpm shows the translation and scores the lines", () => {
  expect(promptOf("ccpm", doc)).toEqual({
    prompt: "以下是将某句古诗文翻译而成的现代表述：明亮的月光照在床前。\n该翻译所对应的古诗文是：",
    continuations: ["床前明月光", "举头望明月", "低头思故乡", "疑是地上霜"],
  });
});

test("a right answer, a wrong one, and a row whose answer is no line", async () => {
  expect(await scoresOf("ccpm", doc, [-3, -4, -5, -6])).toEqual({ "acc,none": 1, "acc_norm,none": 1 });
  expect(await scoresOf("ccpm", doc, [-5, -4, -3, -6])).toEqual({ "acc,none": 0, "acc_norm,none": 0 });
  await expect(scoresOf("ccpm", { ...doc, answer: 4 }, [-1, -1, -1, -1])).rejects.toThrow(
    "the answer 4 is none of the 4",
  );
});
