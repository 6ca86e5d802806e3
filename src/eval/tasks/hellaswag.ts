/**
 * HellaSwag: which of four endings goes on with a described scene; evaluation.md 3.8. The texts come from subtitles and how-to pages and
 * are cleaned first. acc_norm is what most publications mean.
 */
import type { Doc, PublishedScore, TaskFile } from "../taskFile.js";

/** Section titles in brackets become sentence ends, other brackets go. */
export function cleanText(text: string): string {
  return text
    .trim()
    .replaceAll(" [title]", ". ")
    .replace(/\[.*?\]/g, "")
    .replaceAll("  ", " ");
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1).toLowerCase();
}

const endingsOf = (doc: Doc): string[] => (doc.endings as readonly string[]).map(cleanText);

const shared = {
  dataset: { path: "Rowan/hellaswag", name: null },
  trainingSplit: "train",
  validationSplit: "validation",
  docToTarget: (doc: Doc): number => Number(doc.label),
  docToChoice: endingsOf,
  numFewshot: 10,
  outputType: "multiple_choice",
  metricList: [{ metric: "acc" }, { metric: "acc_norm" }],
  metadata: { version: 1 },
} as const;

const published = { table: "base", metric: "acc", value: 88.9 } satisfies Omit<PublishedScore, "key">;

export const hellaswagTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "hellaswag",
    docToText: (doc) => cleanText(`${doc.activity_label}: ${doc.ctx_a} ${capitalized(String(doc.ctx_b))}`),
    format: "lm-eval",
    published: { ...published, key: "acc_norm,none" },
  },
  {
    ...shared,
    task: "hellaswag_plain",
    docToText: (doc) => cleanText(String(doc.ctx)),
    fewshotConfig: { sampler: "first_n" },
    format: "DeepSeek V2",
    about: "the context as it is, without the activity's name",
    published: { ...published, key: "acc_norm,none" },
  },
];
