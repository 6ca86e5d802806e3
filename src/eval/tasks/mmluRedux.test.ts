import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { mmluReduxTasks, soundRows } from "./mmluRedux.js";

const doc = {
  question: "What is 2 + 2?",
  choices: ["3", "4", "5", "22"],
  answer: 1,
  error_type: "ok",
  source: "",
  correct_answer: null,
  potential_reason: null,
};
const shot = { question: "1 + 1?", choices: ["1", "2", "3", "11"], answer: 1, subject: "anatomy" };

test("mmlu_redux has MMLU's prompt and shots of MMLU's dev rows", () => {
  expect(promptOf("mmlu_redux_college_physics", doc, [shot])).toEqual({
    prompt:
      "The following are multiple choice questions (with answers) about college physics.\n\n" +
      "1 + 1?\nA. 1\nB. 2\nC. 3\nD. 11\nAnswer: B\n\nWhat is 2 + 2?\nA. 3\nB. 4\nC. 5\nD. 22\nAnswer:",
    continuations: [" A", " B", " C", " D"],
  });
  const { fewshotConfig, fewshotSplit, numFewshot } = taskNamed("mmlu_redux_college_physics").file;
  expect([fewshotConfig?.dataset, fewshotSplit, numFewshot]).toEqual([
    { path: "cais/mmlu", name: "college_physics" },
    "dev",
    5,
  ]);
  expect(mmluReduxTasks.length).toBe(3 * 57);
});

test("mmlu_redux_chat asks for JSON", () => {
  expect(
    promptOf("mmlu_redux_chat_anatomy", doc).prompt,
  ).toBe(`Answer the multiple-choice question below. Reason first, then choose.

## Question

What is 2 + 2?

## Choices

- (A) 3
- (B) 4
- (C) 5
- (D) 22

## Form of the answer

Reply with one JSON object and nothing else. It has two fields: "reasoning", a text with your steps, and "answer", the letter chosen:

{"reasoning": "...", "answer": "A"}`);
  expect(generationOf("mmlu_redux_chat_anatomy", doc)).toMatchObject({ until: [], maxGenToks: 8192, temperature: 0 });
});

test("faulty rows are dropped, and a wrong key is corrected", () => {
  const wrong = { ...doc, error_type: "wrong_groundtruth", correct_answer: "D" };
  const rows = [
    doc,
    wrong,
    { ...wrong, correct_answer: "2" },
    { ...wrong, correct_answer: "none of them" },
    { ...doc, error_type: "bad_question_clarity" },
    { ...doc, error_type: "multiple_correct_answers" },
    shot,
  ];
  expect(soundRows(rows).map(({ answer }) => answer)).toEqual([1, 3, 2, 1]);
});

test("a right answer, a wrong one, one corrected, and one without JSON", async () => {
  const name = "mmlu_redux_chat_anatomy";
  const key = "exact_match,none";
  expect(await scoresOf(name, doc, ['{"reasoning": "2 + 2 = 4", "answer": "B"}'])).toEqual({ [key]: 1 });
  expect(await scoresOf(name, doc, ['{"reasoning": "", "answer": "C"}'])).toEqual({ [key]: 0 });
  const corrected = { ...doc, error_type: "wrong_groundtruth", correct_answer: "C" };
  expect(await scoresOf(name, corrected, ['{"reasoning": "", "answer": "C"}'])).toEqual({ [key]: 1 });
  expect(await scoresOf(name, doc, ["It is B."])).toEqual({ [key]: 0 });
  expect(await scoresOf("mmlu_redux_anatomy", doc, [-2, -1, -3, -4])).toEqual({ "acc,none": 1 });
  expect(await scoresOf("mmlu_redux_anatomy", corrected, [-2, -1, -3, -4])).toEqual({ "acc,none": 0 });
});

test("mmlu_redux_generative is lm-eval's: sound rows, a letter alone", async () => {
  const name = "mmlu_redux_college_physics_generative";
  const key = "exact_match,default";
  expect(promptOf(name, doc).prompt).toBe(
    "The following are multiple choice questions (with answers) about college physics.\n\n" +
      "What is 2 + 2?\nA. 3\nB. 4\nC. 5\nD. 22\nPlease respond with the correct letter (A, B, C or D) without any additional " +
      "comments, only the correct letter:",
  );
  expect(generationOf(name, doc)).toMatchObject({ until: ["</s>"], maxGenToks: 256, temperature: 0 });
  expect(await scoresOf(name, doc, [" B"])).toEqual({ [key]: 1 });
  // The first capital of the four counts, wherever it stands.
  expect(await scoresOf(name, doc, ["Clearly B"])).toEqual({ [key]: 0 });
  expect(await scoresOf(name, doc, ["four"])).toEqual({ [key]: 0 });
});
