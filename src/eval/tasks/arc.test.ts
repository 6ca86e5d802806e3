import { expect, test } from "vitest";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";

const doc = {
  id: "a",
  question: "Which is a fruit?",
  choices: { text: ["stone", "red apple", "chair"], label: ["1", "2", "3"] },
  answerKey: "2",
};
const shot = {
  id: "b",
  question: "What melts?",
  choices: { text: ["ice", "sand"], label: ["A", "B"] },
  answerKey: "A",
};

test("arc_easy asks for the full text of a choice", () => {
  expect(promptOf("arc_easy", doc, [shot])).toEqual({
    prompt: "Question: What melts?\nAnswer: ice\n\nQuestion: Which is a fruit?\nAnswer:",
    continuations: [" stone", " red apple", " chair"],
  });
  expect(promptOf("arc_challenge", doc)).toEqual(promptOf("arc_easy", doc));
});

test("arc_easy_letters lists the choices under letters, whatever their labels", () => {
  expect(promptOf("arc_easy_letters", doc, [shot])).toEqual({
    prompt:
      "Question: What melts?\nA. ice\nB. sand\nAnswer: A\n\nQuestion: Which is a fruit?\nA. stone\nB. red apple\nC. chair\nAnswer:",
    continuations: [" A", " B", " C"],
  });
});

test("a right answer, a wrong one, and a row whose key no choice has", async () => {
  expect(await scoresOf("arc_easy", doc, [-4, -3, -5])).toEqual({ "acc,none": 1, "acc_norm,none": 1 });
  // By character: -3/5, -4.5/9, -9/5.
  expect(await scoresOf("arc_easy", doc, [-3, -4.5, -9])).toEqual({ "acc,none": 0, "acc_norm,none": 1 });
  expect(await scoresOf("arc_challenge_letters", doc, [-1, -2, -3])).toEqual({ "acc,none": 0 });
  await expect(scoresOf("arc_easy", { ...doc, answerKey: "D" }, [-1, -2, -3])).rejects.toThrow(
    "task arc_easy, document 0: the answer -1 is none of the 3 choices",
  );
});
