/**
 * MATH: problems of mathematics contests in seven subjects; evaluation.md 3.20. `minerva_math` is Minerva's form as lm-eval has it: four
 * worked problems that end "Final Answer: The final answer is $...$. I hope it is correct.", and the answer is what stands between these
 * phrases. The worked problems are the first of the subject's training split, where Minerva has four fixed ones. The gold answer is the last
 * box of the solution. Deviation: formulas are compared by the run's judge of them, where lm-eval asks sympy and beside it math_verify.
 * `hendrycks_math` is lm-eval's older form, a bare question whose answer is compared as a text.
 *
 * `math_500` is the usual selection of 500 problems for chat models, asked without shots for an answer in a box, greedy; evaluation.md
 * 5.15. `minerva_math500` and `hendrycks_math500` ask the same problems in the other two forms.
 */
import { lastBox } from "../answers/box.js";
import type { Doc, TaskFile, TaskGroup } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";
import { betweenDollars, textScorer } from "./harnessMath.js";
import { boxedAnswer, boxRequest, mathScorer } from "./mathAnswers.js";

/** Configurations of the data set, by the names that lm-eval has for their tasks. */
const subjects: Readonly<Record<string, string>> = {
  algebra: "algebra",
  counting_and_prob: "counting_and_probability",
  geometry: "geometry",
  intermediate_algebra: "intermediate_algebra",
  num_theory: "number_theory",
  prealgebra: "prealgebra",
  precalc: "precalculus",
};

const allOf = (subject: string): Pick<TaskFile, "dataset" | "trainingSplit" | "testSplit"> => ({
  dataset: { path: "EleutherAI/hendrycks_math", name: subject },
  trainingSplit: "train",
  testSplit: "test",
});

const selection = { dataset: { path: "HuggingFaceH4/MATH-500", name: null }, testSplit: "test" } as const;

function goldOf(doc: Doc): string {
  const gold = lastBox(String(doc.solution));
  if (gold !== null) return gold;
  throw new RangeError(`minerva_math: a solution without a box: ${String(doc.solution).slice(-80)}`);
}

const minerva = {
  docToText: "Problem:\n{{problem}}\n\nSolution:",
  docToTarget: goldOf,
  fewshotConfig: {
    sampler: "first_n",
    docToTarget: (doc: Doc) =>
      `${doc.solution}\nFinal Answer: The final answer is $${goldOf(doc)}$. I hope it is correct.`,
  },
  numFewshot: 4,
  outputType: "generate_until",
  generationKwargs: { until: ["Problem:"], maxGenToks: 1024 },
  filterList: [
    {
      name: "none",
      filter: [
        {
          function: "regex",
          regexPattern: "(?s)Final Answer: The final answer is\\s*\\$?(.*?)\\$?\\.? I hope it is correct",
        },
      ],
    },
  ],
  scorer: mathScorer({ single: "exact_match" }),
  metricList: [{ metric: "exact_match" }],
  metadata: { version: 3 },
  format: "lm-eval",
  about: "Minerva's form, training problems as shots",
} as const;

const hendrycks = {
  docToText: "Problem: {{problem}}\nAnswer:",
  docToTarget: goldOf,
  outputType: "generate_until",
  generationKwargs: { until: ["Problem:"] },
  scorer: textScorer("exact_match", betweenDollars),
  metricList: [{ metric: "exact_match" }],
  metadata: { version: 1 },
  format: "lm-eval",
  about: "a bare question, answers compared as texts",
} as const;

export const hendrycksMathTasks: readonly TaskFile[] = [
  ...Object.entries(subjects).flatMap(([name, subject]): TaskFile[] => [
    {
      ...minerva,
      ...allOf(subject),
      task: `minerva_math_${name}`,
      taskAlias: name,
      tag: ["minerva_math_tasks"],
    },
    {
      ...hendrycks,
      ...allOf(subject),
      task: `hendrycks_math_${name}`,
      taskAlias: name,
      tag: ["hendrycks_math_tasks"],
    },
  ]),
  {
    ...minerva,
    ...selection,
    task: "minerva_math500",
    // The selection has no training problems of its own.
    fewshotSplit: "train",
    fewshotConfig: { ...minerva.fewshotConfig, dataset: { path: "EleutherAI/hendrycks_math", name: "algebra" } },
  },
  { ...hendrycks, ...selection, task: "hendrycks_math500" },
  {
    ...selection,
    task: "math_500",
    docToText: `{{problem}}\n\n${boxRequest}`,
    docToTarget: "{{answer}}",
    outputType: "generate_until",
    generationKwargs: chatGeneration,
    filterList: [boxedAnswer],
    scorer: mathScorer({ single: "exact_match" }),
    metricList: [{ metric: "exact_match" }],
    metadata: { version: 1 },
    format: "own",
    about: "answer in a box, greedy",
    published: { table: "chat", metric: "EM", value: 90.2, key: "exact_match,none" },
  },
];

export const hendrycksMathGroups: readonly TaskGroup[] = [
  {
    group: "minerva_math",
    task: ["minerva_math_tasks"],
    aggregateMetricList: [{ metric: "exact_match", weightBySize: true }],
    metadata: { version: 3 },
    about: "seven subjects",
    published: { table: "base", metric: "EM", value: 61.6, key: "exact_match,none" },
  },
  {
    group: "hendrycks_math",
    task: ["hendrycks_math_tasks"],
    aggregateMetricList: [{ metric: "exact_match", weightBySize: true }],
    metadata: { version: 1 },
    about: "seven subjects",
  },
];
