/**
 * C-Eval: Chinese examinations in 52 subjects, four choices; evaluation.md 3.24 and 5.16. Keys of the test split are hidden, so the
 * validation split is evaluated, with the five dev rows of a subject as shots. `ceval` has the benchmark's header and its average over
 * subjects; `ceval-valid` is lm-eval's, whose header lacks the word for examination (考试) and which weighs subjects by their rows. Chat
 * models answer without shots and end with the letter on a line of its own, in words of ours.
 */
import { choiceLetters } from "../metrics/choiceLetter.js";
import type { TaskFile, TaskGroup } from "../taskFile.js";
import { chatGeneration, extraction } from "./extraction.js";

const subjects: Readonly<Record<string, string>> = {
  accountant: "注册会计师",
  advanced_mathematics: "高等数学",
  art_studies: "艺术学",
  basic_medicine: "基础医学",
  business_administration: "工商管理",
  chinese_language_and_literature: "中国语言文学",
  civil_servant: "公务员",
  clinical_medicine: "临床医学",
  college_chemistry: "大学化学",
  college_economics: "大学经济学",
  college_physics: "大学物理",
  college_programming: "大学编程",
  computer_architecture: "计算机组成",
  computer_network: "计算机网络",
  discrete_mathematics: "离散数学",
  education_science: "教育学",
  electrical_engineer: "注册电气工程师",
  environmental_impact_assessment_engineer: "环境影响评价工程师",
  fire_engineer: "注册消防工程师",
  high_school_biology: "高中生物",
  high_school_chemistry: "高中化学",
  high_school_chinese: "高中语文",
  high_school_geography: "高中地理",
  high_school_history: "高中历史",
  high_school_mathematics: "高中数学",
  high_school_physics: "高中物理",
  high_school_politics: "高中政治",
  ideological_and_moral_cultivation: "思想道德修养与法律基础",
  law: "法学",
  legal_professional: "法律职业资格",
  logic: "逻辑学",
  mao_zedong_thought: "毛泽东思想和中国特色社会主义理论体系概论",
  marxism: "马克思主义基本原理",
  metrology_engineer: "注册计量师",
  middle_school_biology: "初中生物",
  middle_school_chemistry: "初中化学",
  middle_school_geography: "初中地理",
  middle_school_history: "初中历史",
  middle_school_mathematics: "初中数学",
  middle_school_physics: "初中物理",
  middle_school_politics: "初中政治",
  modern_chinese_history: "近代史纲要",
  operating_system: "操作系统",
  physician: "医师资格",
  plant_protection: "植物保护",
  probability_and_statistics: "概率统计",
  professional_tour_guide: "导游资格",
  sports_science: "体育学",
  tax_accountant: "税务师",
  teacher_qualification: "教师资格",
  urban_and_rural_planner: "注册城乡规划师",
  veterinary_medicine: "兽医学",
};

const letters = choiceLetters(4);

const question = "{{question.strip()}}\nA. {{A}}\nB. {{B}}\nC. {{C}}\nD. {{D}}\n";

/** The last letter behind 答案, else a text that is a letter. */
export function chineseAnswerLetter(answer: string): string | null {
  const marked = [...answer.matchAll(/答案(?:是|为)?[：:]?\s*[（(【*]*([A-D])(?![A-Za-z])/g)].at(-1)?.[1];
  return marked ?? /^\s*[（(]?([A-D])[）)。.]?\s*$/.exec(answer)?.[1] ?? null;
}

function subjectTasks(subject: string, name: string): TaskFile[] {
  const shared = {
    taskAlias: subject,
    dataset: { path: "ceval/ceval-exam", name: subject },
    validationSplit: "val",
    fewshotSplit: "dev",
    docToTarget: "answer",
    metadata: { version: 2 },
  } as const;
  const byLetter = {
    ...shared,
    fewshotConfig: { sampler: "first_n" },
    docToText: `${question}答案：`,
    docToChoice: [...letters],
    numFewshot: 5,
    outputType: "multiple_choice",
  } as const;
  return [
    {
      ...byLetter,
      task: `ceval_${subject}`,
      tag: ["ceval_tasks"],
      description: `以下是中国关于${name}考试的单项选择题，请选出其中的正确答案。\n\n`,
      metricList: [{ metric: "acc" }],
      format: "benchmark",
    },
    {
      ...byLetter,
      task: `ceval-valid_${subject}`,
      tag: ["ceval-valid_tasks"],
      description: `以下是中国关于${name}的单项选择题，请选出其中的正确答案。\n\n`,
      metricList: [{ metric: "acc" }, { metric: "acc_norm" }],
      format: "lm-eval",
    },
    {
      ...shared,
      task: `ceval_chat_${subject}`,
      tag: ["ceval_chat_tasks"],
      docToText: `以下是中国关于${name}考试的单项选择题。请先简要分析，最后一行只写"答案：X"，其中X是正确选项的字母。\n\n${question}`,
      outputType: "generate_until",
      generationKwargs: chatGeneration,
      filterList: [extraction(chineseAnswerLetter)],
      metricList: [{ metric: "exact_match" }],
      format: "own",
    },
  ];
}

export const cevalTasks: readonly TaskFile[] = Object.entries(subjects).flatMap(([subject, name]) =>
  subjectTasks(subject, name),
);

export const cevalGroups: readonly TaskGroup[] = [
  {
    group: "ceval",
    task: ["ceval_tasks"],
    aggregateMetricList: [{ metric: "acc", weightBySize: false }],
    metadata: { version: 2 },
    about: "52 subjects, validation split",
    published: { table: "base", metric: "acc", value: 90.1, key: "acc,none" },
  },
  {
    group: "ceval-valid",
    task: ["ceval-valid_tasks"],
    aggregateMetricList: [
      { metric: "acc", weightBySize: true },
      { metric: "acc_norm", weightBySize: true },
    ],
    metadata: { version: 2 },
    about: "52 subjects, validation split, lm-eval's header",
  },
  {
    group: "ceval_chat",
    task: ["ceval_chat_tasks"],
    aggregateMetricList: [{ metric: "exact_match", weightBySize: false }],
    metadata: { version: 2 },
    about: "52 subjects, validation split",
    published: { table: "chat", metric: "EM", value: 86.5, key: "exact_match,none" },
  },
];
