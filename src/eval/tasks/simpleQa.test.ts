import { expect, test } from "vitest";
import { promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { aggregate } from "../harness/aggregate.js";
import type { ScoringTools } from "../taskFile.js";
import { judgePrompt } from "./simpleQa.js";

const doc = { problem: "Which city has the Rialto Bridge?", answer: "Venice", metadata: "{}" };
const chinese = {
  id: "1",
  primary_category: "",
  secondary_category: "",
  question: "里亚托桥在哪座城市？",
  answer: "威尼斯",
  urls: [],
};

const judging = (reply: string): { tools: ScoringTools; asked: string[] } => {
  const asked: string[] = [];
  return {
    asked,
    tools: {
      judge: async (prompt) => {
        asked.push(prompt);
        return reply;
      },
      runProgram: () => Promise.reject(new Error("no programs in this test")),
    },
  };
};
const score = (reply: string, name = "simpleqa") =>
  scoresOf(name, name === "simpleqa" ? doc : chinese, ["In Venice."], judging(reply).tools);

test("the question is asked as it stands", () => {
  expect(promptOf("simpleqa", doc).prompt).toBe("Which city has the Rialto Bridge?");
  expect(promptOf("chinese_simpleqa", chinese).prompt).toBe("里亚托桥在哪座城市？");
});

test("the judge sees question, gold answer and prediction", async () => {
  const { tools, asked } = judging("A");
  await scoresOf("simpleqa", doc, ["In Venice."], tools);
  expect(asked).toEqual([judgePrompt("Which city has the Rialto Bridge?", "Venice", "In Venice.")]);
  expect(asked[0]).toContain(
    "Question: Which city has the Rialto Bridge?\nGold answer: Venice\nPredicted answer: In Venice.\n\n" +
      "Reply with the letter of the grade alone: A, B or C.",
  );
});

test("a right answer, a wrong one, none, and a reply that is no grade", async () => {
  const values = (correct: number, incorrect: number, none: number, given: number[], f: number): object => ({
    "correct,none": correct,
    "incorrect,none": incorrect,
    "not_attempted,none": none,
    "correct_given_attempted,none": given,
    "f,none": f,
  });
  expect(await score("A")).toEqual(values(1, 0, 0, [1], 0));
  expect(await score("B", "chinese_simpleqa")).toEqual(values(0, 1, 0, [0], 1));
  expect(await score("C")).toEqual(values(0, 0, 1, [], 2));
  expect(await score("I cannot say")).toEqual(values(0, 0, 1, [], 2));
  await expect(scoresOf("simpleqa", doc, ["x"])).rejects.toThrow("no judge in this test");
});

test("over all questions the figures are those of the specification, 13.6", async () => {
  const replies = [..."AAAABBBCCC"];
  const scored = await Promise.all(replies.map((reply) => score(reply)));
  const { metrics } = taskNamed("simpleqa");
  const figure = (name: string): number => {
    const aggregation = metrics.find((metric) => metric.name === name)?.aggregation ?? "mean";
    return aggregate(
      aggregation,
      scored.map((values) => values[`${name},none`] ?? Number.NaN),
    );
  };
  expect(figure("correct")).toBeCloseTo(0.4, 12);
  expect(figure("correct_given_attempted")).toBeCloseTo(0.571429, 6);
  expect(figure("f")).toBeCloseTo(0.470588, 6);
});
