import { expect, test } from "vitest";
import type { Program, ProgramResult } from "../taskFile.js";
import { passesAsserts, passesInputs } from "./programs.js";

const ended = (stdout: string, exitCode = 0, stderr = ""): ProgramResult => ({
  status: "exit",
  exitCode,
  stdout,
  stderr,
});

test("a program passes when it prints the word behind its last assert", async () => {
  const sources: string[] = [];
  const run = (reply: (program: Program) => ProgramResult) => async (program: Program) => {
    sources.push(program.source);
    return reply(program);
  };
  const printsItself = ({ source }: Program): ProgramResult =>
    ended(`noise\n${/print\("(\w+)"\)/.exec(source)?.[1]}\n`);
  expect(await passesAsserts(run(printsItself), "python", "assert f() == 1", 3)).toEqual({
    passed: true,
    outcome: "passed",
    errors: "",
  });
  expect(
    await passesAsserts(
      run(() => ended("")),
      "python",
      "import sys; sys.exit(0)",
      3,
    ),
  ).toEqual({
    passed: false,
    outcome: "ended before its last test",
    errors: "",
  });
  // The word is another one each time.
  expect(new Set(sources.map((source) => source.split("\n").at(-2))).size).toBe(2);
  expect(
    await passesAsserts(
      run(() => ended("")),
      "java",
      "class Problem {}",
      3,
    ),
  ).toMatchObject({ passed: true });
});

test("what ends in another way has failed, and says how", async () => {
  const fail = (result: ProgramResult) => passesAsserts(async () => result, "bash", "false", 3);
  expect(await fail(ended("", 1, "Traceback\nAssertionError\n"))).toEqual({
    passed: false,
    outcome: "exit code 1: AssertionError",
    errors: "Traceback\nAssertionError\n",
  });
  expect(await fail({ status: "timeout", exitCode: null, stdout: "", stderr: "" })).toMatchObject({
    outcome: "timeout",
  });
});

test("every input is run until one output differs", async () => {
  const cases = ["1", "2", "3"].map((input) => ({ input, output: `${Number(input) * 2}\n` }));
  const inputs: string[] = [];
  const doubling = async ({ stdin = "" }: Program): Promise<ProgramResult> => {
    inputs.push(stdin);
    return ended(stdin === "2" ? "5" : `${Number(stdin) * 2}`);
  };
  expect(await passesInputs(doubling, "python", "", cases, 6)).toEqual({
    passed: false,
    outcome: "case 1: printed something else",
    errors: "",
  });
  expect(inputs).toEqual(["1", "2"]);
  expect(await passesInputs(doubling, "python", "", cases.slice(0, 1), 6)).toMatchObject({ passed: true });
  expect(await passesInputs(async () => ended("", 1), "python", "", cases, 6)).toMatchObject({
    outcome: "case 0: exit code 1",
  });
  await expect(passesInputs(doubling, "python", "", [], 6)).rejects.toThrow("without test cases");
});
