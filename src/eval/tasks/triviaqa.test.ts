import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf } from "../../../test/eval/tryTask.js";

const doc = {
  question: "Which river flows through Cologne?",
  question_id: "tc_1",
  answer: { value: "Rhine", aliases: ["Rhine", "River Rhine", "Rhein"], normalized_aliases: ["rhine"] },
};
const shot = { ...doc, question: "Who wrote Emma?", answer: { value: "Jane Austen", aliases: ["Jane Austen"] } };

test("triviaqa asks with a question mark more, and shows the first alias", () => {
  expect(promptOf("triviaqa", doc, [shot]).prompt).toBe(
    "Question: Who wrote Emma??\nAnswer: Jane Austen\n\nQuestion: Which river flows through Cologne??\nAnswer:",
  );
  expect(promptOf("triviaqa_plain", doc, [shot]).prompt).toBe(
    "Answer these questions:\n\nQ: Who wrote Emma?\nA: Jane Austen\n\nQ: Which river flows through Cologne?\nA:",
  );
  expect(generationOf("triviaqa", doc)).toMatchObject({ until: ["\n", ".", ","], temperature: 0 });
});

test("a right answer in other letters, a wrong one, and a row without aliases", async () => {
  const key = "exact_match,remove_whitespace";
  expect(await scoresOf("triviaqa", doc, ["  river rhine!"])).toEqual({ [key]: 1 });
  expect(await scoresOf("triviaqa", doc, [" the Rhine"])).toEqual({ [key]: 0 });
  expect(await scoresOf("triviaqa_plain", doc, [" Danube"])).toEqual({ [key]: 0 });
  await expect(scoresOf("triviaqa", { ...doc, answer: { aliases: [] } }, ["x"])).rejects.toThrow(
    "doc_to_target: expected",
  );
});
