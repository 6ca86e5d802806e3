import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { boxedInteger } from "./contestMath.js";

const doc = { id: 60, problem: "Find $5^2$.", answer: "025", solution: "", url: "", year: "2024" };
const chinese = { question: "求$5^2$。", answer: "$25$", question_type: "问答" };
const sixteen = (right: number, rightText: string, wrongText: string): string[] =>
  Array.from({ length: 16 }, (_, i) => (i < right ? rightText : wrongText));

test("problems are asked for an answer in a box, sixteen times at temperature 0.7", () => {
  expect(promptOf("aime_2024", doc).prompt).toBe(
    "Find $5^2$.\n\nReason step by step, and put your final answer within \\boxed{}.",
  );
  expect(promptOf("aime_2024", { Problem: "Find $5^2$.", Answer: 25 }).prompt).toBe(promptOf("aime_2024", doc).prompt);
  expect(promptOf("cnmo_2024_cn", chinese).prompt).toBe("求$5^2$。\n\n请逐步推理，并把最终答案放在 \\boxed{} 中。");
  expect(generationOf("aime_2024", doc)).toMatchObject({ temperature: 0.7, maxGenToks: 8192 });
  expect(taskNamed("cnmo_2024_en").repeats).toBe(16);
});

test("a whole number is read from the box, whatever stands around its digits", () => {
  expect(
    ["\\boxed{025}", "\\boxed{1{,}200}", "\\boxed{\\$ 25}", "\\boxed{25.5}", "\\boxed{1\\,000}", "25"].map(
      boxedInteger,
    ),
  ).toEqual(["25", null, null, null, "1000", null]);
});

test("the mean of sixteen answers and their vote", async () => {
  const score = (answers: readonly string[]) => scoresOf("aime_2024", doc, answers);
  expect(await score(sixteen(4, "\\boxed{25}", "\\boxed{26}"))).toEqual({ "pass@1,none": 0.25, "cons@16,none": 0 });
  expect(await score(sixteen(9, "\\boxed{025}", "\\boxed{26}"))).toEqual({ "pass@1,none": 0.5625, "cons@16,none": 1 });
  // Answers without a box have no vote.
  expect(await score(sixteen(2, "\\boxed{25}", "I think 26."))).toEqual({ "pass@1,none": 0.125, "cons@16,none": 1 });
  expect(await score(sixteen(0, "", "no idea"))).toEqual({ "pass@1,none": 0, "cons@16,none": 0 });
  await expect(scoresOf("aime_2024", { problem: "x" }, sixteen(0, "", "x"))).rejects.toThrow(
    "a row without a column answer",
  );
});

test("CNMO's answers are compared as formulas", async () => {
  const tools = {
    judge: () => Promise.reject(new Error("no judge in this test")),
    runProgram: () => Promise.reject(new Error("no programs in this test")),
    sameMath: (gold: string, answer: string) => gold === `$${answer}$`,
  };
  const score = (answers: readonly string[]) => scoresOf("cnmo_2024_cn", chinese, answers, tools);
  expect(await score(sixteen(12, "\\boxed{25}", "\\boxed{5}"))).toEqual({ "pass@1,none": 0.75, "cons@16,none": 1 });
  expect(await score(sixteen(4, "\\boxed{25}", "\\boxed{5}"))).toEqual({ "pass@1,none": 0.25, "cons@16,none": 0 });
  // Answers without a box have no vote.
  expect(await score(sixteen(2, "\\boxed{25}", "x"))).toEqual({ "pass@1,none": 0.125, "cons@16,none": 1 });
  expect(await score(sixteen(0, "", "x"))).toEqual({ "pass@1,none": 0, "cons@16,none": 0 });
  await expect(scoresOf("cnmo_2024_cn", chinese, sixteen(1, "\\boxed{25}", ""))).rejects.toThrow(
    "nothing that compares formulas",
  );
});

test("aime24 is lm-eval's: one greedy answer, its box, else what stands between dollars", async () => {
  const row = { ID: "2024-I-1", Problem: "Find $5^2$.", Solution: "", Answer: 25 };
  expect(promptOf("aime24", row).prompt).toBe("Question: Find $5^2$.\nAnswer:");
  expect(generationOf("aime24", row)).toMatchObject({
    until: ["Question:", "</s>", "<|im_end|>", "<|eot_id|>"],
    maxGenToks: 32768,
    temperature: 0,
  });
  const key = "exact_match,none";
  expect(await scoresOf("aime24", row, [" Squared: \\boxed{25}."])).toEqual({ [key]: 1 });
  expect(await scoresOf("aime24", row, [" It is $25$."])).toEqual({ [key]: 1 });
  expect(await scoresOf("aime24", row, [" It is $26$."])).toEqual({ [key]: 0 });
  expect(await scoresOf("aime24", row, [" It is 25."])).toEqual({ [key]: 0 });
});
