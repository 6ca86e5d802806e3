import { expect, test } from "vitest";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { mmluProTasks } from "./mmluPro.js";

const doc = {
  question_id: 70,
  question: "What is 2 + 2?",
  options: ["3", "4", "5", "22", "0", "N/A"],
  answer: "B",
  answer_index: 1,
  cot_content: "",
  category: "math",
  src: "test",
};
const shot = {
  ...doc,
  question: "1 + 1?",
  options: ["1", "2"],
  cot_content: "A: Let's think step by step. One and one make two. The answer is (B).",
};

test("mmlu_pro shows worked examples and asks for reasoning", () => {
  expect(promptOf("mmlu_pro_math", doc, [shot]).prompt).toBe(
    "The following are multiple choice questions (with answers) about math. Think step by step and then finish your answer " +
      'with "the answer is (X)" where X is the correct letter choice.\n' +
      "Question:\n1 + 1?\nOptions:\nA. 1\nB. 2\nAnswer: Let's think step by step. One and one make two. The answer is (B).\n\n" +
      "Question:\nWhat is 2 + 2?\nOptions:\nA. 3\nB. 4\nC. 5\nD. 22\nE. 0\nF. N/A\nAnswer: Let's think step by step.",
  );
});

test("mmlu_pro_letters scores as many letters as there are options", () => {
  expect(promptOf("mmlu_pro_letters_math", doc, [shot])).toEqual({
    prompt:
      "The following are multiple choice questions (with answers) about math.\n\n" +
      "Question: 1 + 1?\nOptions:\nA. 1\nB. 2\nAnswer: B\n\n" +
      "Question: What is 2 + 2?\nOptions:\nA. 3\nB. 4\nC. 5\nD. 22\nE. 0\nAnswer:",
    continuations: [" A", " B", " C", " D", " E"],
  });
});

test("each of 14 fields takes its own rows", () => {
  expect(mmluProTasks.length).toBe(28);
  const law = mmluProTasks.find(({ task }) => task === "mmlu_pro_law");
  expect(law?.processDocs?.([doc, { ...doc, category: "law" }]).length).toBe(1);
});

test("a right answer, a wrong one, and one without a letter", async () => {
  const both = (strict: number, flexible: number) => ({
    "exact_match,custom-extract": strict,
    "exact_match,flexible-extract": flexible,
  });
  expect(await scoresOf("mmlu_pro_math", doc, [" 2 + 2 = 4. The answer is (B)."])).toEqual(both(1, 1));
  expect(await scoresOf("mmlu_pro_math", doc, [" The answer is (C)."])).toEqual(both(0, 0));
  expect(await scoresOf("mmlu_pro_math", doc, [" So it must be B"])).toEqual(both(0, 1));
  expect(await scoresOf("mmlu_pro_math", doc, [" i do not know"])).toEqual(both(0, 0));
  expect(await scoresOf("mmlu_pro_letters_math", doc, [-2, -1, -3, -4, -5])).toEqual({ "acc,none": 1 });
  await expect(scoresOf("mmlu_pro_letters_math", { ...doc, answer: "F" }, [-2, -1, -3, -4, -5])).rejects.toThrow(
    'the answer "F" is none of the 5 choices',
  );
});
