/**
 * NaturalQuestions, open form: questions typed into a search engine, answered from memory; evaluation.md 3.13. Case, ASCII punctuation and
 * articles that begin with a capital (or a small a, an) do not count; the pattern is lm-eval's, its repetition included.
 */
import type { TaskFile } from "../taskFile.js";

export const naturalQuestionsTask: TaskFile = {
  task: "nq_open",
  dataset: { path: "google-research-datasets/nq_open", name: "nq_open" },
  trainingSplit: "train",
  validationSplit: "validation",
  description: "Answer these questions:\n\n",
  docToText: "Q: {{question}}?\nA:",
  docToTarget: "{{answer}}",
  fewshotDelimiter: "\n",
  numFewshot: 5,
  outputType: "generate_until",
  generationKwargs: { until: ["\n", ".", ","] },
  filterList: [{ name: "remove_whitespace", filter: [{ function: "remove_whitespace" }, { function: "take_first" }] }],
  metricList: [
    {
      metric: "exact_match",
      ignoreCase: true,
      ignorePunctuation: true,
      regexesToIgnore: ["\\b(?:The |the |An |A |The |a |an )"],
    },
  ],
  metadata: { version: 4 },
  format: "lm-eval",
  published: { table: "base", metric: "EM", value: 40.0, key: "exact_match,remove_whitespace" },
};
