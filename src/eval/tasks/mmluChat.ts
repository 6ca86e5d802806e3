/**
 * MMLU for chat models in the form of simple-evals: no shots, brief reasoning, the letter on a last line; evaluation.md 5.1. The words of
 * the prompt are ours, the form of the answer simple-evals'.
 */
import { answerLineLetter, choiceLetters } from "../metrics/choiceLetter.js";
import type { Doc, TaskFile } from "../taskFile.js";
import { chatGeneration, extraction } from "./extraction.js";

/** The user's message for a question with four choices. */
export function answerLineQuestion(question: string, choices: readonly string[]): string {
  const letters = choiceLetters(choices.length);
  const listed = choices.map((choice, i) => `${letters[i]}) ${choice}`);
  return (
    "Answer this multiple choice question. Reason briefly, step by step, and end with a line of the form 'Answer: $LETTER' (without the " +
    `quotes), where LETTER is one of ${letters}.\n\n${question}\n\n${listed.join("\n")}`
  );
}

export const mmluChatTask: TaskFile = {
  task: "mmlu_chat",
  dataset: { path: "cais/mmlu", name: "all" },
  testSplit: "test",
  docToText: (doc: Doc) => answerLineQuestion(String(doc.question).trim(), doc.choices as readonly string[]),
  docToTarget: (doc: Doc) => "ABCD"[Number(doc.answer)] ?? String(doc.answer),
  outputType: "generate_until",
  generationKwargs: chatGeneration,
  filterList: [extraction((answer) => answerLineLetter(answer))],
  metricList: [{ metric: "exact_match" }],
  metadata: { version: 1 },
  format: "own",
  about: "simple-evals' form: reasoning, then a line with the letter",
  published: { table: "chat", metric: "EM", value: 88.5, key: "exact_match,none" },
};
