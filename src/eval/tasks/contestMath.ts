/**
 * AIME 2024 and CNMO 2024: olympiad problems, each answered 16 times at temperature 0.7; the figure is the mean, beside it whether the most
 * frequent answer is right; evaluation.md 5.14. AIME's answers are whole numbers from 0 to 999 and are compared as such. DeepSeek's CNMO
 * items are not published: the nearest are LiveMathBench's, 18 in Chinese and in English. `aime24` is lm-eval's form of AIME 2024: one answer,
 * the likeliest, to a question without instructions.
 */
import { lastBox } from "../answers/box.js";
import { invalidAnswer } from "../metrics/invalidAnswer.js";
import { majorityAnswer } from "../metrics/passAtK.js";
import type { Doc, Scorer, TaskFile } from "../taskFile.js";
import { chatGeneration, extraction } from "./extraction.js";
import { boxOrDollars, textScorer } from "./harnessMath.js";
import { boxedAnswer, boxRequest, mathScorer } from "./mathAnswers.js";

const numSamples = 16;

/** The whole number in a box, without leading zeros; null for anything else. */
export function boxedInteger(answer: string): string | null {
  const inside = lastBox(answer)?.replace(/\\[,!; ]|[\s$,]/g, "") ?? "";
  return /^\d+$/.test(inside) ? String(BigInt(inside)) : null;
}

/** Copies of the data set call its columns in small letters or in capitals. */
function column(doc: Doc, name: "problem" | "answer"): string {
  const value = doc[name] ?? doc[name === "problem" ? "Problem" : "Answer"];
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") return String(value);
  throw new RangeError(`aime_2024: a row without a column ${name}`);
}

const integerScorer: Scorer = ({ target, responses }) => {
  const gold = String(BigInt(String(target)));
  const vote = majorityAnswer(responses.map((answer) => (answer === invalidAnswer ? null : answer)));
  return {
    metrics: {
      "pass@1": responses.filter((answer) => answer === gold).length / responses.length,
      [`cons@${numSamples}`]: vote === gold ? 1 : 0,
    },
    details: { vote },
  };
};

const shared = {
  outputType: "generate_until",
  generationKwargs: { ...chatGeneration, doSample: true, temperature: 0.7 },
  repeats: numSamples,
  metricList: [{ metric: "pass@1" }, { metric: `cons@${numSamples}` }],
  metadata: { version: 1 },
  format: "own",
} as const;

function cnmo(language: "cn" | "en"): TaskFile {
  return {
    ...shared,
    task: `cnmo_2024_${language}`,
    dataset: { path: "opencompass/LiveMathBench", name: `v202412_CNMO_${language}` },
    testSplit: "test",
    docToText: `{{question}}\n\n${language === "cn" ? "请逐步推理，并把最终答案放在 \\boxed{} 中。" : boxRequest}`,
    docToTarget: "{{answer}}",
    filterList: [boxedAnswer],
    scorer: mathScorer({ mean: "pass@1", vote: `cons@${numSamples}` }),
    about: language === "cn" ? "18 problems in Chinese" : "18 problems in English",
    published: { table: "chat", metric: "pass@1", value: 43.2, key: "pass@1,none" },
  };
}

export const contestMathTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "aime_2024",
    dataset: { path: "HuggingFaceH4/aime_2024", name: null },
    testSplit: "train",
    docToText: (doc) => `${column(doc, "problem")}\n\n${boxRequest}`,
    docToTarget: (doc) => column(doc, "answer"),
    filterList: [extraction(boxedInteger)],
    scorer: integerScorer,
    about: "30 problems of both papers",
    published: { table: "chat", metric: "pass@1", value: 39.2, key: "pass@1,none" },
  },
  {
    task: "aime24",
    dataset: { path: "Maxwell-Jia/AIME_2024", name: null },
    testSplit: "train",
    docToText: "Question: {{Problem}}\nAnswer:",
    docToTarget: "{{Answer}}",
    outputType: "generate_until",
    generationKwargs: { until: ["Question:", "</s>", "<|im_end|>", "<|eot_id|>"], maxGenToks: 32768 },
    scorer: textScorer("exact_match", boxOrDollars),
    metricList: [{ metric: "exact_match" }],
    metadata: { version: 0 },
    format: "lm-eval",
    about: "30 problems of both papers, greedy",
  },
  cnmo("cn"),
  cnmo("en"),
];
