/**
 * GPQA-Diamond: 198 questions for experts in biology, physics and chemistry; evaluation.md 5.1. The data is gated so that it stays out of
 * training sets: the file comes from the user and is never passed on. `gpqa_diamond` is simple-evals' form: every question is asked four
 * times, with its choices in four orders, and the figure is the mean. The five others are lm-eval's, where a question is asked once, by
 * letter or reasoned. Deviation: the order of the choices comes from the row's number; lm-eval draws it with Python's generator.
 */
import { hashInts, permuted } from "../../data/random.js";
import { answerLineLetter } from "../metrics/choiceLetter.js";
import type { Doc, TaskFile } from "../taskFile.js";
import { chatGeneration, extraction } from "./extraction.js";
import { answerLineQuestion } from "./mmluChat.js";

const numOrders = 4;
const letters = "ABCD";
const dataset = { path: "Idavidrein/gpqa", name: "gpqa_diamond", dataFiles: { train: "gpqa_diamond.csv" } } as const;

/** Each row four times, with `choices` and the index `answer`; the orders depend on the row's number alone. */
export function inFourOrders(docs: readonly Doc[]): Doc[] {
  return docs.flatMap((doc, row) => Array.from({ length: numOrders }, (_, order) => inOrder(doc, row, order)));
}

function inOrder(doc: Doc, row: number, order: number): Doc {
  const texts = ["Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"].map((column) => {
    const text = doc[column];
    if (typeof text !== "string") throw new RangeError(`gpqa: row ${row} has no text in the column "${column}"`);
    return text.trim();
  });
  const places = texts.map((_, i) => permuted(i, texts.length, hashInts(row, order)));
  return { ...doc, choices: places.map((place) => texts[place] ?? ""), answer: places.indexOf(0) };
}

/** lm-eval's rows: each once, its choices cleaned as HellaSwag's are and `answer` as "(B)". */
function asked(docs: readonly Doc[]): Doc[] {
  return docs.map((doc, row) => {
    const { choices, answer } = inOrder(doc, row, 0);
    const texts = (choices as readonly string[]).map((text) => text.replaceAll(" [title]", ". ").replaceAll("  ", " "));
    // Of equal texts the first is right, too.
    return { ...doc, choices: texts, answer: `(${letters[texts.indexOf(texts[Number(answer)] ?? "")]})` };
  });
}

/** @param begin what stands before the question */
function harnessQuestion(begin: string, end: string): string {
  const choices = [...letters].map((letter, i) => `(${letter}) {{choices[${i}]}}\n`);
  return `${begin}{{Question}}\nChoices:\n${choices.join("")}${end}`;
}

const harness = {
  dataset,
  trainingSplit: "train",
  validationSplit: "train",
  processDocs: asked,
  docToTarget: "answer",
  metadata: { version: 2 },
  format: "lm-eval",
  needs: ["gated"],
} as const;

const byLikelihood = {
  ...harness,
  docToChoice: [...letters].map((letter) => `(${letter})`),
  outputType: "multiple_choice",
  metricList: [{ metric: "acc" }, { metric: "acc_norm" }],
} as const;

const byText = {
  ...harness,
  docToChoice: "choices",
  outputType: "generate_until",
  generationKwargs: { until: ["</s>"] },
  filterList: [
    {
      name: "strict-match",
      filter: [{ function: "regex", regexPattern: "(?<=The answer is )(.*)(?=.)" }, { function: "take_first" }],
    },
    {
      name: "flexible-extract",
      filter: [
        {
          function: "multi_choice_regex",
          groupSelect: -1,
          ignoreCase: true,
          ignorePunctuation: true,
          regexPattern: "(\\([A-Z]\\))",
        },
        { function: "take_first" },
      ],
    },
  ],
  metricList: [{ metric: "exact_match", ignoreCase: true, ignorePunctuation: true }],
} as const;

const question = "What is the correct answer to this question:";
const reasoning = "Let's think step by step: ";
const fewshot = {
  description:
    "Here are some example questions from experts. Answer the final question yourself, following the format of the previous questions exactly.\n",
  numFewshot: 5,
} as const;

const harnessTasks: readonly TaskFile[] = [
  { ...byLikelihood, task: "gpqa_diamond_zeroshot", docToText: harnessQuestion(question, "Answer:") },
  { ...byLikelihood, ...fewshot, task: "gpqa_diamond_n_shot", docToText: harnessQuestion("Question: ", "Answer:") },
  { ...byText, task: "gpqa_diamond_cot_zeroshot", docToText: harnessQuestion(question, reasoning) },
  { ...byText, ...fewshot, task: "gpqa_diamond_cot_n_shot", docToText: harnessQuestion("Question: ", reasoning) },
  {
    ...byText,
    ...fewshot,
    task: "gpqa_diamond_generative_n_shot",
    docToText: harnessQuestion("Question: ", "Answer:"),
    generationKwargs: { until: ["</s>", "Question:", "<|im_end|>"] },
  },
];

const gpqaTask: TaskFile = {
  task: "gpqa_diamond",
  dataset,
  testSplit: "train",
  processDocs: inFourOrders,
  docToText: (doc) => answerLineQuestion(String(doc.Question).trim(), doc.choices as readonly string[]),
  docToTarget: (doc) => letters[Number(doc.answer)] ?? "",
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

export const gpqaTasks: readonly TaskFile[] = [gpqaTask, ...harnessTasks];
