/**
 * MATH: problems of mathematics contests in seven subjects; evaluation.md 3.20. Minerva's form: four worked problems that end "Final
 * Answer: The final answer is $...$. I hope it is correct.", and the answer is what stands between these phrases. The worked problems are
 * the first of the subject's training split, where Minerva has four fixed ones. The gold answer is the last box of the solution.
 *
 * `math_500` is the usual selection of 500 problems for chat models, asked without shots for an answer in a box, greedy; evaluation.md
 * 5.15.
 */
import { lastBox } from "../answers/box.js";
import type { Doc, TaskFile, TaskGroup } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";
import { boxedAnswer, boxRequest, mathScorer } from "./mathAnswers.js";

const subjects = [
  ...["algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra"],
  "precalculus",
];

function goldOf(doc: Doc): string {
  const gold = lastBox(String(doc.solution));
  if (gold !== null) return gold;
  throw new RangeError(`minerva_math: a solution without a box: ${String(doc.solution).slice(-80)}`);
}

const minervaTasks = subjects.map(
  (subject): TaskFile => ({
    task: `minerva_math_${subject}`,
    taskAlias: subject,
    tag: ["minerva_math_tasks"],
    dataset: { path: "EleutherAI/hendrycks_math", name: subject },
    trainingSplit: "train",
    testSplit: "test",
    docToText: "Problem:\n{{problem}}\n\nSolution:",
    docToTarget: goldOf,
    fewshotConfig: {
      sampler: "first_n",
      docToTarget: (doc) =>
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
    metadata: { version: 2 },
    format: "own",
    about: "Minerva's form, training problems as shots",
  }),
);

export const hendrycksMathTasks: readonly TaskFile[] = [
  ...minervaTasks,
  {
    task: "math_500",
    dataset: { path: "HuggingFaceH4/MATH-500", name: null },
    testSplit: "test",
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
    metadata: { version: 2 },
    about: "seven subjects",
    published: { table: "base", metric: "EM", value: 61.6, key: "exact_match,none" },
  },
];
