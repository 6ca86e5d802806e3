/**
 * Runs what a model wrote, once that has been allowed: Python and JavaScript in the sandbox, which opens with the first of them; the other
 * languages with this machine's tools, as this user and without a sandbox (trustedPrograms.ts), since no interpreter of them can be closed in.
 */
import { findInstalled } from "../../sandbox/installed.js";
import type { Language, ProgramRun, RunResult } from "../../sandbox/program.js";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.js";
import type { Program, ProgramLanguage, ProgramResult } from "../taskFile.js";
import { isTrustedLanguage, missingTool, runTrusted } from "./trustedPrograms.js";

/**
 * Time limits of benchmarks are meant for a native Python. That of the sandbox is some 12 times slower (docs/sandbox.md), and its JavaScript,
 * which is not compiled either, gets as much more.
 */
const slowdown = 12;

const sandboxed: readonly Language[] = ["python", "javascript"];

/** What is missing to run a language here, in words; null: nothing. */
export function missingFor(language: ProgramLanguage, path: string | undefined): string | null {
  if (isTrustedLanguage(language)) {
    const tool = missingTool(language, path);
    return tool === null ? null : `no ${tool} on this machine`;
  }
  try {
    findInstalled([language]);
    return null;
  } catch (error) {
    return error instanceof RangeError ? error.message : String(error);
  }
}

export class GeneratedPrograms {
  #sandbox: Promise<Sandbox> | null = null;

  /** @throws RangeError if what runs the language is missing */
  async run(program: Program): Promise<ProgramResult> {
    const { language, source, stdin, timeoutSeconds } = program;
    if (isTrustedLanguage(language)) return runTrusted({ ...program, language });
    const timeoutMs = timeoutSeconds * 1000 * slowdown;
    const result = await this.test({ language, program: source, timeoutMs, ...(stdin === undefined ? {} : { stdin }) });
    return resultOf(result);
  }

  /** Judged by the sandbox. @throws as `run` */
  async test(run: ProgramRun): Promise<RunResult> {
    const missing = missingFor(run.language, undefined);
    if (missing !== null) throw new RangeError(missing);
    const languages = sandboxed.filter((language) => missingFor(language, undefined) === null);
    this.#sandbox ??= openSandbox({ runUnsafeCode: true, languages });
    return (await this.#sandbox).run(run);
  }

  async close(): Promise<void> {
    await (await this.#sandbox)?.close();
    this.#sandbox = null;
  }
}

/** A run without tests: it passes by ending without an error, and nothing says which code another one ended with. */
function resultOf({ outcome, stdout, stderr, message }: RunResult): ProgramResult {
  const written = { stdout, stderr: stderr.includes(message) ? stderr : `${stderr}${message}\n` };
  switch (outcome) {
    case "passed":
      return { status: "exit", exitCode: 0, ...written };
    case "failed":
      return { status: "exit", exitCode: 1, ...written };
    case "timeout":
      return { status: "timeout", exitCode: null, ...written };
    case "memory":
    case "crashed":
      return { status: "killed", exitCode: null, ...written };
    case "invalid":
      throw new Error(`internal: a run without tests cannot have bad ones: ${message}`);
    default:
      return outcome satisfies never;
  }
}
