import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf } from "../../../test/eval/tryTask.js";

const doc = {
  question: "What is 2 + 2?",
  choices: ["3", "4", "5", "22"],
  answer: 1,
  subject: "elementary_mathematics",
};

test("mmlu_chat asks for reasoning and a line with the letter", () => {
  expect(promptOf("mmlu_chat", doc).prompt).toBe(
    "Answer this multiple choice question. Reason briefly, step by step, and end with a line of the form 'Answer: $LETTER' (without the " +
      "quotes), where LETTER is one of ABCD.\n\nWhat is 2 + 2?\n\nA) 3\nB) 4\nC) 5\nD) 22",
  );
  expect(generationOf("mmlu_chat", doc)).toMatchObject({ until: [], maxGenToks: 8192, temperature: 0 });
});

test("a right answer, a wrong one, one without the line, and a row without choices", async () => {
  const key = "exact_match,none";
  expect(await scoresOf("mmlu_chat", doc, ["2 + 2 = 4\n\nAnswer: $B"])).toEqual({ [key]: 1 });
  expect(await scoresOf("mmlu_chat", doc, ["Answer: D"])).toEqual({ [key]: 0 });
  expect(await scoresOf("mmlu_chat", doc, ["It is B."])).toEqual({ [key]: 0 });
  await expect(scoresOf("mmlu_chat", { ...doc, choices: [] }, ["x"])).rejects.toThrow(
    "a question has 1..26 choices, got 0",
  );
});
