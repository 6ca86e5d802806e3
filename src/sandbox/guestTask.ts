/** Messages between the host, a sandbox process and its worker threads. All plain data. */
import type { GuestEnd } from "./guest.js";
import type { AssertTests, CallTests, Language } from "./program.js";
import type { LibraryFiles } from "./pythonLibrary.js";
import type { LinkEnd } from "./syncLink.js";

/** What a process needs before it can run anything; paths and URLs of what is installed. */
export interface ProcessSetup {
  readonly workerFile: string;
  readonly memoryBytes: number;
  readonly outputBytes: number;
  /** Null where the packages are not installed. */
  readonly python: { readonly wasmFile: string; readonly sha256: string; readonly shimUrl: string } | null;
  readonly javascript: { readonly quickjsUrl: string; readonly wasmFile: string } | null;
}

/** One run of a program, as the process gets it. */
export interface RunTask {
  readonly language: Language;
  readonly program: string;
  readonly tests: AssertTests | CallTests | StdinRuns;
  readonly timeoutMs: number;
}

/** StdinTests, and a run whose output nobody compares (null). */
export interface StdinRuns {
  readonly kind: "stdin";
  readonly cases: readonly { readonly input: string; readonly output: string | null }[];
}

/** One instance of the interpreter: all asserts, all calls, or one standard input. */
export interface GuestTask {
  readonly language: Language;
  readonly program: string;
  readonly tests: AssertTests | CallTests | { readonly kind: "main"; readonly input: string };
}

export interface GuestResult {
  readonly index: number;
  readonly passed: boolean;
  readonly message: string;
  readonly isMemory: boolean;
}

/** From a worker thread to its process. */
export type WorkerMessage =
  | { readonly type: "result"; readonly result: GuestResult }
  /** Whether the program's time runs: not while an interpreter starts. */
  | { readonly type: "clock"; readonly runs: boolean }
  | { readonly type: "slept"; readonly ms: number }
  | { readonly type: "invalid"; readonly message: string }
  | { readonly type: "end"; readonly end: GuestEnd; readonly stdout: string; readonly stderr: string };

/** What a worker thread starts with. */
export interface WorkerSetup {
  readonly role: "program" | "judge";
  readonly link: LinkEnd;
  readonly memoryBytes: number;
  readonly outputBytes: number;
  readonly python: {
    readonly module: WebAssembly.Module;
    readonly library: LibraryFiles;
    readonly shimUrl: string;
  } | null;
  readonly javascript: { readonly module: WebAssembly.Module; readonly quickjsUrl: string } | null;
}
