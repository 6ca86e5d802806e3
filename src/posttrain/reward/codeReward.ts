/**
 * Code judged by running its tests in the sandbox: the share of tests that pass, or 1 only if all do. The program is the last fenced block
 * of the answer. Spec: post-training.md sections 5.3 and 5.6.
 */
import { afterThought } from "../../eval/answers/extract.js";
import type { Language, Tests } from "../../sandbox/program.js";
import type { Sandbox } from "../../sandbox/sandbox.js";
import { lastFence } from "./fence.js";
import {
  isStillThinking,
  type RewardFunction,
  type RewardSample,
  RowError,
  type Score,
  textWithThought,
} from "./reward.js";

export interface CodeOptions {
  readonly sandbox: Sandbox;
  /** fraction: passed tests / all tests. all: 1 if every test passes, else 0. */
  readonly scale?: "fraction" | "all";
  /** Where the block does not name one of the two. Default python. */
  readonly language?: Language;
  readonly timeoutMs?: number;
}

/** Rows say what is tested: see `testsOf`. A row whose tests are broken gives null. */
export function codeReward({ sandbox, scale = "all", language = "python", timeoutMs }: CodeOptions): RewardFunction {
  return (samples) =>
    Promise.all(
      samples.map(async (sample): Promise<Score> => {
        const tests = testsOf(sample);
        const text = textWithThought(sample);
        const fence = isStillThinking(text) ? null : lastFence(afterThought(text));
        if (fence === null) return { score: 0, hasCode: 0 };
        const run = {
          language: languageOf(fence.language) ?? language,
          program: fence.code,
          tests,
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
        };
        const { outcome, passedTests, numTests } = await sandbox.run(run);
        if (outcome === "invalid") return null;
        const score = scale === "fraction" ? passedTests / numTests : outcome === "passed" ? 1 : 0;
        return { score, hasCode: 1, timeout: outcome === "timeout" ? 1 : 0 };
      }),
    );
}

function languageOf(word: string): Language | null {
  if (/^(python|py|python3)$/.test(word)) return "python";
  return /^(javascript|js|node|mjs|cjs)$/.test(word) ? "javascript" : null;
}

/**
 * The tests of a row, in one of these forms:
 * - `tests`: a list of statements (asserts), or an object as the sandbox takes it (`kind` asserts, calls or stdin);
 * - `test_list` with `test_setup_code`: MBPP's columns;
 * - `inputs` and `outputs`: lists of texts, for standard input; with `fn_name`, lists of arguments and results.
 * `entry_point` names the function for asserts, where its name is one of the language's own.
 * @throws RowError if the row has none of them
 */
export function testsOf({ row }: Pick<RewardSample, "row">): Tests {
  const {
    tests,
    test_list: list,
    test_setup_code: setup,
    inputs,
    outputs,
    fn_name: name,
    entry_point: entryPoint,
  } = row;
  const extra = {
    ...(typeof setup === "string" && setup !== "" ? { setup } : {}),
    ...(typeof entryPoint === "string" ? { entryPoint } : {}),
  };
  if (isTexts(tests)) return { kind: "asserts", tests, ...extra };
  if (isTexts(list)) return { kind: "asserts", tests: list, ...extra };
  if (isTests(tests)) return tests;
  if (Array.isArray(inputs) && Array.isArray(outputs) && inputs.length > 0 && inputs.length === outputs.length) {
    if (typeof name === "string") {
      const cases = inputs.map((args: unknown, i) => ({
        args: Array.isArray(args) ? args : [args],
        expected: outputs[i] as unknown,
      }));
      return { kind: "calls", entryPoint: name, cases };
    }
    if (isTexts(inputs) && isTexts(outputs)) {
      return { kind: "stdin", cases: inputs.map((input, i) => ({ input, output: outputs[i] ?? "" })) };
    }
  }
  throw new RowError(
    "reward code: a row needs tests (a list of statements, or an object with kind asserts, calls or stdin), test_list," +
      ` or inputs and outputs of the same length; its columns are: ${Object.keys(row).join(", ") || "none"}`,
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string");
}

function isTests(value: unknown): value is Tests {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  if (value.kind === "asserts") return "tests" in value && isTexts(value.tests);
  if (!("cases" in value) || !Array.isArray(value.cases) || value.cases.length === 0) return false;
  if (value.kind === "calls") {
    return (
      "entryPoint" in value &&
      typeof value.entryPoint === "string" &&
      value.cases.every((one: unknown) => isCase(one, "args"))
    );
  }
  return value.kind === "stdin" && value.cases.every((one: unknown) => isCase(one, "input"));
}

function isCase(value: unknown, input: "args" | "input"): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (input === "args") return "args" in value && Array.isArray(value.args) && "expected" in value;
  return "input" in value && typeof value.input === "string" && "output" in value && typeof value.output === "string";
}
