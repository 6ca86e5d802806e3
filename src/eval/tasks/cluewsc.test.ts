import { expect, test } from "vitest";
import { promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { yesOrNo } from "./cluewsc.js";

const doc = {
  idx: 0,
  text: "小狗追着小猫跑，因为它饿了。",
  target: { span1_text: "小狗", span1_index: 0, span2_text: "它", span2_index: 10 },
  label: 0,
};
const negative = { ...doc, target: { ...doc.target, span1_text: "小猫" }, label: 1 };

test("cluewsc asks for the noun of rows where the pronoun means it", () => {
  expect(promptOf("cluewsc", doc, [{ ...doc, label: "true" }]).prompt).toBe(
    '小狗追着小猫跑，因为它饿了。\n上面的句子中的"它"指的是小狗\n\n小狗追着小猫跑，因为它饿了。\n上面的句子中的"它"指的是',
  );
  expect(taskNamed("cluewsc").file.processDocs?.([doc, negative, { ...doc, label: "false" }])).toEqual([doc]);
});

test("cluewsc_chat asks every row for yes or no", () => {
  expect(promptOf("cluewsc_chat", negative).prompt).toBe(
    '请阅读下面的句子，判断其中的"它"是否指"小猫"。\n\n小狗追着小猫跑，因为它饿了。\n\n请先简要分析，最后一行只写"答案：是"或"答案：否"。',
  );
});

test("yesOrNo takes the last answer line, or a text that is one word", () => {
  expect(["答案：是", "答案：是？不，答案: 否", "答案：不是", " 是。", "这里是小狗", ""].map(yesOrNo)).toEqual([
    "是",
    "否",
    "否",
    "是",
    null,
    null,
  ]);
});

test("a right answer, a wrong one, one without an answer, and a row without a label", async () => {
  const key = "exact_match,none";
  expect(await scoresOf("cluewsc", doc, ['"小狗"'])).toEqual({ [key]: 1 });
  expect(await scoresOf("cluewsc", doc, ["小猫"])).toEqual({ [key]: 0 });
  expect(await scoresOf("cluewsc_chat", negative, ["饿的是小狗。\n答案：否"])).toEqual({ [key]: 1 });
  expect(await scoresOf("cluewsc_chat", doc, ["答案：否"])).toEqual({ [key]: 0 });
  expect(await scoresOf("cluewsc_chat", doc, ["不好说"])).toEqual({ [key]: 0 });
  await expect(scoresOf("cluewsc_chat", { ...doc, label: -1 }, ["答案：否"])).rejects.toThrow(
    "a row without a label: -1",
  );
});
