/**
 * C3: questions about Chinese dialogues and texts with two to four options; evaluation.md 3.27. DeepSeek-V2's form: the full text of an
 * option is scored. Labels of CLUE's test split are hidden, so the validation split is evaluated.
 */
import type { Doc, TaskFile } from "../taskFile.js";

function linesOf(doc: Doc): string {
  return (doc.context as readonly string[]).join("\n");
}

export const c3Task: TaskFile = {
  task: "c3",
  dataset: { path: "clue/clue", name: "c3" },
  trainingSplit: "train",
  validationSplit: "validation",
  docToText: (doc) => `${linesOf(doc)}\n请根据上文回答问题：\n${doc.question}\n答案：`,
  docToChoice: "choice",
  docToTarget: "answer",
  targetDelimiter: "",
  numFewshot: 0,
  outputType: "multiple_choice",
  metricList: [{ metric: "acc" }, { metric: "acc_norm" }],
  metadata: { version: 1 },
  format: "DeepSeek V2",
  published: { table: "base", metric: "acc", value: 78.6, key: "acc,none" },
};
