import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf } from "../../../test/eval/tryTask.js";

const doc = { question: "who painted the night watch", answer: ["Rembrandt", "Rembrandt van Rijn"] };
const shot = { question: "where do lemurs live", answer: ["Madagascar"] };

test("nq_open asks under its header", () => {
  expect(promptOf("nq_open", doc, [shot]).prompt).toBe(
    "Answer these questions:\n\nQ: where do lemurs live?\nA: Madagascar\nQ: who painted the night watch?\nA:",
  );
  expect(generationOf("nq_open", doc)).toMatchObject({ until: ["\n", ".", ","] });
});

test("articles do not count, other words do, and a row without answers is refused", async () => {
  const key = "exact_match,remove_whitespace";
  expect(await scoresOf("nq_open", doc, [" The Rembrandt"])).toEqual({ [key]: 1 });
  expect(await scoresOf("nq_open", doc, [" rembrandt van rijn!"])).toEqual({ [key]: 1 });
  expect(await scoresOf("nq_open", doc, [" old Rembrandt"])).toEqual({ [key]: 0 });
  await expect(scoresOf("nq_open", { question: "x", answer: [] }, [" x"])).rejects.toThrow("doc_to_target: expected");
});
