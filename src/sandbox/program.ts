/**
 * What goes into the sandbox and what comes out: a program, how it is judged, and the verdict. Plain data, sent between processes as it is.
 * Spec: post-training.md section 5.6.
 */
import { toTree } from "./values.js";

export type Language = "python" | "javascript";

/** How a program is judged. */
export type Tests = AssertTests | CallTests | StdinTests;

/**
 * Statements that pass by not raising, run in an interpreter of their own that the program cannot reach: names they do not define are
 * looked up in the program, calls travel there and come back as plain values.
 */
export interface AssertTests {
  readonly kind: "asserts";
  /** Each is one test; they run in order and share their variables. */
  readonly tests: readonly string[];
  /** Runs once before them, in their interpreter: imports, helpers. */
  readonly setup?: string;
  /** A name that is the program's even where the language has one of that name (`sum`, `sorted`). */
  readonly entryPoint?: string;
}

/** One function called with JSON values; what it returns leaves the sandbox and is compared outside. */
export interface CallTests {
  readonly kind: "calls";
  /** `solve`, or `Solution.solve`: a method of an instance that is made anew for each call. */
  readonly entryPoint: string;
  /** Integers past 2^53 as bigint; a number without a fraction arrives as an integer. */
  readonly cases: readonly { readonly args: readonly unknown[]; readonly expected: unknown }[];
  /** Largest difference of two numbers that count as equal, relative to the larger of 1 and the expected one. Default 0. */
  readonly tolerance?: number;
}

/** The whole program run once per case; what it prints is compared. */
export interface StdinTests {
  readonly kind: "stdin";
  readonly cases: readonly { readonly input: string; readonly output: string }[];
}

export interface ProgramRun {
  readonly language: Language;
  readonly program: string;
  /** Without tests the program runs once with `stdin` and passes by ending without an error. */
  readonly tests?: Tests;
  readonly stdin?: string;
  /**
   * Processor time of one run, sleeping included, starts of interpreters not: of all asserts or calls together, of each stdin case.
   * Default 6,000. Python is about 12 times slower here than a native one.
   */
  readonly timeoutMs?: number;
}

/**
 * passed: every test. failed: a wrong value, an exception, a program that left early or wrote too much. timeout, memory: a limit.
 * crashed: the interpreter broke down (its stack, above all). invalid: the tests cannot judge anything (do not compile, their setup
 * raises, they use nothing of the program); no program is to blame for it.
 */
export type Outcome = "passed" | "failed" | "timeout" | "memory" | "crashed" | "invalid";

export interface TestResult {
  readonly passed: boolean;
  /** Why not; empty for a test that passed. */
  readonly message: string;
}

export interface RunResult {
  readonly outcome: Outcome;
  readonly passedTests: number;
  readonly numTests: number;
  /** Of the tests that were run: a limit ends the run. */
  readonly results: readonly TestResult[];
  /** What the program wrote, 64 kB at most (of the first stdin case); empty after a timeout. */
  readonly stdout: string;
  readonly stderr: string;
  /** What went wrong first; empty if all passed. */
  readonly message: string;
  /** Of the program and its tests, as the deadline counts it. */
  readonly cpuMs: number;
  readonly wallMs: number;
}

/** @throws RangeError for a run that cannot be meant */
export function checkRun(run: ProgramRun): void {
  const { language, tests, timeoutMs } = run;
  if (language !== "python" && language !== "javascript") {
    throw new RangeError(`sandbox: language must be python or javascript, got ${String(language)}`);
  }
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= 3_600_000)) {
    throw new RangeError(`sandbox: timeoutMs must be between 0 and 3,600,000, got ${timeoutMs}`);
  }
  if (tests === undefined) return;
  if (run.stdin !== undefined) throw new RangeError("sandbox: give either tests or stdin, not both");
  const numTests = tests.kind === "asserts" ? tests.tests.length : tests.cases.length;
  if (numTests === 0) throw new RangeError(`sandbox: there are no tests (kind ${tests.kind})`);
  if (tests.kind === "calls") {
    if (!/^[\p{L}_$][\p{L}\p{N}_$]*(\.[\p{L}_$][\p{L}\p{N}_$]*)?$/u.test(tests.entryPoint)) {
      throw new RangeError(`sandbox: entryPoint must be a name or Class.method, got "${tests.entryPoint}"`);
    }
    for (const { args } of tests.cases) args.map(toTree);
    const { tolerance = 0 } = tests;
    if (!(tolerance >= 0)) throw new RangeError(`sandbox: tolerance must not be negative, got ${tolerance}`);
  }
}
