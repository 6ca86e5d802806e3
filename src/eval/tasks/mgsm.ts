/**
 * MGSM: 250 problems of GSM8K in eleven languages, reasoned about in the language itself (native chain of thought) after the data set's own
 * eight worked examples; evaluation.md 3.21. Labels and phrases are lm-eval's to the byte, whose Russian cue lacks a space and whose strict
 * phrases of bn and de are not those of the examples: the published figure is held against what is extracted flexibly. The average is over
 * languages; which ones DeepSeek averaged is not known. lm-eval's two other forms are here too: `mgsm_en_cot` has an English cue, and
 * `mgsm_direct` wants the number at once.
 */
import type { Doc, TaskFile, TaskGroup } from "../taskFile.js";
import { endTokens, flexibleExtract, strictMatch } from "./numberAnswers.js";

interface Wording {
  /** Before a question. */
  readonly label: string;
  /** Before the worked answer. */
  readonly cue: string;
  /** Before an answer that is a number alone. Default: in English, as lm-eval has it for most languages. */
  readonly direct?: string;
  /** How a worked answer ends, the number as a group. */
  readonly ending: string;
}

const number = "(\\-?[0-9\\.\\,]+)";

const wordings: Readonly<Record<string, Wording>> = {
  bn: { label: "প্রশ্ন:", cue: "ধাপে ধাপে উত্তর:", ending: `The answer is ${number}` },
  de: {
    label: "Frage:",
    cue: "Schritt-für-Schritt-Antwort:",
    direct: "Antwort:",
    ending: `Die Antwort lautet ${number}`,
  },
  en: { label: "Question:", cue: "Step-by-Step Answer:", ending: `The answer is ${number}` },
  es: { label: "Pregunta:", cue: "Respuesta paso a paso:", direct: "Respuesta:", ending: `La respuesta es ${number}` },
  fr: {
    label: "Question :",
    cue: "Réponse étape par étape :",
    direct: "Réponse :",
    ending: `La réponse est ${number}`,
  },
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
  return isWorked(doc) ? [...String(doc.answer)].slice([...cue].length + 1).join("") : numberOf(doc);
}

function numberOf({ answer_number }: Doc): string {
  if (typeof answer_number === "number" || typeof answer_number === "string") return String(answer_number);
  throw new RangeError(`mgsm: answer_number must be a number, got ${JSON.stringify(answer_number)}`);
}

const englishCue = "Step-by-Step Answer:";

function languageTasks(language: string, { label, cue, direct = "Answer:", ending }: Wording): TaskFile[] {
  const asked =
    (answer: string) =>
    (doc: Doc): string =>
      `${isWorked(doc) ? "" : `${label} `}${doc.question}\n${answer}`;
  const shared = {
    taskAlias: language,
    dataset: { path: "juletxara/mgsm", name: language },
    trainingSplit: "train",
    testSplit: "test",
    fewshotConfig: { sampler: "first_n" },
    docToTarget: (doc: Doc) => answerOf(doc, cue),
    numFewshot: 8,
    outputType: "generate_until",
    generationKwargs: { until: [label, ...endTokens] },
    metricList: [{ metric: "exact_match", ignoreCase: true, ignorePunctuation: true }],
    metadata: { version: 4 },
    format: "lm-eval",
  } as const;
  return [
    {
      ...shared,
      task: `mgsm_native_cot_${language}`,
      tag: ["mgsm_native_cot_tasks"],
      docToText: asked(cue),
      filterList: [strictMatch(ending), flexibleExtract],
    },
    {
      ...shared,
      task: `mgsm_en_cot_${language}`,
      tag: ["mgsm_en_cot_tasks"],
      docToText: asked(englishCue),
      filterList: [strictMatch(`The answer is ${number}`), flexibleExtract],
      metadata: { version: 3 },
    },
    {
      ...shared,
      task: `mgsm_direct_${language}`,
      tag: ["mgsm_direct_tasks"],
      docToText: asked(direct),
      docToTarget: numberOf,
      targetDelimiter: "",
      filterList: [
        { name: "remove_whitespace", filter: [{ function: "remove_whitespace" }, { function: "take_first" }] },
        flexibleExtract,
      ],
    },
  ];
}

export const mgsmTasks: readonly TaskFile[] = Object.entries(wordings).flatMap(([language, wording]) =>
  languageTasks(language, wording),
);

const shared = {
  aggregateMetricList: [{ metric: "exact_match", weightBySize: false }],
  metadata: { version: 4 },
} as const;

export const mgsmGroups: readonly TaskGroup[] = [
  {
    ...shared,
    group: "mgsm_native_cot",
    task: ["mgsm_native_cot_tasks"],
    about: "11 languages, English among them",
    published: { table: "base", metric: "EM", value: 79.8, key: "exact_match,flexible-extract" },
  },
  { ...shared, group: "mgsm_en_cot", task: ["mgsm_en_cot_tasks"], about: "11 languages, reasoning in English" },
  { ...shared, group: "mgsm_direct", task: ["mgsm_direct_tasks"], about: "11 languages, the number at once" },
];
