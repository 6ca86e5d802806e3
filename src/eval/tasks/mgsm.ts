/**
 * MGSM: 250 problems of GSM8K in eleven languages, reasoned about in the language itself (native chain of thought) after the data set's own
 * eight worked examples; evaluation.md 3.21. Labels and phrases are lm-eval's to the byte, whose Russian cue lacks a space and whose strict
 * phrases of bn and de are not those of the examples: the published figure is held against what is extracted flexibly. The average is over
 * languages; which ones DeepSeek averaged is not known.
 */
import type { Doc, TaskFile, TaskGroup } from "../taskFile.js";
import { endTokens, flexibleExtract, strictMatch } from "./numberAnswers.js";

interface Wording {
  /** Before a question. */
  readonly label: string;
  /** Before the worked answer. */
  readonly cue: string;
  /** How a worked answer ends, the number as a group. */
  readonly ending: string;
}

const number = "(\\-?[0-9\\.\\,]+)";

const wordings: Readonly<Record<string, Wording>> = {
  bn: { label: "প্রশ্ন:", cue: "ধাপে ধাপে উত্তর:", ending: `The answer is ${number}` },
  de: { label: "Frage:", cue: "Schritt-für-Schritt-Antwort:", ending: `Die Antwort lautet ${number}` },
  en: { label: "Question:", cue: "Step-by-Step Answer:", ending: `The answer is ${number}` },
  es: { label: "Pregunta:", cue: "Respuesta paso a paso:", ending: `La respuesta es ${number}` },
  fr: { label: "Question :", cue: "Réponse étape par étape :", ending: `La réponse est ${number}` },
  ja: { label: "問題：", cue: "ステップごとの答え:", ending: `答えは${number}です。` },
  ru: { label: "Задача:", cue: "Пошаговоерешение:", ending: `Ответ — ${number}` },
  sw: { label: "Swali:", cue: "Jibu la Hatua kwa Hatua:", ending: `Jibu ni ${number}` },
  te: { label: "ప్రశ్న:", cue: "దశలవారీగా సమాధానం:", ending: `సమాధానం ${number}` },
  th: { label: "โจทย์:", cue: "คำตอบทีละขั้นตอน:", ending: `คำตอบคือ ${number}` },
  zh: { label: "问题：", cue: "逐步解答:", ending: `答案是 ${number}。` },
};

/** The eight worked rows have their label in the question and an answer; the test rows have neither. */
function isWorked(doc: Doc): boolean {
  return typeof doc.answer === "string" && doc.answer !== "";
}

/** A worked answer begins with its own cue, of which lm-eval takes as many characters away as its cue and a space have. */
function answerOf(doc: Doc, cue: string): string {
  if (isWorked(doc)) return [...String(doc.answer)].slice([...cue].length + 1).join("");
  const { answer_number } = doc;
  if (typeof answer_number === "number" || typeof answer_number === "string") return String(answer_number);
  throw new RangeError(`mgsm: answer_number must be a number, got ${JSON.stringify(answer_number)}`);
}

function languageTask(language: string, { label, cue, ending }: Wording): TaskFile {
  return {
    task: `mgsm_native_cot_${language}`,
    taskAlias: language,
    tag: ["mgsm_native_cot_tasks"],
    dataset: { path: "juletxara/mgsm", name: language },
    trainingSplit: "train",
    testSplit: "test",
    fewshotConfig: { sampler: "first_n" },
    docToText: (doc) => `${isWorked(doc) ? "" : `${label} `}${doc.question}\n${cue}`,
    docToTarget: (doc) => answerOf(doc, cue),
    numFewshot: 8,
    outputType: "generate_until",
    generationKwargs: { until: [label, ...endTokens] },
    filterList: [strictMatch(ending), flexibleExtract],
    metricList: [{ metric: "exact_match", ignoreCase: true, ignorePunctuation: true }],
    metadata: { version: 4 },
    format: "lm-eval",
  };
}

export const mgsmTasks: readonly TaskFile[] = Object.entries(wordings).map(([language, wording]) =>
  languageTask(language, wording),
);

export const mgsmGroups: readonly TaskGroup[] = [
  {
    group: "mgsm_native_cot",
    task: ["mgsm_native_cot_tasks"],
    aggregateMetricList: [{ metric: "exact_match", weightBySize: false }],
    metadata: { version: 4 },
    about: "11 languages, English among them",
    published: { table: "base", metric: "EM", value: 79.8, key: "exact_match,flexible-extract" },
  },
];
