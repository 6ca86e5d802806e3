import { expect, test } from "vitest";
import { promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { builtInGroups } from "./index.js";
import { mmluTasks } from "./mmlu.js";

const doc = { question: " What is 2 + 2? ", choices: ["3", "4", "5", "22"], answer: 1, subject: "college_mathematics" };
const shot = { question: "1 + 1?", choices: ["1", "2", "3", "11"], answer: 1, subject: "college_mathematics" };

test("mmlu asks for a letter under the subject's header", () => {
  expect(promptOf("mmlu_college_mathematics", doc, [shot])).toEqual({
    prompt:
      "The following are multiple choice questions (with answers) about college mathematics.\n\n" +
      "1 + 1?\nA. 1\nB. 2\nC. 3\nD. 11\nAnswer: B\n\nWhat is 2 + 2?\nA. 3\nB. 4\nC. 5\nD. 22\nAnswer:",
    continuations: [" A", " B", " C", " D"],
  });
  expect(taskNamed("mmlu_virology").numFewshot).toBe(5);
});

test("a right answer, a wrong one, a tie, and a row whose answer is no choice", async () => {
  const name = "mmlu_college_mathematics";
  expect(await scoresOf(name, doc, [-3, -1, -2, -4])).toEqual({ "acc,none": 1 });
  expect(await scoresOf(name, doc, [-1, -3, -2, -4])).toEqual({ "acc,none": 0 });
  expect(await scoresOf(name, doc, [-1, -1, -2, -4])).toEqual({ "acc,none": 0 });
  await expect(scoresOf(name, { ...doc, answer: 4 }, [-1, -1, -1, -1])).rejects.toThrow(
    "the answer 4 is none of the 4 choices",
  );
});

test("the 57 subjects fall into four groups of one", () => {
  expect(mmluTasks.length).toBe(57);
  expect(new Set(mmluTasks.map(({ task }) => task)).size).toBe(57);
  const sizes = ["stem", "humanities", "social_sciences", "other"].map(
    (group) => mmluTasks.filter(({ tag }) => tag?.includes(`mmlu_${group}_tasks`)).length,
  );
  expect(sizes).toEqual([19, 13, 12, 13]);
  expect(builtInGroups.find(({ group }) => group === "mmlu")?.task).toEqual([
    "mmlu_stem",
    "mmlu_humanities",
    "mmlu_social_sciences",
    "mmlu_other",
  ]);
});
