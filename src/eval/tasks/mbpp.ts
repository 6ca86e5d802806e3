/**
 * MBPP: short Python problems, each with three asserts that the prompt shows; evaluation.md 3.16. The prompt is lm-eval's and
 * the benchmark's own. Shots are problems 2, 3 and 4, with the line ends that their file has.
 */
import type { Doc, TaskFile } from "../taskFile.js";
import { passMetrics } from "./humaneval.js";
import { passesAsserts } from "./programs.js";

const shotIds = [2, 3, 4];

function testsOf(doc: Doc): readonly string[] {
  return doc.test_list as readonly string[];
}

export const mbppTask: TaskFile = {
  task: "mbpp",
  dataset: { path: "google-research-datasets/mbpp", name: "full" },
  trainingSplit: "train",
  validationSplit: "validation",
  testSplit: "test",
  fewshotSplit: "prompt",
  docToText: (doc) =>
    `You are an expert Python programmer, and here is your task: ${doc.text} Your code should pass these tests:\n\n` +
    `${testsOf(doc).slice(0, 3).join("\n")}\n[BEGIN]\n`,
  docToTarget: (doc) => `${doc.code}\n[DONE]`,
  targetDelimiter: "",
  fewshotConfig: {
    sampler: "first_n",
    processDocs: (docs) => docs.filter(({ task_id }) => shotIds.includes(Number(task_id))),
  },
  numFewshot: 3,
  outputType: "generate_until",
  generationKwargs: { until: ["[DONE]"], maxGenToks: 512 },
  scorer: async ({ doc, responses: [response = ""] }, { runProgram }) => {
    const source = [doc.test_setup_code ?? "", response, ...testsOf(doc)].join("\n");
    const { passed, outcome } = await passesAsserts(runProgram, "python", source, 3);
    return { metrics: passMetrics([passed], [1]), details: { outcome } };
  },
  metricList: [{ metric: "pass@1" }],
  metadata: { version: 1 },
  format: "lm-eval",
  needs: ["sandbox"],
  published: { table: "base", metric: "pass@1", value: 75.4, key: "pass@1,none" },
};
