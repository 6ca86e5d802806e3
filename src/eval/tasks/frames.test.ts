import { expect, test } from "vitest";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { framesJudgePrompt } from "./frames.js";

const doc = {
  Prompt: "How old was the architect of the bridge when it opened?",
  Answer: "54",
  wiki_link_1: "https://en.wikipedia.org/wiki/Bridge",
  wiki_links: "['https://en.wikipedia.org/wiki/Bridge']",
  reasoning_types: "Numerical reasoning",
};
const articles = ["The bridge opened in 1954.", "The architect was born in 1900."];
const judging = (reply: string) => ({
  judge: async (prompt: string) => {
    expect(prompt).toBe(framesJudgePrompt(doc.Prompt, "54", "She was 54."));
    return reply;
  },
  runProgram: () => Promise.reject(new Error("no programs in this test")),
});

test("frames asks from memory, frames_oracle with the articles", () => {
  expect(promptOf("frames", doc).prompt).toBe(doc.Prompt);
  expect(promptOf("frames_oracle", { ...doc, articles }).prompt).toBe(
    "Answer the question below from these articles.\n\nArticle 1:\nThe bridge opened in 1954.\n\n" +
      "Article 2:\nThe architect was born in 1900.\n\nQuestion: How old was the architect of the bridge when it opened?",
  );
});

test("without the texts of the articles frames_oracle says what is missing", () => {
  expect(() => promptOf("frames_oracle", doc)).toThrow(
    'the data set has links alone (wiki_links); fetch them and put the texts into a column "articles"',
  );
});

test("the judge's last TRUE or FALSE counts, and neither means wrong", async () => {
  const score = (reply: string) => scoresOf("frames", doc, ["She was 54."], judging(reply));
  expect(await score("TRUE")).toEqual({ "accuracy,none": 1 });
  expect(await score("False")).toEqual({ "accuracy,none": 0 });
  expect(await score("FALSE? No, TRUE.")).toEqual({ "accuracy,none": 1 });
  expect(await score("Who knows")).toEqual({ "accuracy,none": 0 });
  await expect(scoresOf("frames", doc, ["x"])).rejects.toThrow("no judge in this test");
});
