/**
 * CMath: word problems from Chinese primary schools, by grade; evaluation.md 3.22. DeepSeek-V2's form, Q and A, the answer ending in
 * 所以答案是：N. The data has no reasoning to show, so the three shots are ours. Numbers are compared by value. Each grade is a task, the
 * group counts all problems alike.
 */
import type { Doc, Scorer, TaskFile, TaskGroup } from "../taskFile.js";
import { flexibleExtract, strictMatch } from "./numberAnswers.js";

const grades = [1, 2, 3, 4, 5, 6] as const;

const shots: readonly Doc[] = [
  {
    question: "盒子里有8支铅笔，拿走3支，又放进5支。现在盒子里有几支铅笔？",
    worked: "拿走后剩下8-3=5支，再放进5支是5+5=10支。",
    golden: "10",
  },
  {
    question: "一辆汽车每小时行60千米，行驶2.5小时，一共行了多少千米？",
    worked: "路程等于速度乘时间，60×2.5=150千米。",
    golden: "150",
  },
  {
    question: "一本书有120页，第一天看了全书的1/4，第二天看了全书的1/3。还剩多少页没有看？",
    worked: "第一天看了120×1/4=30页，第二天看了120×1/3=40页，还剩120-30-40=50页。",
    golden: "50",
  },
];

/** Thousands separators aside; a fraction is its quotient. Null for what is no number. */
export function numberValue(text: string): number | null {
  const plain = text.replace(/[,$\s]/g, "").replace(/\.$/, "");
  const [, above = "", below] = /^(-?(?:\d+\.?\d*|\.\d+))(?:\/(\d+))?$/.exec(plain) ?? [];
  return above === "" ? null : Number(above) / Number(below ?? 1);
}

const scorer: Scorer = ({ doc, responses: [response = ""] }) => {
  const gold = numberValue(String(doc.golden));
  if (gold === null) throw new RangeError(`cmath: golden must be a number, got ${JSON.stringify(doc.golden)}`);
  const value = numberValue(response);
  const isRight = value !== null && Math.abs(value - gold) <= 1e-9 * Math.max(1, Math.abs(gold));
  return { metrics: { exact_match: isRight ? 1 : 0 } };
};

export const cmathTasks: readonly TaskFile[] = grades.map((grade) => ({
  task: `cmath_grade_${grade}`,
  taskAlias: `grade ${grade}`,
  tag: ["cmath_tasks"],
  dataset: { path: "weitianwen/cmath", name: null },
  validationSplit: "dev",
  testSplit: "test",
  processDocs: (docs) => docs.filter((doc) => Number(doc.grade) === grade),
  // The dev file calls the question `input`.
  docToText: (doc) => `Q: ${doc.question ?? doc.input}\nA:`,
  docToTarget: (doc) => String(doc.golden),
  fewshotConfig: {
    sampler: "first_n",
    samples: shots,
    docToTarget: (doc) => `${doc.worked}所以答案是：${doc.golden}`,
  },
  numFewshot: 3,
  outputType: "generate_until",
  generationKwargs: { until: ["Q:", "\n\n"], maxGenToks: 512 },
  filterList: [strictMatch("所以答案是[：:]\\s*(\\-?[0-9\\.\\,/]+)"), flexibleExtract],
  scorer,
  metricList: [{ metric: "exact_match" }],
  metadata: { version: 1 },
  format: "DeepSeek V2",
}));

export const cmathGroups: readonly TaskGroup[] = [
  {
    group: "cmath",
    task: ["cmath_tasks"],
    aggregateMetricList: [{ metric: "exact_match", weightBySize: true }],
    metadata: { version: 1 },
    about: "six grades",
    published: { table: "base", metric: "EM", value: 90.7, key: "exact_match,flexible-extract" },
  },
];
