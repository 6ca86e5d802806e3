import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { numberValue } from "./cmath.js";

const doc = { grade: 3, question: "3乘4是多少？", golden: "12", reasoning_step: 1, num_digits: 1 };

test("cmath asks after three worked answers", () => {
  const { shotTexts, texts, numFewshot, file } = taskNamed("cmath_grade_3");
  expect(promptOf("cmath_grade_3", doc).prompt).toBe("Q: 3乘4是多少？\nA:");
  expect(texts.question({ input: "1加1？" })).toBe("Q: 1加1？\nA:");
  const [first = {}] = file.fewshotConfig?.samples ?? [];
  expect(`${shotTexts.question(first)} ${shotTexts.target(first)}`).toBe(
    "Q: 盒子里有8支铅笔，拿走3支，又放进5支。现在盒子里有几支铅笔？\n" +
      "A: 拿走后剩下8-3=5支，再放进5支是5+5=10支。所以答案是：10",
  );
  expect(numFewshot).toBe(3);
  expect(generationOf("cmath_grade_3", doc).until).toEqual(["Q:", "\n\n"]);
});

test("each grade takes its own rows", () => {
  const rows = [doc, { ...doc, grade: "3" }, { ...doc, grade: 4 }];
  expect(taskNamed("cmath_grade_3").file.processDocs?.(rows).length).toBe(2);
});

test("numbers have their values", () => {
  expect(["1,200", "3/4", "-2.50", ".5", "17.", "x", ""].map(numberValue)).toEqual([
    1200,
    0.75,
    -2.5,
    0.5,
    17,
    null,
    null,
  ]);
});

test("a right answer, a wrong one, one without the phrase, and a row without a number", async () => {
  const score = async (answer: string): Promise<unknown[]> => {
    const scores = await scoresOf("cmath_grade_3", doc, [answer]);
    return [scores["exact_match,strict-match"], scores["exact_match,flexible-extract"]];
  };
  expect(await score(" 3×4=12。所以答案是：12.0")).toEqual([1, 1]);
  expect(await score(" 所以答案是：7")).toEqual([0, 0]);
  expect(await score(" 一共12")).toEqual([0, 1]);
  expect(await score(" 不知道")).toEqual([0, 0]);
  await expect(scoresOf("cmath_grade_3", { ...doc, golden: "很多" }, ["12"])).rejects.toThrow(
    'golden must be a number, got "很多"',
  );
});
