/**
 * DROP: questions about a passage that ask to count, compare and add; the answer is a number, a date or spans of the text; evaluation.md
 * 3.6, 5.4, 7.4. `drop` is lm-eval's form; `drop_hint` is DeepSeek-V2's, which says what kind of answer is wanted; `drop_chat` follows
 * simple-evals: three training questions with their answers in the prompt, the answer on a line of its own. The words of `drop_hint` (but
 * for its last line) and of `drop_chat` are ours. Deviation: a shot of `drop` shows its answer, behind a space; lm-eval writes the names of
 * the answer's columns there.
 */
import { type DropAnswer, dropScore, dropSpans } from "../metrics/drop.js";
import type { Doc, Scorer, TaskFile } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";

/** The annotations of a row, each once: the answer, then those of the validators, which Parquet keeps column by column. */
export function annotationsOf(doc: Doc): DropAnswer[] {
  const validated = (doc.validated_answers ?? []) as readonly DropAnswer[] | ColumnsOf<DropAnswer>;
  const list: readonly DropAnswer[] = isList(validated)
    ? validated
    : validated.number.map((number, i) => ({
        number,
        date: validated.date[i] ?? { day: "", month: "", year: "" },
        spans: validated.spans[i] ?? [],
      }));
  return [doc.answer as DropAnswer, ...list];
}

type ColumnsOf<T> = { readonly [K in keyof T]: readonly T[K][] };

function isList<T>(value: readonly T[] | ColumnsOf<T>): value is readonly T[] {
  return Array.isArray(value);
}

function goldsOf(doc: Doc): string[][] {
  const texts = new Set(annotationsOf(doc).map((answer) => JSON.stringify(dropSpans(answer))));
  const golds = [...texts].map((text) => JSON.parse(text) as string[]);
  if (golds.every(([first = ""]) => first.trim() === "")) {
    throw new RangeError(`drop: a row without an answer: ${String(doc.question).slice(0, 80)}`);
  }
  return golds;
}

/** The first annotation, as a shot shows it. */
function shownAnswer(doc: Doc, between: string): string {
  return goldsOf(doc)[0]?.join(between) ?? "";
}

const scoreSpans: Scorer = ({ doc, responses: [response = ""] }) => {
  const { exactMatch, f1 } = dropScore(response, goldsOf(doc));
  return { metrics: { em: exactMatch, f1 } };
};

/** simple-evals compares one text with one text: the spans of an annotation are joined. */
const scoreText: Scorer = ({ doc, responses: [response = ""] }) => {
  const { exactMatch, f1 } = dropScore(
    response,
    goldsOf(doc).map((spans) => [spans.join(", ")]),
  );
  return { metrics: { em: exactMatch, f1 } };
};

/** What kind of answer the first annotation is. */
function kindOf(doc: Doc): string {
  const { number, spans } = doc.answer as DropAnswer;
  if (number !== "") return "number";
  return spans.length > 0 ? "span" : "date";
}

const shared = {
  dataset: { path: "EleutherAI/drop", name: null },
  trainingSplit: "train",
  validationSplit: "validation",
  numFewshot: 3,
  outputType: "generate_until",
  metricList: [{ metric: "em" }, { metric: "f1" }],
  metadata: { version: 1 },
} as const;

export const dropTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "drop",
    docToText: "{{passage}} {{question}}",
    docToTarget: (doc) => shownAnswer(doc, ","),
    generationKwargs: { until: ["."] },
    scorer: scoreSpans,
    format: "lm-eval",
    published: { table: "base", metric: "F1", value: 89.0, key: "f1,none" },
  },
  {
    ...shared,
    task: "drop_hint",
    docToText: (doc) =>
      `Passage: ${doc.passage}\nAnswer the question from the passage. The answer is a ${kindOf(doc)}.\nQuestion: ${doc.question}\n` +
      "So according to above Passage, the answer is",
    docToTarget: (doc) => `${shownAnswer(doc, ", ")}.`,
    fewshotConfig: { sampler: "first_n" },
    generationKwargs: { until: ["\n", ". "] },
    filterList: [{ name: "none", filter: [{ function: "regex", regexPattern: "(?s)^\\s*(.*?)\\.?\\s*$" }] }],
    scorer: scoreSpans,
    format: "DeepSeek V2",
    about: "says which kind of answer is wanted",
    published: { table: "base", metric: "F1", value: 89.0, key: "f1,none" },
  },
  {
    ...shared,
    task: "drop_chat",
    description:
      "You will read a passage and a question. Examples come first. Think step by step, then write your answer on the " +
      'last line in the form "Answer: ...", where the dots stand for the answer alone.\n\n',
    docToText: (doc) => `Passage: ${doc.passage}\nQuestion: ${doc.question}\n`,
    docToTarget: (doc) => `Answer: ${shownAnswer(doc, ", ")}`,
    targetDelimiter: "",
    generationKwargs: chatGeneration,
    filterList: [{ name: "none", filter: [{ function: "regex", regexPattern: "(?i)Answer\\s*:\\s*([^\\n]+)" }] }],
    scorer: scoreText,
    format: "own",
    about: "simple-evals' form: reasoning, then a line with the answer",
    published: { table: "chat", metric: "3-shot F1", value: 91.6, key: "f1,none" },
  },
];
