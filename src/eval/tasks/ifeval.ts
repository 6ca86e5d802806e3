/**
 * IF-Eval: 541 prompts with instructions that a rule can check; evaluation.md 5.5, the rules in ifeval/checks.ts. The report's figure is
 * the share of prompts all of whose instructions are followed strictly. The prompt is asked as it stands.
 */
import { checkInstructions, type IfEvalRow } from "../ifeval/score.js";
import type { TaskFile } from "../taskFile.js";
import { chatGeneration } from "./extraction.js";

export const ifevalTask: TaskFile = {
  task: "ifeval",
  dataset: { path: "google/IFEval", name: null, dataFiles: { train: "*.jsonl" } },
  testSplit: "train",
  docToText: "prompt",
  docToTarget: () => "",
  numFewshot: 0,
  outputType: "generate_until",
  generationKwargs: chatGeneration,
  scorer: ({ doc, responses: [response = ""] }) => {
    const { strict, loose } = checkInstructions(doc as unknown as IfEvalRow, response);
    const numbers = (passed: readonly boolean[]): number[] => passed.map(Number);
    return {
      metrics: {
        prompt_level_strict_acc: strict.every(Boolean) ? 1 : 0,
        inst_level_strict_acc: numbers(strict),
        prompt_level_loose_acc: loose.every(Boolean) ? 1 : 0,
        inst_level_loose_acc: numbers(loose),
      },
    };
  },
  metricList: [
    { metric: "prompt_level_strict_acc" },
    { metric: "inst_level_strict_acc" },
    { metric: "prompt_level_loose_acc" },
    { metric: "inst_level_loose_acc" },
  ],
  metadata: { version: 4 },
  format: "lm-eval",
  published: { table: "chat", metric: "prompt strict", value: 86.1, key: "prompt_level_strict_acc,none" },
};
