/**
 * LongBench v2: 503 questions about documents of 8,000 to two million words, four choices; evaluation.md 5.8. The answer is the sentence
 * "The correct answer is (X)". `longbench_v2` asks for it at once, at temperature 0.1; `longbench_v2_cot` lets the model reason over 1,024
 * tokens and asks again for the letter in a second turn, so that it is always a chat. Figures are given for easy and hard
 * questions and for short, medium and long documents too. The words of these prompts are ours. What is too long loses its middle.
 *
 * `longbench2` is lm-eval's form, from a copy of the data that is split by kinds of questions: letters by likelihood, and what is too long
 * loses its beginning.
 */
import { longBenchLetter } from "../metrics/choiceLetter.js";
import { invalidAnswer } from "../metrics/invalidAnswer.js";
import type { Doc, Metric, MetricValue, TaskFile, TaskGroup } from "../taskFile.js";
import { extraction } from "./extraction.js";

const parts = { difficulty: ["easy", "hard"], length: ["short", "medium", "long"] } as const;

/** Right or wrong, for all and for the parts that the row belongs to; of other parts it is no value. */
function valuesOf(doc: Doc, isRight: boolean): Record<string, MetricValue> {
  const value = isRight ? 1 : 0;
  const entries = Object.entries(parts).flatMap(([column, names]) => {
    if (!(names as readonly unknown[]).includes(doc[column])) {
      throw new RangeError(
        `longbench_v2: ${column} must be one of ${names.join(", ")}, got ${JSON.stringify(doc[column])}`,
      );
    }
    return names.map((name): [string, MetricValue] => [`acc_${name}`, doc[column] === name ? [value] : []]);
  });
  return { acc: value, ...Object.fromEntries(entries) };
}

function question(doc: Doc): string {
  const choices = ["A", "B", "C", "D"].map((letter) => `(${letter}) ${doc[`choice_${letter}`]}`);
  return `Read the document and answer the question about it.

<document>
${doc.context}
</document>

Question: ${doc.question}

Choices:
${choices.join("\n")}`;
}

const letterRequest = 'Reply with one sentence: "The correct answer is (X)", where X is the letter of your choice.';

const metricList: readonly Metric[] = ["acc", "acc_easy", "acc_hard", "acc_short", "acc_medium", "acc_long"].map(
  (metric) => ({
    metric,
  }),
);

const shared = {
  dataset: { path: "THUDM/LongBench-v2", name: null, dataFiles: { train: "data.json" } },
  testSplit: "train",
  docToTarget: "{{answer}}",
  outputType: "generate_until",
  cutPrompt: "middle",
  metricList,
  metadata: { version: 2 },
  format: "own",
  needs: ["long context"],
} as const;

const sampling = { until: [], doSample: true, temperature: 0.1 } as const;

/** By lm-eval's groups: its names of tasks, and the configurations of the data that they stand for. */
const kinds = {
  single: {
    govt_single: "government_single",
    legal_single: "legal_single",
    lit_single: "literary",
    fin_single: "financial_single",
    event_order: "event_ordering",
    academic_single: "academic_single",
    detective: "detective",
  },
  multi: {
    govt_multi: "government_multi",
    academic_multi: "academic_multi",
    fin_multi: "financial_multi",
    news_multi: "multinews",
    legal_multi: "legal_multi",
  },
  incontext: {
    user_guide: "user_guide_qa",
    translate: "new_language_translation",
    many_shot: "manyshot_learning",
  },
  history: { agent_history: "agent_history_qa", dialogue_history: "dialogue_history_qa" },
  structured: { graph: "graph_reasoning", table: "table_qa" },
  code: { code: "code_repo_qa" },
} as const;

const letterTasks = Object.entries(kinds).flatMap(([kind, tasks]) =>
  Object.entries(tasks).map(
    ([name, config]): TaskFile => ({
      task: `longbench2_${name}`,
      taskAlias: name,
      tag: [`longbench2_${kind}_tasks`],
      dataset: { path: "recursal/longbench-v2", name: config },
      testSplit: "train",
      docToText:
        "Please read the following text and answer the question below.\n\n<text>\n{{context}}\n</text>\n\nWhat is the correct " +
        "answer to this question: {{question.strip()}}\nChoices:\n(A) {{choices[0]}}\n(B) {{choices[1]}}\n(C) {{choices[2]}}\n" +
        "(D) {{choices[3]}}\n\nAnswer:",
      docToChoice: ["A", "B", "C", "D"],
      docToTarget: "answer",
      outputType: "multiple_choice",
      metricList: [{ metric: "acc" }],
      metadata: { version: 0 },
      format: "lm-eval",
      needs: ["long context"],
    }),
  ),
);

export const longBenchTasks: readonly TaskFile[] = [
  ...letterTasks,
  {
    ...shared,
    task: "longbench_v2",
    docToText: (doc) => `${question(doc)}\n\n${letterRequest}`,
    generationKwargs: { ...sampling, maxGenToks: 128 },
    filterList: [extraction(longBenchLetter)],
    scorer: ({ doc, target, responses: [letter = invalidAnswer] }) => ({ metrics: valuesOf(doc, letter === target) }),
    about: "the letter at once",
    published: { table: "chat", metric: "acc", value: 48.7, key: "acc,none" },
  },
  {
    ...shared,
    task: "longbench_v2_cot",
    promptKind: "chat",
    docToText: (doc) =>
      `${question(doc)}\n\nThink step by step about what the document says on this. You will be asked for the letter afterwards.`,
    generationKwargs: { ...sampling, maxGenToks: 1024 },
    scorer: async ({ doc, target }, { followUp }) => {
      if (!followUp) {
        throw new RangeError(
          "longbench_v2_cot asks for the letter in a second turn, and this run cannot put a further question to the model",
        );
      }
      const reply = await followUp(letterRequest);
      const letter = longBenchLetter(reply);
      return { metrics: valuesOf(doc, letter === target), details: { reply, letter } };
    },
    about: "reasoning first, the letter in a second turn",
  },
];

const weighed = { aggregateMetricList: [{ metric: "acc", weightBySize: true }], metadata: { version: 0 } } as const;

export const longBenchGroups: readonly TaskGroup[] = [
  ...Object.keys(kinds)
    .filter((kind) => kind !== "code")
    .map((kind): TaskGroup => ({ ...weighed, group: `longbench2_${kind}`, task: [`longbench2_${kind}_tasks`] })),
  {
    ...weighed,
    group: "longbench2",
    task: Object.keys(kinds).map((kind) => `longbench2_${kind}_tasks`),
    about: "20 kinds of questions, letters by likelihood",
  },
];
