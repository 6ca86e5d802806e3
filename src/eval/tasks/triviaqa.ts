/**
 * TriviaQA: quiz questions, answered from memory; evaluation.md 3.12. An answer is right if it equals one of the aliases, case and ASCII
 * punctuation aside. `triviaqa_plain` is DeepSeek-V2's form.
 */
import type { Doc, TaskFile } from "../taskFile.js";

const shared = {
  dataset: { path: "mandarjoshi/trivia_qa", name: "rc.nocontext" },
  trainingSplit: "train",
  validationSplit: "validation",
  docToTarget: (doc: Doc) => (doc.answer as { readonly aliases: readonly string[] }).aliases,
  numFewshot: 5,
  outputType: "generate_until",
  generationKwargs: { until: ["\n", ".", ","] },
  filterList: [{ name: "remove_whitespace", filter: [{ function: "remove_whitespace" }, { function: "take_first" }] }],
  metricList: [{ metric: "exact_match", ignoreCase: true, ignorePunctuation: true }],
  metadata: { version: 3 },
  published: { table: "base", metric: "EM", value: 82.9, key: "exact_match,remove_whitespace" },
} as const;

export const triviaqaTasks: readonly TaskFile[] = [
  { ...shared, task: "triviaqa", docToText: "Question: {{question}}?\nAnswer:", format: "lm-eval" },
  {
    ...shared,
    task: "triviaqa_plain",
    description: "Answer these questions:\n\n",
    docToText: "Q: {{question}}\nA:",
    fewshotConfig: { sampler: "first_n" },
    format: "DeepSeek V2",
    about: "Q and A under one header",
  },
];
