/**
 * CLUEWSC 2020: to whom or what a pronoun of a Chinese sentence refers; evaluation.md 3.23 and 5.16. A row names a noun and a pronoun and
 * says whether one means the other. `cluewsc` is DeepSeek-V2's form: of rows where it does, the noun is to be written. `cluewsc_chat` asks
 * every row for yes or no, in words of ours. Which rows DeepSeek uses is not known; labels of the test split are hidden.
 */
import type { Doc, TaskFile } from "../taskFile.js";
import { chatGeneration, extraction } from "./extraction.js";

interface Target {
  readonly span1_text: string;
  readonly span2_text: string;
}

function targetOf(doc: Doc): Target {
  return doc.target as Target;
}

/** Whether the pronoun means the noun: `true` in the repository's files, class 0 of (true, false) on the hub. */
function refersTo(doc: Doc): boolean {
  const label = String(doc.label);
  if (label === "true" || label === "0") return true;
  if (label === "false" || label === "1") return false;
  throw new RangeError(`cluewsc: a row without a label: ${JSON.stringify(doc.label)}`);
}

/** The last 是 or 否 that stands behind 答案, else the last of a text of one word. */
export function yesOrNo(answer: string): string | null {
  const marked = [...answer.matchAll(/答案[：:]?\s*[“"【]?\s*(不是|是|否)/g)].at(-1)?.[1];
  const found = marked ?? /^\s*(不是|是|否)[。.]?\s*$/.exec(answer)?.[1];
  if (found === undefined) return null;
  return found === "是" ? "是" : "否";
}

const shared = {
  dataset: { path: "clue/clue", name: "cluewsc2020" },
  trainingSplit: "train",
  validationSplit: "validation",
  outputType: "generate_until",
  metadata: { version: 1 },
} as const;

export const cluewscTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "cluewsc",
    processDocs: (docs) => docs.filter(refersTo),
    docToText: (doc) => `${doc.text}\n上面的句子中的"${targetOf(doc).span2_text}"指的是`,
    docToTarget: (doc) => targetOf(doc).span1_text,
    targetDelimiter: "",
    fewshotConfig: { sampler: "first_n" },
    numFewshot: 5,
    generationKwargs: { until: ["\n", "。", "，"] },
    filterList: [{ name: "none", filter: [{ function: "regex", regexPattern: '^\\s*["“]?([^"”]*)' }] }],
    metricList: [{ metric: "exact_match" }],
    format: "DeepSeek V2",
    about: "rows where the pronoun means the noun",
    published: { table: "base", metric: "EM", value: 82.7, key: "exact_match,none" },
  },
  {
    ...shared,
    task: "cluewsc_chat",
    docToText: (doc) =>
      `请阅读下面的句子，判断其中的"${targetOf(doc).span2_text}"是否指"${targetOf(doc).span1_text}"。\n\n${doc.text}\n\n` +
      '请先简要分析，最后一行只写"答案：是"或"答案：否"。',
    docToTarget: (doc) => (refersTo(doc) ? "是" : "否"),
    generationKwargs: chatGeneration,
    filterList: [extraction(yesOrNo)],
    metricList: [{ metric: "exact_match" }],
    format: "own",
    about: "yes or no for every row",
    published: { table: "chat", metric: "EM", value: 90.9, key: "exact_match,none" },
  },
];
