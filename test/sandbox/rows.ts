/** Rows of tables of programs with their verdicts, for the tests of the sandbox. */
import type { Outcome, ProgramRun } from "../../src/sandbox/program.js";

export interface Row {
  readonly name: string;
  readonly run: Omit<ProgramRun, "language">;
  /** Default: passed. */
  readonly outcome?: Outcome;
  readonly message?: string;
}

export function lines(...all: readonly string[]): string {
  return all.join("\n");
}

export function asserts(
  program: string,
  tests: readonly string[],
  rest: { setup?: string; entryPoint?: string } = {},
): Row["run"] {
  return { program, tests: { kind: "asserts", tests, ...rest } };
}

export function calls(
  program: string,
  entryPoint: string,
  ...cases: readonly [args: readonly unknown[], expected: unknown][]
): Row["run"] {
  return {
    program,
    tests: { kind: "calls", entryPoint, cases: cases.map(([args, expected]) => ({ args, expected })) },
  };
}

export function stdin(program: string, ...cases: readonly [input: string, output: string][]): Row["run"] {
  return { program, tests: { kind: "stdin", cases: cases.map(([input, output]) => ({ input, output })) } };
}
