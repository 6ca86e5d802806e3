import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf } from "../../../test/eval/tryTask.js";

const doc = {
  id: "DEV_0",
  context: "霍夫堡皇宫位于维也纳。",
  question: "皇宫在哪里？",
  answers: { text: ["维也纳", "位于维也纳"], answer_start: [7, 5] },
};
const shot = {
  ...doc,
  context: "熊猫吃竹子。",
  question: "熊猫吃什么？",
  answers: { text: ["竹子"], answer_start: [3] },
};

test("cmrc2018 shows the article, then the question", () => {
  expect(promptOf("cmrc2018", doc, [shot]).prompt).toBe(
    "文章：熊猫吃竹子。\n根据上文回答下面的问题。\n问题：熊猫吃什么？\n答案：竹子\n\n" +
      "文章：霍夫堡皇宫位于维也纳。\n根据上文回答下面的问题。\n问题：皇宫在哪里？\n答案：",
  );
  expect(generationOf("cmrc2018", doc).until).toEqual(["\n"]);
});

test("a right answer, a near one, a wrong one, and a row without answers", async () => {
  expect(await scoresOf("cmrc2018", doc, ["维也纳。"])).toEqual({ "em,none": 1, "f1,none": 1 });
  // 在维也纳 against 维也纳: P 3/4, R 1; against 位于维也纳: P 3/4, R 3/5. The better is 6/7.
  const near = await scoresOf("cmrc2018", doc, ["在维也纳"]);
  expect(near["em,none"]).toBe(0);
  expect(near["f1,none"]).toBeCloseTo(6 / 7, 12);
  expect(await scoresOf("cmrc2018", doc, ["北京"])).toEqual({ "em,none": 0, "f1,none": 0 });
  await expect(scoresOf("cmrc2018", { ...doc, answers: { text: [] } }, ["x"])).rejects.toThrow(
    "doc_to_target: expected",
  );
});
