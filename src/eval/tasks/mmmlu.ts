/**
 * MMMLU: MMLU's test questions translated by people into 14 languages, all of them not English, which is what the report's figure covers;
 * evaluation.md 3.29. The frame stays English. There is no dev split: shots are drawn from the test rows, the asked one left out.
 * DeepSeek's source of shots is not known.
 */
import type { TaskFile, TaskGroup } from "../taskFile.js";

const languages = [
  ...[
    "AR_XY",
    "BN_BD",
    "DE_DE",
    "ES_LA",
    "FR_FR",
    "HI_IN",
    "ID_ID",
    "IT_IT",
    "JA_JP",
    "KO_KR",
    "PT_BR",
    "SW_KE",
    "YO_NG",
  ],
  "ZH_CN",
];

export const mmmluTasks: readonly TaskFile[] = languages.map((language) => ({
  task: `mmmlu_${language.toLowerCase()}`,
  taskAlias: language,
  tag: ["mmmlu_tasks"],
  dataset: { path: "openai/MMMLU", name: language },
  testSplit: "test",
  fewshotSplit: "test",
  docToText: "{{Question.strip()}}\nA. {{A}}\nB. {{B}}\nC. {{C}}\nD. {{D}}\nAnswer:",
  docToChoice: ["A", "B", "C", "D"],
  docToTarget: "Answer",
  numFewshot: 5,
  outputType: "multiple_choice",
  metricList: [{ metric: "acc" }],
  metadata: { version: 1 },
  format: "lm-eval",
  about: "shots from the other test rows",
}));

export const mmmluGroups: readonly TaskGroup[] = [
  {
    group: "mmmlu",
    task: ["mmmlu_tasks"],
    aggregateMetricList: [{ metric: "acc", weightBySize: false }],
    metadata: { version: 1 },
    about: "14 languages, not English",
    published: { table: "base", metric: "acc", value: 79.4, key: "acc,none" },
  },
];
