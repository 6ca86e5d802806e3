/**
 * WinoGrande: whom or what a sentence means; evaluation.md 3.10. Each option is put in the place of the gap, and what stands behind the gap
 * is scored in both contexts (partial evaluation, Trinh and Le 2018): the continuation is the same, so lengths do not matter.
 */
import type { Doc, TaskFile } from "../taskFile.js";

/** @returns what stands before the gap and behind it */
function aroundGap(doc: Doc): readonly [string, string] {
  const sentence = String(doc.sentence);
  const gap = sentence.indexOf("_");
  if (gap < 0) throw new RangeError(`winogrande: the sentence has no gap "_": ${sentence}`);
  return [sentence.slice(0, gap), sentence.slice(gap + 1).trim()];
}

export const winograndeTask: TaskFile = {
  task: "winogrande",
  dataset: { path: "allenai/winogrande", name: "winogrande_xl" },
  trainingSplit: "train",
  validationSplit: "validation",
  docToText: (doc) => Number(doc.answer) - 1,
  docToChoice: (doc) => [doc.option1, doc.option2].map((option) => aroundGap(doc)[0] + option),
  docToTarget: (doc) => aroundGap(doc)[1],
  numFewshot: 5,
  outputType: "multiple_choice",
  metricList: [{ metric: "acc" }],
  metadata: { version: 1 },
  format: "lm-eval",
  about: "the rest of the sentence is scored after either option",
  published: { table: "base", metric: "acc", value: 84.9, key: "acc,none" },
};
