/**
 * ARC: school science questions with three to five choices, in an easy and a hard part; evaluation.md 3.7. The report's 25-shot figures come
 * from choices that are listed and answered by letter (`_letters`); lm-eval asks for the full text of the choice, which is harder.
 */
import type { Doc, PublishedScore, TaskFile } from "../taskFile.js";

const parts = [
  { name: "easy", config: "ARC-Easy", published: 98.9 },
  { name: "challenge", config: "ARC-Challenge", published: 95.3 },
] as const;

/** `choices` of a row, which Parquet keeps as two columns of the same length. */
function choicesOf(doc: Doc): { readonly text: readonly string[]; readonly label: readonly string[] } {
  return doc.choices as { text: string[]; label: string[] };
}

function answerOf(doc: Doc): number {
  return choicesOf(doc).label.indexOf(String(doc.answerKey));
}

/** Labels are 1 to 4 in some rows; a model is always shown letters. */
function lettersOf(doc: Doc): string[] {
  return choicesOf(doc).text.map((_, i) => String.fromCharCode(65 + i));
}

function letteredQuestion(doc: Doc): string {
  const lines = choicesOf(doc).text.map((text, i) => `${lettersOf(doc)[i]}. ${text}`);
  return `Question: ${doc.question}\n${lines.join("\n")}\nAnswer:`;
}

export const arcTasks: readonly TaskFile[] = parts.flatMap(({ name, config, published }) => {
  const shared = {
    dataset: { path: "allenai/ai2_arc", name: config },
    trainingSplit: "train",
    validationSplit: "validation",
    testSplit: "test",
    docToTarget: answerOf,
    numFewshot: 25,
    outputType: "multiple_choice",
    metadata: { version: 1 },
    published: { table: "base", metric: "acc", value: published, key: "acc,none" } satisfies PublishedScore,
  } as const;
  return [
    {
      ...shared,
      task: `arc_${name}`,
      docToText: (doc) => `Question: ${doc.question}\nAnswer:`,
      docToChoice: (doc) => choicesOf(doc).text,
      metricList: [{ metric: "acc" }, { metric: "acc_norm" }],
      format: "lm-eval",
      about: "full text of the choice",
    },
    {
      ...shared,
      task: `arc_${name}_letters`,
      docToText: letteredQuestion,
      docToChoice: lettersOf,
      fewshotConfig: { sampler: "first_n" },
      metricList: [{ metric: "acc" }],
      format: "DeepSeek V2",
      about: "choices listed, answered by letter",
    },
  ] satisfies TaskFile[];
});
