import { expect, test } from "vitest";
import { compileTask } from "../harness/task.js";
import type { PublishedScore, TaskGroup } from "../taskFile.js";
import { builtInGroups, builtInTasks } from "./index.js";

/** The V3 column of both tables: task or group, and figure. */
const base: Readonly<Record<string, number>> = {
  pile_test: 0.548,
  bbh: 87.5,
  mmlu: 87.1,
  mmlu_redux: 86.2,
  mmlu_pro_letters: 64.4,
  drop: 89.0,
  arc_easy_letters: 98.9,
  arc_challenge_letters: 95.3,
  hellaswag: 88.9,
  piqa: 84.7,
  winogrande: 84.9,
  race_middle: 67.1,
  race_high: 51.3,
  triviaqa: 82.9,
  nq_open: 40.0,
  agieval_gen: 79.6,
  humaneval: 65.2,
  mbpp: 75.4,
  livecodebench_base: 19.4,
  cruxeval_input: 67.3,
  cruxeval_output: 69.8,
  gsm8k: 89.3,
  minerva_math: 61.6,
  mgsm_native_cot: 79.8,
  cmath: 90.7,
  cluewsc: 82.7,
  ceval: 90.1,
  cmmlu: 88.8,
  cmrc2018: 76.3,
  c3: 78.6,
  ccpm: 92.0,
  mmmlu: 79.4,
};

const chat: Readonly<Record<string, number>> = {
  mmlu_chat: 88.5,
  mmlu_redux_chat: 89.1,
  mmlu_pro: 75.9,
  drop_chat: 91.6,
  ifeval: 86.1,
  gpqa_diamond: 59.1,
  simpleqa: 24.9,
  frames_oracle: 73.3,
  longbench_v2: 48.7,
  humaneval_mul: 82.6,
  livecodebench_cot: 40.5,
  livecodebench: 37.6,
  codeforces: 51.6,
  swe_bench_verified: 42.0,
  aider_edit: 79.7,
  aider_polyglot: 49.6,
  aime_2024: 39.2,
  math_500: 90.2,
  cnmo_2024_cn: 43.2,
  cluewsc_chat: 90.9,
  ceval_chat: 86.5,
  chinese_simpleqa: 64.8,
};

const published = new Map<string, PublishedScore>(
  [
    ...builtInTasks.map((file) => [file.task, file.published] as const),
    ...builtInGroups.map((group) => [group.group, group.published] as const),
  ].flatMap(([name, score]) => (score ? [[name, score] as const] : [])),
);

test("every row of both tables has a task or group with the report's figure", () => {
  expect([Object.keys(base).length, Object.keys(chat).length]).toEqual([32, 22]);
  for (const [table, rows] of [
    ["base", base],
    ["chat", chat],
  ] as const) {
    for (const [name, value] of Object.entries(rows)) {
      expect([name, published.get(name)?.table, published.get(name)?.value]).toEqual([name, table, value]);
    }
  }
});

/** `metric,filter` of all figures that a task gives. */
function keysOf(name: string): string[] {
  const file = builtInTasks.find(({ task }) => task === name);
  if (!file) return [];
  const { metrics, pipelines } = compileTask(file);
  return metrics.flatMap((metric) => pipelines.map((pipeline) => `${metric.name},${pipeline.name}`));
}

function membersOf(group: TaskGroup): string[] {
  return group.task.flatMap((member) => {
    const inner = builtInGroups.find(({ group: name }) => name === member);
    if (inner) return membersOf(inner);
    const tagged = builtInTasks.filter(({ tag }) => tag?.includes(member)).map(({ task }) => task);
    return tagged.length > 0 ? tagged : [member];
  });
}

test("a published figure stands beside one that its task, or all members of its group, give", () => {
  for (const [name, { key }] of published) {
    const group = builtInGroups.find((each) => each.group === name);
    for (const member of group ? membersOf(group) : [name])
      expect([name, member, keysOf(member)]).toEqual([name, member, expect.arrayContaining([key])]);
  }
});

test("every name is a task's or a group's alone, and no tag's", () => {
  const names = [...builtInTasks.map(({ task }) => task), ...builtInGroups.map(({ group }) => group)];
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  const tags = new Set(builtInTasks.flatMap(({ tag = [] }) => tag));
  expect(names.filter((name) => tags.has(name))).toEqual([]);
});
