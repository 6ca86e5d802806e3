/**
 * PIQA: which of two ways reaches a goal of everyday life; evaluation.md 3.9. `piqa_plain` is DeepSeek-V2's form, goal and way as one text.
 */
import type { TaskFile } from "../taskFile.js";

const shared = {
  dataset: { path: "baber/piqa", name: null },
  trainingSplit: "train",
  validationSplit: "validation",
  docToTarget: "label",
  numFewshot: 0,
  outputType: "multiple_choice",
  metricList: [{ metric: "acc" }, { metric: "acc_norm" }],
  metadata: { version: 1 },
  published: { table: "base", metric: "acc", value: 84.7, key: "acc,none" },
} as const;

export const piqaTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "piqa",
    docToText: "Question: {{goal}}\nAnswer:",
    docToChoice: (doc) => [String(doc.sol1), String(doc.sol2)],
    format: "lm-eval",
  },
  {
    ...shared,
    task: "piqa_plain",
    docToText: "{{goal}}",
    docToChoice: (doc) => [String(doc.sol1), String(doc.sol2)],
    format: "DeepSeek V2",
    about: "goal and way joined by a space",
  },
];
