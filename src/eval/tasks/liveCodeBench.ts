/**
 * LiveCodeBench: problems of programming contests with the day they were set, so that a model can be asked what it cannot have read;
 * evaluation.md 3.17 and 5.10. A problem is solved when all its tests pass, the hidden ones included: a program is run on inputs, or a
 * method is called. Ten draws at temperature 0.2.
 *
 * `livecodebench_base` shows three worked problems and takes the whole output for the program (2024-08-01 to 2024-11-01); the chat tasks
 * take the last fenced block (August to November 2024), with reasoning allowed (`_cot`) or code at once. All words of the prompts and the
 * worked problems are ours; those of DeepSeek are not published.
 */
import { randomBytes } from "node:crypto";
import { lastFencedBlock } from "../metrics/fencedBlock.js";
import { type LiveCodeBenchTest, liveCodeBenchTests } from "../metrics/liveCodeBenchTests.js";
import { sameJson } from "../metrics/sameJson.js";
import type { Doc, PublishedScore, Scorer, ScoringTools, TaskFile } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";
import { passMetrics } from "./humaneval.js";
import { liveCodeBenchShots } from "./liveCodeBenchShots.js";
import { type ProgramVerdict, passesInputs } from "./programs.js";

const timeoutSeconds = 6;

/** What solutions on contest sites may use without saying so. */
const prelude = [
  "import bisect, collections, copy, functools, heapq, itertools, json, math, operator, random, re, string, sys",
  "from bisect import *",
  "from collections import *",
  "from functools import *",
  "from heapq import *",
  "from itertools import *",
  "from math import *",
  "from typing import *",
].join("\n");

/** Rows whose contest was on a day of the window, both ends included. */
function within(first: string, last: string): (docs: readonly Doc[]) => Doc[] {
  return (docs) =>
    docs.filter((doc) => {
      const day = String(doc.contest_date).slice(0, 10);
      if (!/^\d{4}-\d\d-\d\d$/.test(day)) {
        throw new RangeError(`livecodebench: ${doc.question_id}: contest_date must be a date, got ${doc.contest_date}`);
      }
      return first <= day && day <= last;
    });
}

function starterOf(doc: Doc): string {
  return String(doc.starter_code ?? "").trimEnd();
}

/** How a solution is called, for people and models. */
function formOf(doc: Doc): string {
  return starterOf(doc) === ""
    ? "The program reads standard input and prints the answer."
    : `The solution completes this code:\n\n${starterOf(doc)}`;
}

function testsOf(doc: Doc): LiveCodeBenchTest[] {
  const name = String(doc.question_id);
  return [doc.public_test_cases, doc.private_test_cases].flatMap((field) => liveCodeBenchTests(String(field), name));
}

async function judge(doc: Doc, code: string, tools: ScoringTools): Promise<ProgramVerdict> {
  const tests = testsOf(doc);
  if (code.trim() === "") return { passed: false, outcome: "no code", errors: "" };
  const calls = tests.filter(({ testtype }) => testtype === "functional");
  if (calls.length === 0) return passesInputs(tools.runProgram, "python", code, tests, timeoutSeconds);
  if (calls.length < tests.length) {
    throw new RangeError(`livecodebench: ${doc.question_id} has tests of both kinds, expected one`);
  }
  return passesCalls(tools, code, methodOf(doc), calls);
}

/** The method that tests call, which the row's metadata names. */
function methodOf(doc: Doc): string {
  const { func_name } = JSON.parse(String(doc.metadata ?? "{}")) as { readonly func_name?: unknown };
  if (typeof func_name === "string" && /^\w+$/.test(func_name)) return func_name;
  throw new RangeError(
    `livecodebench: ${doc.question_id}: metadata must name a function as func_name, got ${doc.metadata}`,
  );
}

/** Arguments come as lines of JSON; what is returned leaves as JSON behind a word that the solution cannot know, and is compared here. */
async function passesCalls(
  { runProgram }: ScoringTools,
  code: string,
  method: string,
  tests: readonly LiveCodeBenchTest[],
): Promise<ProgramVerdict> {
  const word = randomBytes(12).toString("hex");
  const source = `${prelude}

${code}

import json, sys
arguments = [json.loads(line) for line in sys.stdin.read().split("\\n")]
called = Solution().${method} if "Solution" in globals() else ${method}
print("\\n${word}" + json.dumps(called(*arguments), ensure_ascii=False))
`;
  for (const [i, { input, output }] of tests.entries()) {
    const result = await runProgram({ language: "python", source, stdin: input, timeoutSeconds });
    const returned = result.stdout.split("\n").findLast((line) => line.startsWith(word));
    if (result.status !== "exit" || result.exitCode !== 0 || returned === undefined) {
      const how = result.status === "exit" ? `exit code ${result.exitCode}` : result.status;
      return { passed: false, outcome: `call ${i}: ${how}`, errors: result.stderr };
    }
    if (!sameJson(returned.slice(word.length), output))
      return { passed: false, outcome: `call ${i}: another value`, errors: "" };
  }
  return { passed: true, outcome: "passed", errors: "" };
}

/** @param codeOf the program in an answer */
function scorer(codeOf: (response: string) => string): Scorer {
  return async ({ doc, responses }, tools) => {
    const verdicts: ProgramVerdict[] = [];
    for (const response of responses) verdicts.push(await judge(doc, codeOf(response), tools));
    return {
      metrics: passMetrics(
        verdicts.map(({ passed }) => passed),
        [1, 5],
      ),
      details: { outcomes: verdicts.map(({ outcome }) => outcome) },
    };
  };
}

const shared = {
  dataset: {
    path: "livecodebench/code_generation_lite",
    name: null,
    dataFiles: { test: ["test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl"] },
  },
  testSplit: "test",
  docToTarget: () => "",
  outputType: "generate_until",
  repeats: 10,
  filterList: [{ name: "none", filter: [] }],
  metricList: [{ metric: "pass@1" }, { metric: "pass@5" }],
  metadata: { version: "v5" },
  format: "own",
  needs: ["sandbox"],
} as const;

const sampling = { doSample: true, temperature: 0.2, topP: 0.95 } as const;

const chat = {
  ...shared,
  processDocs: within("2024-08-01", "2024-11-30"),
  generationKwargs: { ...chatGeneration, ...sampling },
  scorer: scorer((response) => lastFencedBlock(response)?.code ?? ""),
} as const;

function publishedChat(metric: string, value: number): PublishedScore {
  return { table: "chat", metric, value, key: "pass@1,none" };
}

export const liveCodeBenchTasks: readonly TaskFile[] = [
  {
    ...shared,
    task: "livecodebench_base",
    processDocs: within("2024-08-01", "2024-11-01"),
    docToText: (doc) => `Problem:\n${doc.question_content}\n\n${formOf(doc)}\n\nSolution:\n\`\`\`python\n`,
    targetDelimiter: "",
    fewshotConfig: {
      sampler: "first_n",
      samples: liveCodeBenchShots,
      docToTarget: (doc) => `${doc.solution}\`\`\``,
    },
    numFewshot: 3,
    generationKwargs: { until: ["```"], maxGenToks: 2048, ...sampling },
    scorer: scorer((response) => response),
    about: "three worked problems, the whole output is the program",
    published: { table: "base", metric: "pass@1", value: 19.4, key: "pass@1,none" },
  },
  {
    ...chat,
    task: "livecodebench_cot",
    docToText: (doc) =>
      `Solve this programming problem in Python 3.\n\n${doc.question_content}\n\n${formOf(doc)}\n\n` +
      "Think it through first, then give the complete solution in one ```python block at the end.",
    about: "reasoning before the code",
    published: publishedChat("pass@1-CoT", 40.5),
  },
  {
    ...chat,
    task: "livecodebench",
    docToText: (doc) =>
      `Solve this programming problem in Python 3.\n\n${doc.question_content}\n\n${formOf(doc)}\n\n` +
      "Reply with the complete solution in one ```python block, without explanations.",
    about: "code at once",
    published: publishedChat("pass@1", 37.6),
  },
];
