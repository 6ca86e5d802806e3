import { expect, test } from "vitest";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { cevalTasks, chineseAnswerLetter } from "./ceval.js";

const doc = { id: 0, question: " 2 + 2 等于____ ", A: "3", B: "4", C: "5", D: "22", answer: "B", explanation: "" };
const shot = { ...doc, question: "1 + 1 等于____", A: "2", answer: "A" };

test("ceval asks for a letter under the subject's header", () => {
  expect(promptOf("ceval_advanced_mathematics", doc, [shot])).toEqual({
    prompt:
      "以下是中国关于高等数学考试的单项选择题，请选出其中的正确答案。\n\n" +
      "1 + 1 等于____\nA. 2\nB. 4\nC. 5\nD. 22\n答案： A\n\n2 + 2 等于____\nA. 3\nB. 4\nC. 5\nD. 22\n答案：",
    continuations: [" A", " B", " C", " D"],
  });
  expect(cevalTasks.length).toBe(3 * 52);
});

test("ceval-valid is asked under lm-eval's header", async () => {
  expect(promptOf("ceval-valid_advanced_mathematics", doc, [shot])).toEqual({
    prompt:
      "以下是中国关于高等数学的单项选择题，请选出其中的正确答案。\n\n" +
      "1 + 1 等于____\nA. 2\nB. 4\nC. 5\nD. 22\n答案： A\n\n2 + 2 等于____\nA. 3\nB. 4\nC. 5\nD. 22\n答案：",
    continuations: [" A", " B", " C", " D"],
  });
  expect(await scoresOf("ceval-valid_law", doc, [-2, -1, -3, -4])).toEqual({ "acc,none": 1, "acc_norm,none": 1 });
  expect(await scoresOf("ceval-valid_law", doc, [-1, -2, -3, -4])).toEqual({ "acc,none": 0, "acc_norm,none": 0 });
  await expect(scoresOf("ceval-valid_law", { ...doc, answer: "E" }, [-1, -1, -1, -1])).rejects.toThrow(
    "is none of the 4 choices",
  );
});

test("ceval_chat asks for the letter on the last line", () => {
  expect(promptOf("ceval_chat_logic", doc).prompt).toBe(
    '以下是中国关于逻辑学考试的单项选择题。请先简要分析，最后一行只写"答案：X"，其中X是正确选项的字母。\n\n' +
      "2 + 2 等于____\nA. 3\nB. 4\nC. 5\nD. 22\n",
  );
});

test("the letter is the last one behind 答案, or all of the text", () => {
  expect(
    ["答案：A\n不，答案：B", "正确答案是（C）", "D。", "答案：**A**", "选 B 吧", "答案：AB"].map(chineseAnswerLetter),
  ).toEqual(["B", "C", "D", "A", null, null]);
});

test("a right answer, a wrong one, one without a letter, and a row without a key", async () => {
  const key = "exact_match,none";
  expect(await scoresOf("ceval_law", doc, [-2, -1, -3, -4])).toEqual({ "acc,none": 1 });
  expect(await scoresOf("ceval_law", doc, [-1, -2, -3, -4])).toEqual({ "acc,none": 0 });
  expect(await scoresOf("ceval_chat_law", doc, ["2 + 2 = 4。\n答案：B"])).toEqual({ [key]: 1 });
  expect(await scoresOf("ceval_chat_law", doc, ["答案：C"])).toEqual({ [key]: 0 });
  expect(await scoresOf("ceval_chat_law", doc, ["4"])).toEqual({ [key]: 0 });
  // As in the test split, whose keys are hidden.
  await expect(scoresOf("ceval_law", { ...doc, answer: "" }, [-1, -1, -1, -1])).rejects.toThrow(
    "is none of the 4 choices",
  );
});
