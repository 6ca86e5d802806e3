/**
 * AGIEval: 21 tasks from examinations for people, English and Chinese; evaluation.md 3.14. The rows hold the whole zero-shot query, which
 * ends with the words that ask for a letter. `agieval` is lm-eval's: choices by likelihood, and of math and gaokao-mathcloze, which have
 * none, a short text that is compared as such. `agieval_gen` generates everywhere, as DeepSeek did, and takes the letter. Of gaokao-physics
 * and the jec-qa tasks several letters can be right: the generated set must be the same. Its formulas are compared as formulas.
 */

import { lastBox } from "../answers/box.js";
import { choiceLetters } from "../metrics/choiceLetter.js";
import type { Doc, TaskFile, TaskGroup } from "../taskFile.js";
import { extraction } from "./extraction.js";
import { agievalAnswer, textScorer } from "./harnessMath.js";
import { mathScorer } from "./mathAnswers.js";

const singleChoice = [
  ...["aqua-rat", "gaokao-biology", "gaokao-chemistry", "gaokao-chinese", "gaokao-english", "gaokao-geography"],
  ...["gaokao-history", "gaokao-mathqa", "logiqa-en", "logiqa-zh", "lsat-ar", "lsat-lr", "lsat-rc", "sat-en"],
  ...["sat-en-without-passage", "sat-math"],
];
const severalChoices = ["gaokao-physics", "jec-qa-ca", "jec-qa-kd"];
const formulas = ["gaokao-mathcloze", "math"];

function goldOf(doc: Doc): readonly number[] {
  const gold = doc.gold as readonly (number | bigint)[];
  if (Array.isArray(gold) && gold.length > 0) return gold.map(Number);
  throw new RangeError(`agieval: gold must be a list of indices, got ${JSON.stringify(doc.gold)}`);
}

function lettersOf(doc: Doc): string {
  const letters = choiceLetters((doc.choices as readonly string[]).length);
  return goldOf(doc)
    .map((index) => {
      const letter = letters[index];
      if (letter === undefined) throw new RangeError(`agieval: gold ${index} is none of the ${letters.length} choices`);
      return letter;
    })
    .sort()
    .join("");
}

/** The first letter of the answer, or all letters of its first line in the order of the alphabet. */
export function answeredLetters(answer: string, several: boolean): string | null {
  const [line = ""] = answer.trim().split("\n");
  const found = [...line.matchAll(/(?<![A-Za-z])[A-E]+(?![A-Za-z])/g)].flatMap(([letters]) => [...letters]);
  if (found.length === 0) return null;
  return several ? [...new Set(found)].sort().join("") : (found[0] ?? null);
}

/** The last box, else what stands behind the query's last words: the first line without dollars and a final point. */
export function answeredFormula(answer: string): string | null {
  const [line = ""] = answer.trim().split("\n");
  return (
    lastBox(answer) ||
    line
      .replace(/^\$+|[.。]$/g, "")
      .replace(/\$+$/, "")
      .trim() ||
    null
  );
}

function dataset(name: string): Pick<TaskFile, "dataset" | "testSplit" | "docToText" | "metadata"> {
  return {
    dataset: { path: `hails/agieval-${name}`, name: null },
    testSplit: "test",
    docToText: "{{query}}",
    metadata: { version: 1 },
  };
}

function idOf(name: string): string {
  return name.replaceAll("-", "_");
}

const choiceTasks = [...singleChoice, ...severalChoices].map(
  (name): TaskFile => ({
    ...dataset(name),
    task: `agieval_${idOf(name)}`,
    taskAlias: name,
    tag: ["agieval_choice_tasks"],
    docToChoice: "choices",
    docToTarget: goldOf,
    outputType: "multiple_choice",
    metricList: [{ metric: "acc" }, { metric: "acc_norm" }],
    format: "lm-eval",
    about: "choices by likelihood",
  }),
);

function generated(name: string): TaskFile {
  const several = severalChoices.includes(name);
  return {
    ...dataset(name),
    task: `agieval_gen_${idOf(name)}`,
    taskAlias: name,
    tag: ["agieval_gen_tasks"],
    docToTarget: lettersOf,
    outputType: "generate_until",
    generationKwargs: { until: ["\n\n"], maxGenToks: 32 },
    filterList: [extraction((answer) => answeredLetters(answer, several))],
    metricList: [{ metric: "exact_match" }],
    format: "benchmark",
    about: several ? "the set of letters" : "the first letter",
  };
}

const shortTasks = formulas.map(
  (name): TaskFile => ({
    ...dataset(name),
    task: `agieval_${idOf(name)}`,
    taskAlias: name,
    tag: ["agieval_short_tasks"],
    docToTarget: "{{answer}}",
    outputType: "generate_until",
    generationKwargs: { until: ["Q:"], maxGenToks: 32 },
    scorer: textScorer("acc", agievalAnswer, agievalAnswer),
    metricList: [{ metric: "acc" }],
    format: "lm-eval",
    about: "a short answer, compared as a text",
  }),
);

const formulaTasks = formulas.map(
  (name): TaskFile => ({
    ...dataset(name),
    task: `agieval_gen_${idOf(name)}`,
    taskAlias: name,
    tag: ["agieval_gen_tasks"],
    docToTarget: (doc) => String(doc.answer),
    outputType: "generate_until",
    generationKwargs: { until: ["Q:", "问题："], maxGenToks: 512 },
    filterList: [extraction(answeredFormula)],
    scorer: mathScorer({ single: "exact_match" }),
    metricList: [{ metric: "exact_match" }],
    format: "benchmark",
    about: "the answer as a formula",
  }),
);

export const agievalTasks: readonly TaskFile[] = [
  ...choiceTasks,
  ...shortTasks,
  ...[...singleChoice, ...severalChoices].map(generated),
  ...formulaTasks,
];

/** As lm-eval divides them. */
const english = [
  ...["aqua-rat", "gaokao-english", "logiqa-en", "lsat-ar", "lsat-lr", "lsat-rc", "math", "sat-en"],
  ...["sat-en-without-passage", "sat-math"],
];
const languages = {
  en: english,
  cn: [...singleChoice, ...severalChoices, ...formulas].filter((name) => !english.includes(name)),
} as const;

export const agievalGroups: readonly TaskGroup[] = [
  {
    group: "agieval",
    task: ["agieval_choice_tasks", "agieval_short_tasks"],
    aggregateMetricList: [{ metric: "acc", weightBySize: true }],
    metadata: { version: 0 },
    about: "21 tasks, choices by likelihood",
  },
  ...Object.entries(languages).map(
    ([language, names]): TaskGroup => ({
      group: `agieval_${language}`,
      task: names.map((name) => `agieval_${idOf(name)}`),
      aggregateMetricList: [{ metric: "acc", weightBySize: true }],
      metadata: { version: 0 },
    }),
  ),
  {
    group: "agieval_choice",
    task: ["agieval_choice_tasks"],
    aggregateMetricList: [{ metric: "acc", weightBySize: true }],
    metadata: { version: 1 },
    about: "19 tasks with choices, by likelihood",
  },
  {
    group: "agieval_gen",
    task: ["agieval_gen_tasks"],
    aggregateMetricList: [{ metric: "exact_match", weightBySize: true }],
    metadata: { version: 1 },
    about: "21 tasks, generated",
    published: { table: "base", metric: "acc", value: 79.6, key: "exact_match,none" },
  },
];
