/**
 * GSM8K: grade-school word problems, answered after written reasoning; evaluation.md 3.19. `gsm8k` expects answers in the data's own form
 * (`#### 18`); `gsm8k_cot` asks in the form "The answer is 18." that published figures use. Both are lm-eval's, but that the shots of the
 * second are the first training problems, their calculator marks removed, where lm-eval has eight fixed ones.
 */
import type { Doc, Metric, TaskFile } from "../taskFile.js";
import { endTokens, flexibleExtract, strictMatch } from "./numberAnswers.js";

/** Both sides lose thousands separators, dollar signs, the reasoning before `#### ` and a final full stop. */
const exactMatch: Metric = {
  metric: "exact_match",
  ignoreCase: true,
  ignorePunctuation: false,
  regexesToIgnore: [",", "\\$", "(?s).*#### ", "\\.$"],
};

const shared = {
  dataset: { path: "openai/gsm8k", name: "main" },
  trainingSplit: "train",
  testSplit: "test",
  fewshotSplit: "train",
  outputType: "generate_until",
  metricList: [exactMatch],
  metadata: { version: 3 },
  published: { table: "base", metric: "EM", value: 89.3, key: "exact_match,flexible-extract" },
} as const;

/** The reasoning of a row and its result, the calculator's marks `<<48/2=24>>` left out. */
export function splitAnswer(answer: string): { readonly reasoning: string; readonly result: string } {
  const [reasoning = "", result = ""] = answer.replace(/<<.*?>>/g, "").split("####");
  return { reasoning: reasoning.trim(), result: result.trim() };
}

export const gsm8kTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "gsm8k",
    docToText: "Question: {{question}}\nAnswer:",
    docToTarget: "{{answer}}",
    numFewshot: 5,
    generationKwargs: { until: ["Question:", ...endTokens] },
    filterList: [strictMatch("#### (\\-?[0-9\\.\\,]+)"), flexibleExtract],
    format: "lm-eval",
  },
  {
    ...shared,
    task: "gsm8k_cot",
    docToText: "Q: {{question}}\nA:",
    docToTarget: (doc: Doc): string => splitAnswer(String(doc.answer)).result,
    numFewshot: 8,
    fewshotConfig: {
      sampler: "first_n",
      docToTarget: (doc: Doc): string => {
        const { reasoning, result } = splitAnswer(String(doc.answer));
        return `${reasoning.replaceAll("\n", " ")} The answer is ${result}.`;
      },
    },
    generationKwargs: { until: ["Q:", ...endTokens] },
    filterList: [strictMatch("The answer is (\\-?[0-9\\.\\,]+)."), flexibleExtract],
    format: "lm-eval",
    about: "the first training problems as shots",
  },
];
