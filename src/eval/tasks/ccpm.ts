/**
 * CCPM: which of four lines of classical Chinese poetry a modern sentence translates; evaluation.md 3.28. The data set is a repository of
 * files of its own (THUNLP-AIPoet/CCPM); the lines themselves are scored.
 */
import type { TaskFile } from "../taskFile.js";

export const ccpmTask: TaskFile = {
  task: "ccpm",
  dataset: { path: "THUNLP-AIPoet/CCPM", name: null },
  trainingSplit: "train",
  validationSplit: "valid",
  docToText: "以下是将某句古诗文翻译而成的现代表述：{{translation}}\n该翻译所对应的古诗文是：",
  docToChoice: "choices",
  docToTarget: "answer",
  targetDelimiter: "",
  numFewshot: 0,
  outputType: "multiple_choice",
  metricList: [{ metric: "acc" }, { metric: "acc_norm" }],
  metadata: { version: 1 },
  format: "DeepSeek V2",
  published: { table: "base", metric: "acc", value: 92.0, key: "acc,none" },
};
