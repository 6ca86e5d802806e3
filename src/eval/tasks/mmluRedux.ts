/**
 * MMLU-Redux: a hundred questions of each MMLU subject, checked by people; evaluation.md 3.4 and 5.2. Questions found faulty are dropped,
 * but for those whose key alone was wrong: these are asked with the corrected one. Version 2.0 (57 subjects); which version DeepSeek used
 * is not known.
 *
 * For base models it is MMLU's prompt, with MMLU's own dev rows as shots. For chat models it follows ZeroEval: no shots, an answer as JSON
 * with `reasoning` and `answer`, of which the last object counts. The words of that prompt are ours. `mmlu_redux_generative` is lm-eval's:
 * the rows that were found sound, from a copy that has these alone, answered by a letter without reasoning.
 */
import { jsonAnswerLetter } from "../metrics/choiceLetter.js";
import type { Doc, TaskFile, TaskGroup } from "../taskFile.js";
import { chatGeneration, extraction } from "./extraction.js";
import { mmluQuestion, mmluSubjects } from "./mmlu.js";

const letters = "ABCD";

/** The rows that are fit to ask; `answer` is the index that holds, after correction. A correction that is no choice drops its row too. */
export function soundRows(docs: readonly Doc[]): Doc[] {
  return docs.flatMap((doc) => {
    // MMLU's own rows, which are shots, have no verdict.
    if (doc.error_type === undefined || doc.error_type === "ok") return [doc];
    if (doc.error_type !== "wrong_groundtruth") return [];
    const corrected = String(doc.correct_answer ?? "").trim();
    const answer = /^[0-3]$/.test(corrected)
      ? Number(corrected)
      : /^[A-D]$/.test(corrected)
        ? letters.indexOf(corrected)
        : -1;
    return answer < 0 ? [] : [{ ...doc, answer }];
  });
}

function chatQuestion(doc: Doc): string {
  const choices = (doc.choices as readonly string[]).map((choice, i) => `- (${letters[i]}) ${choice}`);
  return `Answer the multiple-choice question below. Reason first, then choose.

## Question

${doc.question}

## Choices

${choices.join("\n")}

## Form of the answer

Reply with one JSON object and nothing else. It has two fields: "reasoning", a text with your steps, and "answer", the letter chosen:

{"reasoning": "...", "answer": "A"}`;
}

const subjects = Object.values(mmluSubjects).flat();

function headerOf(subject: string): string {
  return `The following are multiple choice questions (with answers) about ${subject.replaceAll("_", " ")}.\n\n`;
}

const shared = { testSplit: "test", processDocs: soundRows, metadata: { version: 2 } } as const;

const baseTasks = subjects.map(
  (subject): TaskFile => ({
    ...shared,
    task: `mmlu_redux_${subject}`,
    taskAlias: subject,
    tag: ["mmlu_redux_tasks"],
    dataset: { path: "edinburgh-dawg/mmlu-redux-2.0", name: subject },
    fewshotSplit: "dev",
    fewshotConfig: { sampler: "first_n", dataset: { path: "cais/mmlu", name: subject } },
    description: headerOf(subject),
    docToText: mmluQuestion,
    docToChoice: [...letters],
    docToTarget: "answer",
    numFewshot: 5,
    outputType: "multiple_choice",
    metricList: [{ metric: "acc" }],
    format: "own",
    about: "MMLU's prompt and shots",
  }),
);

const chatTasks = subjects.map(
  (subject): TaskFile => ({
    ...shared,
    task: `mmlu_redux_chat_${subject}`,
    taskAlias: subject,
    tag: ["mmlu_redux_chat_tasks"],
    dataset: { path: "edinburgh-dawg/mmlu-redux-2.0", name: subject },
    docToText: chatQuestion,
    docToTarget: (doc) => letters[Number(doc.answer)] ?? "",
    outputType: "generate_until",
    generationKwargs: chatGeneration,
    filterList: [extraction((answer) => jsonAnswerLetter(answer))],
    metricList: [{ metric: "exact_match" }],
    format: "own",
    about: "ZeroEval's form: JSON with reasoning and answer",
  }),
);

const generativeTasks = subjects.map(
  (subject): TaskFile => ({
    task: `mmlu_redux_${subject}_generative`,
    taskAlias: subject,
    tag: ["mmlu_redux_generative_tasks"],
    dataset: { path: "fxmarty/mmlu-redux-2.0-ok", name: subject },
    testSplit: "test",
    description: headerOf(subject),
    docToText:
      "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nPlease respond with the " +
      "correct letter (A, B, C or D) without any additional comments, only the correct letter:",
    docToTarget: (doc) => letters[Number(doc.answer)] ?? "",
    targetDelimiter: ":",
    outputType: "generate_until",
    generationKwargs: { until: ["</s>"] },
    filterList: [
      { name: "default", filter: [{ function: "regex", regexPattern: "([ABCD])" }, { function: "take_first" }] },
    ],
    metricList: [{ metric: "exact_match", ignoreCase: true, ignorePunctuation: true }],
    metadata: { version: 4 },
    format: "lm-eval",
    about: "a letter alone, sound rows",
  }),
);

export const mmluReduxTasks: readonly TaskFile[] = [...baseTasks, ...chatTasks, ...generativeTasks];

export const mmluReduxGroups: readonly TaskGroup[] = [
  {
    group: "mmlu_redux",
    task: ["mmlu_redux_tasks"],
    aggregateMetricList: [{ metric: "acc", weightBySize: true }],
    metadata: { version: 2 },
    about: "57 subjects",
    published: { table: "base", metric: "acc", value: 86.2, key: "acc,none" },
  },
  {
    group: "mmlu_redux_chat",
    task: ["mmlu_redux_chat_tasks"],
    aggregateMetricList: [{ metric: "exact_match", weightBySize: true }],
    metadata: { version: 2 },
    about: "57 subjects, answers as JSON",
    published: { table: "chat", metric: "EM", value: 89.1, key: "exact_match,none" },
  },
  {
    group: "mmlu_redux_generative",
    task: ["mmlu_redux_generative_tasks"],
    aggregateMetricList: [{ metric: "exact_match", weightBySize: true }],
    metadata: { version: 4 },
    about: "57 subjects, a letter alone",
  },
];
