/**
 * MMLU-Pro: harder questions of 14 fields with up to ten options; evaluation.md 3.5 and 5.3. `mmlu_pro_letters` scores the letters, as
 * DeepSeek did for base models; `mmlu_pro` is the benchmark's own way, five worked examples of the field and free reasoning that ends in
 * "The answer is (X)". Its prompt is lm-eval's, and so is the pipeline custom-extract; flexible-extract looks further, as the benchmark's
 * script does. An answer without a letter is wrong; that script would guess one.
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

const opening = "Let's think step by step.";

/** lm-eval's: the answer has begun with its first sentence. Options stand as the row has them. */
function reasonedQuestion(doc: Doc): string {
  const lines = (doc.options as readonly string[])
    .slice(0, 10)
    .map((option, i) => `${choiceLetters(10)[i]}. ${option.trim()}\n`);
  return `Question:\n${doc.question}\nOptions:\n${lines.join("")}Answer: ${opening}`;
}

/** The worked answer of a validation row without its beginning, which stands in the question already. */
function workedAnswer(doc: Doc): string {
  return String(doc.cot_content ?? "").replaceAll(`A: ${opening} `, "");
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
    numFewshot: 5,
  } as const;
  return [
    {
      ...shared,
      task: `mmlu_pro_letters_${name}`,
      tag: ["mmlu_pro_letters_tasks"],
      fewshotConfig: { sampler: "first_n" },
      description: `The following are multiple choice questions (with answers) about ${field}.\n\n`,
      docToText: listed,
      docToChoice: lettersOf,
      docToTarget: (doc) => String(doc.answer),
      outputType: "multiple_choice",
      metricList: [{ metric: "acc" }],
      metadata: { version: 1 },
      format: "own",
      about: "letters by likelihood",
    },
    {
      ...shared,
      task: `mmlu_pro_${name}`,
      tag: ["mmlu_pro_tasks"],
      fewshotConfig: { sampler: "first_n", docToTarget: workedAnswer },
      description:
        `The following are multiple choice questions (with answers) about ${field}. Think step by step and then finish your answer ` +
        'with "the answer is (X)" where X is the correct letter choice.\n',
      docToText: reasonedQuestion,
      docToTarget: (doc) => String(doc.answer),
      outputType: "generate_until",
      generationKwargs: { ...chatGeneration, until: ["Question:"] },
      filterList: [
        {
          name: "custom-extract",
          filter: [{ function: "regex", regexPattern: "answer is \\(?([ABCDEFGHIJ])\\)?" }, { function: "take_first" }],
        },
        extraction((answer) => mmluProLetter(answer), "flexible-extract"),
      ],
      metricList: [{ metric: "exact_match", ignoreCase: true, ignorePunctuation: true }],
      metadata: { version: 3 },
      format: "lm-eval",
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
    metadata: { version: 2 },
    about: "14 fields, free reasoning",
    published: { table: "chat", metric: "EM", value: 75.9, key: "exact_match,flexible-extract" },
  },
];
