import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf } from "../../../test/eval/tryTask.js";

const doc = {
  question: "A jar has 1,200 beans and gets 34 more. How many are there?",
  answer: "It has 1200+34 = <<1200+34=1234>>1,234 beans.\nSo 1,234.\n#### 1,234",
};

test("gsm8k shows the data's own answers", () => {
  expect(promptOf("gsm8k", doc, [doc]).prompt).toBe(
    `Question: ${doc.question}\nAnswer: ${doc.answer}\n\nQuestion: ${doc.question}\nAnswer:`,
  );
  expect(generationOf("gsm8k", doc)).toMatchObject({
    until: ["Question:", "</s>", "<|im_end|>"],
    maxGenToks: 256,
    temperature: 0,
  });
});

test("gsm8k_cot shows the reasoning in one line, without the calculator's marks", () => {
  expect(promptOf("gsm8k_cot", doc, [doc]).prompt).toBe(
    `Q: ${doc.question}\nA: It has 1200+34 = 1,234 beans. So 1,234. The answer is 1,234.\n\nQ: ${doc.question}\nA:`,
  );
});

const keys = ["exact_match,strict-match", "exact_match,flexible-extract"];
const scores = async (name: string, answer: string): Promise<unknown[]> => {
  const scored = await scoresOf(name, doc, [answer]);
  return keys.map((key) => scored[key]);
};

test("a right answer, a wrong one, one in another form, and none", async () => {
  expect(await scores("gsm8k", " It is 1200+34.\n#### 1234")).toEqual([1, 1]);
  expect(await scores("gsm8k", " It is $1,234.\n#### $1,234.")).toEqual([0, 1]);
  expect(await scores("gsm8k", " In all 17.\n#### 17")).toEqual([0, 0]);
  expect(await scores("gsm8k", " There are 1234 in total 1,234.")).toEqual([0, 1]);
  expect(await scores("gsm8k", " I do not know")).toEqual([0, 0]);
});

test("strict takes what follows the marks, flexible the last number without its dot, as in evaluation.md 13.8", async () => {
  const of = async (gold: string, answer: string): Promise<unknown[]> => {
    const scored = await scoresOf("gsm8k", { ...doc, answer: `So.\n#### ${gold}` }, [answer]);
    return keys.map((key) => scored[key]);
  };
  expect(await of("7", " Four and three make it.\n#### 7")).toEqual([1, 1]);
  expect(await of("17", " Nine and eight: in total 17.")).toEqual([0, 1]);
});

test("gsm8k_cot takes the number after its phrase", async () => {
  expect(await scores("gsm8k_cot", " 1200 and 34 make 1234. The answer is 1234.")).toEqual([1, 1]);
  expect(await scores("gsm8k_cot", " The answer is 1235.")).toEqual([0, 0]);
  expect(await scores("gsm8k_cot", " So 1,234")).toEqual([0, 1]);
});
