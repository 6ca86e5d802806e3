/**
 * GPQA-Diamond: 198 questions for experts in biology, physics and chemistry; evaluation.md 5.1. The data is gated so that it stays out of
 * training sets: the file comes from the user and is never passed on. As in simple-evals every question is asked four times, with its
 * choices in four orders, and the figure is the mean.
 */
import { hashInts, permuted } from "../../data/random.js";
import { answerLineLetter } from "../metrics/choiceLetter.js";
import type { Doc, TaskFile } from "../taskFile.js";
import { chatGeneration, extraction } from "./extraction.js";
import { answerLineQuestion } from "./mmluChat.js";

const numOrders = 4;

/** Each row four times, with `choices` and the index `answer`; the orders depend on the row's number alone. */
export function inFourOrders(docs: readonly Doc[]): Doc[] {
  return docs.flatMap((doc, row) => {
    const texts = ["Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"].map((column) => {
      const text = doc[column];
      if (typeof text !== "string") throw new RangeError(`gpqa: row ${row} has no text in the column "${column}"`);
      return text.trim();
    });
    return Array.from({ length: numOrders }, (_, order) => {
      const places = texts.map((_, i) => permuted(i, texts.length, hashInts(row, order)));
      return { ...doc, choices: places.map((place) => texts[place] ?? ""), answer: places.indexOf(0) };
    });
  });
}

export const gpqaTask: TaskFile = {
  task: "gpqa_diamond",
  dataset: { path: "Idavidrein/gpqa", name: "gpqa_diamond", dataFiles: { train: "gpqa_diamond.csv" } },
  testSplit: "train",
  processDocs: inFourOrders,
  docToText: (doc) => answerLineQuestion(String(doc.Question).trim(), doc.choices as readonly string[]),
  docToTarget: (doc) => "ABCD"[Number(doc.answer)] ?? "",
  outputType: "generate_until",
  generationKwargs: chatGeneration,
  filterList: [extraction((answer) => answerLineLetter(answer))],
  metricList: [{ metric: "exact_match" }],
  metadata: { version: 1 },
  format: "own",
  about: "simple-evals' form, each question with its choices in four orders",
  needs: ["gated"],
  published: { table: "chat", metric: "pass@1", value: 59.1, key: "exact_match,none" },
};
