/**
 * MMLU-Pro: harder questions of 14 fields with up to ten options; evaluation.md 3.5 and 5.3. `mmlu_pro_letters` scores the letters, as
 * DeepSeek did for base models; `mmlu_pro` is the benchmark's own way, five worked examples of the field and free reasoning that ends in
 * "The answer is (X)". An answer without a letter is wrong; the benchmark's script would guess one. The header's words are ours.
 */
import { choiceLetters, mmluProLetter } from "../metrics/choiceLetter.js";
import type { Doc, TaskFile, TaskGroup } from "../taskFile.js";
import { chatGeneration, extraction } from "./extraction.js";

const fields = [
  ...["biology", "business", "chemistry", "computer science", "economics", "engineering", "health", "history", "law"],
  ...["math", "other", "philosophy", "physics", "psychology"],
];

/** Options without the placeholders that fill rows up. */
function optionsOf(doc: Doc): readonly string[] {
  return (doc.options as readonly string[]).filter((option) => option !== "N/A");
}

function lettersOf(doc: Doc): string[] {
  return [...choiceLetters(optionsOf(doc).length)];
}

function listed(doc: Doc): string {
  const lines = optionsOf(doc).map((option, i) => `${lettersOf(doc)[i]}. ${option}`);
  return `Question: ${doc.question}\nOptions:\n${lines.join("\n")}\nAnswer:`;
}

/** The worked answer of a validation row, which the file begins with "A: ". */
function workedAnswer(doc: Doc): string {
  return String(doc.cot_content ?? "").replace(/^A: /, "");
}

function fieldTasks(field: string): TaskFile[] {
  const name = field.replaceAll(" ", "_");
  const shared = {
    dataset: { path: "TIGER-Lab/MMLU-Pro", name: null },
    validationSplit: "validation",
    testSplit: "test",
    fewshotSplit: "validation",
    processDocs: (docs: readonly Doc[]) => docs.filter((doc) => doc.category === field),
    taskAlias: name,
    docToText: listed,
    numFewshot: 5,
    metadata: { version: 1 },
  } as const;
  return [
    {
      ...shared,
      task: `mmlu_pro_letters_${name}`,
      tag: ["mmlu_pro_letters_tasks"],
      fewshotConfig: { sampler: "first_n" },
      description: `The following are multiple choice questions (with answers) about ${field}.\n\n`,
      docToChoice: lettersOf,
      docToTarget: (doc) => String(doc.answer),
      outputType: "multiple_choice",
      metricList: [{ metric: "acc" }],
      format: "own",
      about: "letters by likelihood",
    },
    {
      ...shared,
      task: `mmlu_pro_${name}`,
      tag: ["mmlu_pro_tasks"],
      fewshotConfig: { sampler: "first_n", docToTarget: workedAnswer },
      description:
        `These are multiple choice questions about ${field}, each with its solution. Think step by step and end with the sentence ` +
        '"The answer is (X)", where X is the letter of the right option.\n\n',
      docToTarget: (doc) => String(doc.answer),
      outputType: "generate_until",
      generationKwargs: { ...chatGeneration, until: ["Question:"] },
      filterList: [extraction((answer) => mmluProLetter(answer))],
      metricList: [{ metric: "exact_match" }],
      format: "own",
      about: "worked examples, free reasoning",
    },
  ];
}

export const mmluProTasks: readonly TaskFile[] = fields.flatMap(fieldTasks);

export const mmluProGroups: readonly TaskGroup[] = [
  {
    group: "mmlu_pro_letters",
    task: ["mmlu_pro_letters_tasks"],
    aggregateMetricList: [{ metric: "acc", weightBySize: true }],
    metadata: { version: 1 },
    about: "14 fields, letters by likelihood",
    published: { table: "base", metric: "acc", value: 64.4, key: "acc,none" },
  },
  {
    group: "mmlu_pro",
    task: ["mmlu_pro_tasks"],
    aggregateMetricList: [{ metric: "exact_match", weightBySize: true }],
    metadata: { version: 1 },
    about: "14 fields, free reasoning",
    published: { table: "chat", metric: "EM", value: 75.9, key: "exact_match,none" },
  },
];
