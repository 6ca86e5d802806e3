/**
 * Problems made here, whose answers a rule or a run decides (problems/families.ts): one task for each family, asked of the held-out split,
 * which no training of this program ever sees. A problem is a user's message, so it is always asked as a chat, without shots, and answered
 * greedily. A right answer stands in the last box; a program in the last fenced block, and passes all its tests in the sandbox.
 *
 * --metadata sets `problems` (of each family, 50 by default, 1,000 at most), `level` (all in turn by default) and `phrasing`. That is
 * "plain" by default, one form of words for each kind of problem, since a small model knows no other; "varied" asks in several.
 */

import { lastBox, lastFence } from "../problems/answers.js";
import { callTests } from "../problems/callTests.js";
import { codeTrial } from "../problems/code.js";
import { check, familyInfo, numHeldOut, problemAt } from "../problems/families.js";
import { type FamilyName, familyNames, type Phrasing, type Problem } from "../problems/problem.js";
import type { Doc, DocSource, Scorer, TaskFile, TaskGroup } from "../taskFile.js";
import { extraction } from "./extraction.js";

/** Enough for a look at every checkpoint (evaluation.md 14); a family's figure is known to 0.07 at worst, that of all to 0.025. */
const usualProblems = 50;
/** Of the order in which held-out problems come, and of their wording: the same for every run, so that figures compare. */
const orderSeed = 0;

const languages: Readonly<Partial<Record<FamilyName, "python" | "javascript">>> = {
  "code-python": "python",
  "code-javascript": "javascript",
};

/** Documents are whole problems, so that a scorer and a reader of samples have all there is to them. */
export function problemDocs(family: FamilyName, { metadata }: DocSource): Doc[] {
  const { problems = usualProblems, level, phrasing = "plain" } = metadata;
  if (!isWhole(problems, 1, numHeldOut)) {
    throw new RangeError(`--metadata problems: expected a whole number from 1 to ${numHeldOut}, got ${json(problems)}`);
  }
  const { levels } = familyInfo(family);
  if (level !== undefined && !isWhole(level, 1, levels.length)) {
    throw new RangeError(`--metadata level: ${family} has levels 1 to ${levels.length}, got ${json(level)}`);
  }
  if (phrasing !== "plain" && phrasing !== "varied") {
    throw new RangeError(`--metadata phrasing: expected "plain" or "varied", got ${json(phrasing)}`);
  }
  return Array.from({ length: problems }, (_, i) => ({ ...heldOut(family, i, level, phrasing) }));
}

function heldOut(family: FamilyName, index: number, level: number | undefined, phrasing: Phrasing): Problem {
  return problemAt(family, "heldout", orderSeed, index, level, phrasing);
}

const byRule: Scorer = ({ doc, responses: [response = ""] }) => ({
  metrics: { correct: check(problemOf(doc), response) ? 1 : 0 },
});

const byRunning: Scorer = async ({ doc, responses: [response = ""] }, { runTests }) => {
  const problem = problemOf(doc);
  const trial = codeTrial(problem, response);
  if (!trial || !problem.tests) return { metrics: { correct: 0 }, details: { outcome: "no program" } };
  if (!runTests) throw new RangeError("this answer is a program to test, and the run has no sandbox");
  const { language, program } = trial;
  const { outcome, message } = await runTests({ language, program, tests: callTests(problem.tests) });
  if (outcome === "invalid") throw new Error(`internal: ${problem.id}: its tests judge nothing: ${message}`);
  return { metrics: { correct: outcome === "passed" ? 1 : 0 }, details: { outcome, message } };
};

function problemOf(doc: Doc): Problem {
  return doc as unknown as Problem; // of problemDocs
}

export const problemsTasks: readonly TaskFile[] = familyNames.map((family): TaskFile => {
  const language = languages[family];
  const find = language === undefined ? lastBox : lastFence;
  return {
    task: `problems_${family.replaceAll("-", "_")}`,
    taskAlias: family,
    dataset: null,
    docs: (source) => problemDocs(family, source),
    docToText: "prompt",
    docToTarget: "answer",
    promptKind: "chat",
    outputType: "generate_until",
    generationKwargs: { until: [], maxGenToks: 512 },
    cutPrompt: "none",
    // The whole answer is scored; one without a box or a block is counted apart.
    filterList: [extraction((answer) => (find(answer) === null ? null : answer))],
    scorer: language === undefined ? byRule : byRunning,
    metricList: [{ metric: "correct" }],
    metadata: { version: 1 },
    format: "own",
    about: familyInfo(family).about,
    ...(language === undefined ? {} : { needs: ["sandbox"], language }),
  };
});

export const problemsGroup: TaskGroup = {
  group: "problems",
  task: problemsTasks.map(({ task }) => task),
  aggregateMetricList: [{ metric: "correct" }],
  metadata: { version: 1 },
  about: "made here, held out of all training",
};

function isWhole(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}

function json(value: unknown): string {
  return JSON.stringify(value);
}
