/**
 * SimpleQA and Chinese SimpleQA: short questions with one answer, graded by a judge model; evaluation.md 5.6 and 7.7. The judge sees
 * question, answer and prediction and replies A (correct), B (incorrect) or C (not attempted). Its instructions are ours, so figures of
 * other graders differ a little.
 */
import { type SimpleQaVerdict, simpleQaScore, simpleQaVerdict } from "../metrics/simpleQa.js";
import type { Doc, Metric, MetricValue, PublishedScore, Scorer, TaskFile } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";

export function judgePrompt(question: string, gold: string, predicted: string): string {
  return `You grade an answer to a question by the gold answer. Choose one of three grades.

A (correct): the predicted answer has everything that is asked for in the gold answer, and nothing in it contradicts the gold
answer. Spelling, case, order, language and hedging words do not matter. A number must agree in the digits that the gold answer gives.
B (incorrect): something in the predicted answer contradicts the gold answer, even if it is stated with doubt.
C (not attempted): the predicted answer neither gives the gold answer in full nor contradicts it; for instance it says that it
does not know.

Question: ${question}
Gold answer: ${gold}
Predicted answer: ${predicted}

Reply with the letter of the grade alone: A, B or C.`;
}

const codes: readonly SimpleQaVerdict[] = ["correct", "incorrect", "not_attempted"];

function scorer(questionColumn: string): Scorer {
  return async ({ doc, target, responses: [response = ""] }, { judge }) => {
    const prompt = judgePrompt(String(doc[questionColumn]), String(target), response);
    const reply = await judge(prompt);
    const verdict = simpleQaVerdict(reply);
    const is = (wanted: SimpleQaVerdict): number => (verdict === wanted ? 1 : 0);
    return {
      metrics: {
        correct: is("correct"),
        incorrect: is("incorrect"),
        not_attempted: is("not_attempted"),
        // Questions that were not attempted are not among its values.
        correct_given_attempted: verdict === "not_attempted" ? [] : [is("correct")],
        f: codes.indexOf(verdict),
      },
      details: { prompt, reply, verdict },
    };
  };
}

/** From verdicts by number to F over all questions. */
function fOf(values: readonly MetricValue[]): number {
  return simpleQaScore(values.map((value) => codes[Number(value)] ?? "not_attempted")).f;
}

const metricList: readonly Metric[] = [
  { metric: "correct" },
  { metric: "incorrect", higherIsBetter: false },
  { metric: "not_attempted", higherIsBetter: false },
  { metric: "correct_given_attempted" },
  { metric: "f", aggregation: fOf },
];

const shared = {
  outputType: "generate_until",
  generationKwargs: chatGeneration,
  metricList,
  metadata: { version: 1 },
  format: "simple-evals",
  needs: ["judge"],
} as const;

function published(value: number): PublishedScore {
  return { table: "chat", metric: "correct", value, key: "correct,none" };
}

export const simpleQaTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "simpleqa",
    dataset: { path: "basicv8vc/SimpleQA", name: null, dataFiles: { test: "*.csv" } },
    testSplit: "test",
    docToText: (doc: Doc) => String(doc.problem),
    docToTarget: (doc: Doc) => String(doc.answer),
    scorer: scorer("problem"),
    published: published(24.9),
  },
  {
    ...shared,
    task: "chinese_simpleqa",
    dataset: { path: "OpenStellarTeam/Chinese-SimpleQA", name: null, dataFiles: { train: "*.jsonl" } },
    testSplit: "train",
    docToText: (doc: Doc) => String(doc.question),
    docToTarget: (doc: Doc) => String(doc.answer),
    scorer: scorer("question"),
    published: published(64.8),
  },
];
