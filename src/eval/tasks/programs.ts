/**
 * Whether generated code passes its tests, by programs that a sandbox runs: asserts that must be passed, and runs on given input whose
 * output is compared here. Post-training specification, 5.6.
 *
 * A program that merely ends is no proof: it may have left before its asserts. Languages with top-level statements therefore print a word
 * behind the last assert that nobody can guess; of compiled ones the exit code has to do.
 */
import { randomBytes } from "node:crypto";
import { samePrint } from "../../sandbox/printed.js";
import type { ProgramLanguage, ProgramResult, ScoringTools } from "../taskFile.js";

type RunProgram = ScoringTools["runProgram"];

export interface ProgramVerdict {
  readonly passed: boolean;
  /** What happened to the first program that did not pass; "passed" otherwise. */
  readonly outcome: string;
  /** What that program wrote of its errors. */
  readonly errors: string;
}

const passed: ProgramVerdict = { passed: true, outcome: "passed", errors: "" };

/** Prints a word; null where that takes more than a statement at the end. */
const printing: Readonly<Record<ProgramLanguage, ((word: string) => string) | null>> = {
  python: (word) => `print("${word}")`,
  javascript: (word) => `console.log("${word}");`,
  typescript: (word) => `console.log("${word}");`,
  php: (word) => `echo "${word}";`,
  bash: (word) => `echo "${word}"`,
  java: null,
  cpp: null,
  csharp: null,
};

/** Runs code together with its asserts to its end. @param source asserts included */
export async function passesAsserts(
  runProgram: RunProgram,
  language: ProgramLanguage,
  source: string,
  timeoutSeconds: number,
): Promise<ProgramVerdict> {
  const word = randomBytes(12).toString("hex");
  const print = printing[language];
  const result = await runProgram({
    language,
    source: print === null ? source : `${source}\n${print(word)}\n`,
    timeoutSeconds,
  });
  if (!endedWell(result)) return failed(result);
  if (print !== null && !result.stdout.trimEnd().endsWith(word)) {
    return { passed: false, outcome: "ended before its last test", errors: result.stderr };
  }
  return passed;
}

export interface InputCase {
  readonly input: string;
  readonly output: string;
}

/** Runs a program on each input, until one output is not the expected one. */
export async function passesInputs(
  runProgram: RunProgram,
  language: ProgramLanguage,
  source: string,
  cases: readonly InputCase[],
  timeoutSeconds: number,
): Promise<ProgramVerdict> {
  if (cases.length === 0) throw new RangeError("a problem without test cases judges nothing");
  for (const [i, { input, output }] of cases.entries()) {
    const result = await runProgram({ language, source, stdin: input, timeoutSeconds });
    if (!endedWell(result)) return failed(result, i);
    if (!samePrint(result.stdout, output))
      return { passed: false, outcome: `case ${i}: printed something else`, errors: "" };
  }
  return passed;
}

function endedWell({ status, exitCode }: ProgramResult): boolean {
  return status === "exit" && exitCode === 0;
}

function failed({ status, exitCode, stderr }: ProgramResult, at?: number): ProgramVerdict {
  const lastLine = stderr.trimEnd().split("\n").at(-1) ?? "";
  const how = status === "exit" ? `exit code ${exitCode}` : status;
  const where = at === undefined ? "" : `case ${at}: `;
  return { passed: false, outcome: `${where}${how}${lastLine && `: ${lastLine}`}`, errors: stderr };
}
