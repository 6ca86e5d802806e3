/**
 * MMMLU: MMLU's test questions translated by people into 14 languages, all of them not English, which is what the report's figure covers;
 * evaluation.md 3.29. Tasks, groups and prompts are lm-eval's: one task for each subject of a language, in an English frame that names both.
 * There is no dev split: shots are the first other test rows of the subject. DeepSeek's source of shots is not known.
 */
import type { Doc, TaskFile, TaskGroup } from "../taskFile.js";
import { mmluSubjects } from "./mmlu.js";

/** As lm-eval names them in its prompts. */
const languages: Readonly<Record<string, string>> = {
  ar_xy: "Arabic",
  bn_bd: "Bengali",
  de_de: "German",
  es_la: "Spanish",
  fr_fr: "French",
  hi_in: "Hindi",
  id_id: "Indonesian",
  it_it: "Italian",
  ja_jp: "Japanese",
  ko_kr: "Korean",
  pt_br: "Brazilian Portuguese",
  sw_ke: "Swahili",
  yo_ng: "Yoruba",
  zh_cn: "Simplified Chinese",
};

/** Some files name the subject by a file of MMLU: `college_mathematics_test.csv_sw-KE.csv`. */
function subjectOf(doc: Doc): string {
  return String(doc.Subject).replace(/_test(?:\.csv|-).*$/s, "");
}

function subjectTask(language: string, group: string, subject: string): TaskFile {
  const about = `${subject.replaceAll("_", " ")} (${languages[language]})`;
  return {
    task: `mmmlu_${language}_${subject}`,
    taskAlias: about,
    tag: [`mmmlu_${language}_${group}_tasks`],
    dataset: { path: "openai/MMMLU", name: language.toUpperCase() },
    testSplit: "test",
    fewshotSplit: "test",
    fewshotConfig: { sampler: "first_n" },
    processDocs: (docs) => docs.filter((doc) => subjectOf(doc) === subject),
    description: `The following are multiple choice questions (with answers) about ${about}.\n\n`,
    docToText: "{{Question.strip()}}\nA. {{A}}\nB. {{B}}\nC. {{C}}\nD. {{D}}\nAnswer:",
    docToChoice: ["A", "B", "C", "D"],
    docToTarget: "Answer",
    numFewshot: 5,
    outputType: "multiple_choice",
    metricList: [{ metric: "acc" }, { metric: "acc_norm" }],
    metadata: { version: 1 },
    format: "lm-eval",
    about: "shots from the subject's other test rows",
  };
}

const parts = Object.entries(mmluSubjects);

export const mmmluTasks: readonly TaskFile[] = Object.keys(languages).flatMap((language) =>
  parts.flatMap(([group, subjects]) => subjects.map((subject) => subjectTask(language, group, subject))),
);

const shared = {
  aggregateMetricList: [
    { metric: "acc", weightBySize: true },
    { metric: "acc_norm", weightBySize: true },
  ],
  metadata: { version: 1 },
} as const;

export const mmmluGroups: readonly TaskGroup[] = [
  ...Object.entries(languages).flatMap(([language, name]): TaskGroup[] => [
    ...parts.map(
      ([group]): TaskGroup => ({
        ...shared,
        group: `mmmlu_${language}_${group}`,
        groupAlias: `${name} ${group.replaceAll("_", " ")}`,
        task: [`mmmlu_${language}_${group}_tasks`],
      }),
    ),
    {
      ...shared,
      group: `mmmlu_${language}`,
      groupAlias: name,
      task: parts.map(([group]) => `mmmlu_${language}_${group}`),
      about: "57 subjects",
    },
  ]),
  {
    ...shared,
    group: "mmmlu",
    task: Object.keys(languages).map((language) => `mmmlu_${language}`),
    about: "14 languages, not English",
    published: { table: "base", metric: "acc", value: 79.4, key: "acc,none" },
  },
];
