/**
 * BIG-Bench Hard: 27 subtasks that need several steps of reasoning, with three worked examples each; evaluation.md 3.2. Names, prompts,
 * stops and the pattern that cuts the answer out are lm-eval's; the examples are ours (bbhShots.ts). `bbh` and `bbh_cot_fewshot`, two names
 * of one thing, weigh subtasks by their questions; `bbh_subtask_mean` counts them alike, as many papers do.
 */
import type { TaskFile, TaskGroup } from "../taskFile.js";
import * as first from "./bbhShots.js";
import * as second from "./bbhShotsDeduction.js";
import * as third from "./bbhShotsLanguage.js";

export const bbhExamples: Readonly<Record<string, first.BbhExamples>> = {
  boolean_expressions: first.booleanExpressions,
  causal_judgement: first.causalJudgement,
  date_understanding: first.dateUnderstanding,
  disambiguation_qa: first.disambiguationQa,
  dyck_languages: first.dyckLanguages,
  formal_fallacies: first.formalFallacies,
  geometric_shapes: first.geometricShapes,
  hyperbaton: first.hyperbaton,
  logical_deduction_three_objects: second.logicalDeduction,
  logical_deduction_five_objects: second.logicalDeduction,
  logical_deduction_seven_objects: second.logicalDeduction,
  movie_recommendation: second.movieRecommendation,
  multistep_arithmetic_two: second.multistepArithmetic,
  navigate: second.navigate,
  object_counting: second.objectCounting,
  penguins_in_a_table: second.penguinsInATable,
  reasoning_about_colored_objects: second.coloredObjects,
  ruin_names: third.ruinNames,
  salient_translation_error_detection: third.translationErrors,
  snarks: third.snarks,
  sports_understanding: third.sportsUnderstanding,
  temporal_sequences: third.temporalSequences,
  tracking_shuffled_objects_three_objects: third.trackingShuffled,
  tracking_shuffled_objects_five_objects: third.trackingShuffled,
  tracking_shuffled_objects_seven_objects: third.trackingShuffled,
  web_of_lies: third.webOfLies,
  word_sorting: third.wordSorting,
};

export const bbhTasks: readonly TaskFile[] = Object.entries(bbhExamples).map(([subtask, { description, shots }]) => ({
  task: `bbh_cot_fewshot_${subtask}`,
  taskAlias: subtask,
  tag: ["bbh_tasks"],
  dataset: { path: "SaylorTwift/bbh", name: subtask },
  testSplit: "test",
  description: `${description}\n\n`,
  docToText: "Q: {{input}}\nA: Let's think step by step.\n",
  docToTarget: "{{target}}",
  targetDelimiter: "",
  fewshotConfig: { sampler: "first_n", samples: shots.map(({ input, target }) => ({ input, target })) },
  numFewshot: 3,
  outputType: "generate_until",
  generationKwargs: { until: ["</s>", "Q", "\n\n"], maxGenToks: 1024 },
  filterList: [
    {
      name: "get-answer",
      filter: [{ function: "regex", regexPattern: "(?<=the answer is )(.*)(?=.)" }, { function: "take_first" }],
    },
  ],
  metricList: [{ metric: "exact_match" }],
  metadata: { version: 4 },
  format: "lm-eval",
  about: "worked examples of our own",
}));

const shared = { task: ["bbh_tasks"], metadata: { version: 3 }, about: "27 subtasks" } as const;

const weighed = {
  ...shared,
  aggregateMetricList: [{ metric: "exact_match", weightBySize: true }],
  published: { table: "base", metric: "EM", value: 87.5, key: "exact_match,get-answer" },
} as const;

export const bbhGroups: readonly TaskGroup[] = [
  { ...weighed, group: "bbh" },
  { ...weighed, group: "bbh_cot_fewshot" },
  { ...shared, group: "bbh_subtask_mean", aggregateMetricList: [{ metric: "exact_match", weightBySize: false }] },
];
