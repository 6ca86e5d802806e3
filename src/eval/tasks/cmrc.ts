/**
 * CMRC 2018: questions about Chinese encyclopedia articles, the answer a piece of the text; evaluation.md 3.26 and 7.5. DeepSeek-V2's form;
 * the first line of the answer counts. The best of the row's answers counts for EM and F1 each.
 */
import { cmrcScore } from "../metrics/cmrc.js";
import type { Doc, TaskFile } from "../taskFile.js";

function answersOf(doc: Doc): readonly string[] {
  return (doc.answers as { readonly text: readonly string[] }).text;
}

export const cmrcTask: TaskFile = {
  task: "cmrc2018",
  dataset: { path: "clue/clue", name: "cmrc2018" },
  trainingSplit: "train",
  validationSplit: "validation",
  docToText: "文章：{{context}}\n根据上文回答下面的问题。\n问题：{{question}}\n答案：",
  docToTarget: answersOf,
  targetDelimiter: "",
  fewshotConfig: { sampler: "first_n" },
  numFewshot: 1,
  outputType: "generate_until",
  generationKwargs: { until: ["\n"] },
  scorer: ({ doc, responses: [response = ""] }) => {
    const { exactMatch, f1 } = cmrcScore(response, answersOf(doc));
    return { metrics: { em: exactMatch, f1 } };
  },
  metricList: [{ metric: "em" }, { metric: "f1" }],
  metadata: { version: 1 },
  format: "DeepSeek V2",
  published: { table: "base", metric: "EM", value: 76.3, key: "em,none" },
};
