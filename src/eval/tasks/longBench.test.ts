import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf } from "../../../test/eval/tryTask.js";

const doc = {
  _id: "66f0",
  domain: "Single-Document QA",
  sub_domain: "Detective",
  difficulty: "hard",
  length: "short",
  question: "Who took the lamp?",
  choice_A: "The fox",
  choice_B: "The owl",
  choice_C: "The bear",
  choice_D: "Nobody",
  answer: "C",
  context: "The bear left with the lamp.",
};
const asked =
  "Read the document and answer the question about it.\n\n<document>\nThe bear left with the lamp.\n</document>\n\n" +
  "Question: Who took the lamp?\n\nChoices:\n(A) The fox\n(B) The owl\n(C) The bear\n(D) Nobody";
const values = (right: number): object => ({
  "acc,none": right,
  "acc_easy,none": [],
  "acc_hard,none": [right],
  "acc_short,none": [right],
  "acc_medium,none": [],
  "acc_long,none": [],
});
const tools = {
  judge: () => Promise.reject(new Error("no judge in this test")),
  runProgram: () => Promise.reject(new Error("no programs in this test")),
};

test("longbench_v2 shows the document, the question and its choices", () => {
  expect(promptOf("longbench_v2", doc).prompt).toBe(
    `${asked}\n\nReply with one sentence: "The correct answer is (X)", where X is the letter of your choice.`,
  );
  expect(promptOf("longbench_v2_cot", doc).prompt).toBe(
    `${asked}\n\nThink step by step about what the document says on this. You will be asked for the letter afterwards.`,
  );
  expect(generationOf("longbench_v2", doc)).toMatchObject({ temperature: 0.1, maxGenToks: 128 });
  expect(generationOf("longbench_v2_cot", doc)).toMatchObject({ temperature: 0.1, maxGenToks: 1024 });
});

test("a right answer, a wrong one, one without the sentence, and a row of an unknown length", async () => {
  expect(await scoresOf("longbench_v2", doc, ["The correct answer is (C)."])).toEqual(values(1));
  expect(await scoresOf("longbench_v2", doc, ["The correct answer is B"])).toEqual(values(0));
  expect(await scoresOf("longbench_v2", doc, ["The bear"])).toEqual(values(0));
  await expect(scoresOf("longbench_v2", { ...doc, length: "huge" }, ["x"])).rejects.toThrow(
    'length must be one of short, medium, long, got "huge"',
  );
});

test("longbench_v2_cot asks for the letter afterwards, and says so where it cannot", async () => {
  const questions: string[] = [];
  const followUp = async (message: string): Promise<string> => {
    questions.push(message);
    return "The correct answer is (C)";
  };
  expect(await scoresOf("longbench_v2_cot", doc, ["The bear did."], { ...tools, followUp })).toEqual(values(1));
  expect(questions).toEqual([
    'Reply with one sentence: "The correct answer is (X)", where X is the letter of your choice.',
  ]);
  await expect(scoresOf("longbench_v2_cot", doc, ["The bear"], tools)).rejects.toThrow("cannot put a further question");
});

test("longbench2 is lm-eval's: the letters by likelihood", async () => {
  const row = {
    _id: "1",
    question: " Who took the lamp? ",
    choices: ["The fox", "The owl", "The bear", "Nobody"],
    answer: 2,
    context: "The bear left.",
  };
  expect(promptOf("longbench2_detective", row)).toEqual({
    prompt:
      "Please read the following text and answer the question below.\n\n<text>\nThe bear left.\n</text>\n\n" +
      "What is the correct answer to this question: Who took the lamp?\n" +
      "Choices:\n(A) The fox\n(B) The owl\n(C) The bear\n(D) Nobody\n\nAnswer:",
    continuations: [" A", " B", " C", " D"],
  });
  expect(await scoresOf("longbench2_detective", row, [-2, -3, -1, -4])).toEqual({ "acc,none": 1 });
  expect(await scoresOf("longbench2_detective", row, [-1, -3, -2, -4])).toEqual({ "acc,none": 0 });
  await expect(scoresOf("longbench2_detective", { ...row, answer: 4 }, [-1, -1, -1, -1])).rejects.toThrow(
    "the answer 4 is none of the 4 choices",
  );
});
