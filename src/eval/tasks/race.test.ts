import { expect, test } from "vitest";
import { promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";

const article = "The farmer keeps bees. He sells honey in May.";
const regrouped = {
  article,
  problems:
    "[{'question': \"What does he keep?\", 'answer': 'B', 'options': ['Cats.', 'Bees.', 'Cows.', 'Hens.']}, " +
    "{'question': 'He sells  _  .', 'answer': 'A', 'options': ['honey', 'milk', 'eggs', 'wool']}, " +
    "{'question': 'When does he sell it?', 'answer': 'D', 'options': ['In April.', 'In June.', 'In July.', 'In May.']}]",
};
const rows = [
  {
    example_id: "m1",
    article,
    question: "What does he keep?",
    options: ["Cats.", "Bees.", "Cows.", "Hens."],
    answer: "B",
  },
  {
    example_id: "m1",
    article,
    question: "When does he sell it?",
    options: ["In April.", "In June.", "In July.", "In May."],
    answer: "D",
  },
  {
    example_id: "m2",
    article: "Rain.",
    question: "What is it?",
    options: ["Sun.", "Rain.", "Ice.", "Fog."],
    answer: "B",
  },
];

test("race shows the earlier problems solved and asks the last one", () => {
  expect(promptOf("race", regrouped)).toEqual({
    prompt: `Article: ${article}\n\nQuestion: What does he keep?\nAnswer: Bees.\nHe sells honey\nWhen does he sell it?`,
    continuations: [" In April.", " In June.", " In July.", " In May."],
  });
});

test("race_middle asks every question after those of its article before it", () => {
  const { processDocs } = taskNamed("race_middle").file;
  const [, second, other] = processDocs?.(rows) ?? [];
  const text = taskNamed("race_middle").texts;
  expect(text.question(second ?? {})).toBe(
    `Article: ${article}\n\nQuestion: What does he keep?\nAnswer: Bees.\n\nQuestion: When does he sell it?\nAnswer:`,
  );
  expect(text.question(other ?? {})).toBe("Article: Rain.\n\nQuestion: What is it?\nAnswer:");
  expect(promptOf("race_high", rows[0] ?? {}).continuations).toEqual([" Cats.", " Bees.", " Cows.", " Hens."]);
});

test("at most five earlier questions are shown, the latest", () => {
  const many = Array.from({ length: 7 }, (_, i) => ({ ...rows[0], question: `Q${i}?` }));
  const last = taskNamed("race_high").file.processDocs?.(many).at(-1) ?? {};
  const shown = String(taskNamed("race_high").texts.question(last)).match(/Q\d\?/g);
  expect(shown).toEqual(["Q1?", "Q2?", "Q3?", "Q4?", "Q5?", "Q6?"]);
});

test("a right answer, a wrong one, and rows that cannot be read", async () => {
  expect(await scoresOf("race", regrouped, [-9, -8, -7, -1])).toEqual({ "acc,none": 1 });
  expect(await scoresOf("race_middle", rows[0] ?? {}, [-1, -8, -7, -9])).toEqual({ "acc,none": 0 });
  await expect(scoresOf("race", { article, problems: "[{'question': " }, [-1, -1, -1, -1])).rejects.toThrow(
    "Python value: expected",
  );
  await expect(scoresOf("race_middle", { ...rows[0], answer: "E" }, [-1, -1, -1, -1])).rejects.toThrow(
    "the answer -1 is none of the 4 choices",
  );
});
