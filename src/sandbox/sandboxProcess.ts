/**
 * Entry of a sandbox process, started with Node's permission model: no files but the sandbox's own code, no processes, no addons.
 * Guests run in its two worker threads; this thread stays free, watches how much processor time they use and ends them.
 */
import { performance } from "node:perf_hooks";
import { pathToFileURL } from "node:url";
import { MessageChannel, Worker } from "node:worker_threads";
import type { GuestEnd } from "./guest.js";
import type { GuestResult, GuestTask, ProcessSetup, RunTask, WorkerMessage, WorkerSetup } from "./guestTask.js";
import { samePrint } from "./printed.js";
import type { Outcome, RunResult, TestResult } from "./program.js";
import { loadParts, type Parts } from "./sandboxParts.js";

export type ToProcess = { readonly setup: ProcessSetup } | { readonly run: RunTask };
export type FromProcess = { readonly ready: true } | { readonly failed: string } | { readonly result: RunResult };

/** How often the clock is looked at. */
const watchMs = 20;
/** A guest that neither computes nor sleeps (it waits for a thread that stands still) is ended after this many deadlines. */
const wallFactor = 10;
/** Given to the interpreters of a run to start, however busy the machine is. */
const startMs = 60_000;
/** Of each worker thread; Python recurses on it. */
const threadStackMb = 16;

/** How one instance ended, and with what. */
interface InstanceRun {
  readonly end: GuestEnd | { readonly kind: "timeout" };
  readonly results: readonly GuestResult[];
  readonly invalid: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly cpuMs: number;
}

/** The two threads and what runs in them; made anew after each that was ended. */
class GuestThreads {
  readonly #setup: ProcessSetup;
  readonly #parts: Parts;
  #program: Worker | null = null;
  #judge: Worker | null = null;
  #onMessage: (message: WorkerMessage) => void = () => {};
  #onBroken: (error: unknown) => void = () => {};

  constructor(setup: ProcessSetup, parts: Parts) {
    this.#setup = setup;
    this.#parts = parts;
  }

  async run(task: GuestTask, timeoutMs: number): Promise<InstanceRun> {
    this.#program ?? this.#start();
    const results: GuestResult[] = [];
    let invalid: string | null = null;
    let sleptMs = 0;
    let spentMs = 0;
    /** Where the program's time began to run last; null while it stands. */
    let since: NodeJS.CpuUsage | null = null;
    const begunMs = performance.now();
    const runningMs = (): number => {
      if (since === null) return 0;
      const { user, system } = process.cpuUsage(since);
      return (user + system) / 1000;
    };
    const cpuMs = (): number => spentMs + runningMs() + sleptMs;
    const done = await new Promise<Pick<InstanceRun, "end" | "stdout" | "stderr">>((resolve) => {
      const nothing = { stdout: "", stderr: "" };
      const timer = setInterval(() => {
        if (cpuMs() > timeoutMs || performance.now() - begunMs > wallFactor * timeoutMs + startMs) {
          finish({ end: { kind: "timeout" }, ...nothing });
        }
      }, watchMs);
      const finish = (run: Pick<InstanceRun, "end" | "stdout" | "stderr">): void => {
        clearInterval(timer);
        this.#onMessage = this.#onBroken = () => {};
        resolve(run);
      };
      this.#onBroken = (error) => {
        const code = error instanceof Error && "code" in error ? error.code : null;
        const kind = code === "ERR_WORKER_OUT_OF_MEMORY" ? "memory" : "crashed";
        finish({ end: { kind, message: error instanceof Error ? error.message : String(error) }, ...nothing });
      };
      this.#onMessage = (message) => {
        if (message.type === "clock") {
          spentMs += runningMs();
          since = message.runs ? process.cpuUsage() : null;
        } else if (message.type === "result") results.push(message.result);
        else if (message.type === "slept") sleptMs = message.ms;
        else if (message.type === "invalid") invalid = message.message;
        else finish(message);
      };
      this.#program?.postMessage(task);
    });
    // It may have ended between two looks at the clock; a long sleep passes at once.
    const isLate = cpuMs() > timeoutMs && (done.end.kind === "done" || done.end.kind === "exited");
    const end: InstanceRun["end"] = isLate ? { kind: "timeout" } : done.end;
    if (end.kind !== "done" && end.kind !== "exited") await this.#stop();
    return { ...done, end, results, invalid, cpuMs: cpuMs() };
  }

  #start(): void {
    const { port1, port2 } = new MessageChannel();
    const counts = new SharedArrayBuffer(8);
    const { workerFile, memoryBytes, outputBytes } = this.#setup;
    const start = (role: "program" | "judge"): Worker => {
      const port = role === "program" ? port1 : port2;
      const link = { port, counts, side: role === "program" ? 0 : 1 } as const;
      const workerData: WorkerSetup = { role, link, memoryBytes, outputBytes, ...this.#parts };
      const worker = new Worker(pathToFileURL(workerFile), {
        workerData,
        transferList: [port],
        env: {},
        resourceLimits: { stackSizeMb: threadStackMb, maxOldGenerationSizeMb: 256 },
      });
      const broken = (error: unknown): void => {
        if (worker === this.#program || worker === this.#judge) this.#onBroken(error);
      };
      worker.on("error", broken);
      worker.on("messageerror", broken);
      worker.on("exit", (code) => broken(new Error(`a thread of the sandbox ended with code ${code}`)));
      worker.on("message", (message: WorkerMessage) => {
        if (worker === this.#program) this.#onMessage(message);
      });
      return worker;
    };
    this.#program = start("program");
    this.#judge = start("judge");
  }

  async #stop(): Promise<void> {
    const workers = [this.#program, this.#judge];
    this.#program = null;
    this.#judge = null;
    await Promise.all(workers.map((worker) => worker?.terminate()));
  }
}

async function runTask(threads: GuestThreads, { language, program, tests, timeoutMs }: RunTask): Promise<RunResult> {
  const begunMs = performance.now();
  const results: TestResult[] = [];
  const numTests = tests.kind === "asserts" ? tests.tests.length : tests.cases.length;
  let first: InstanceRun | null = null;
  let outcome: Outcome = "passed";
  let message = "";
  let cpuMs = 0;
  const fail = (why: Outcome, text: string): void => {
    if (outcome !== "passed") return;
    outcome = why;
    message = text;
  };
  if (tests.kind === "stdin") {
    for (const { input, output } of tests.cases) {
      const run = await threads.run({ language, program, tests: { kind: "main", input } }, timeoutMs);
      first ??= run;
      cpuMs += run.cpuMs;
      const { end } = run;
      let why = "";
      if (end.kind !== "done") why = describeEnd(run, timeoutMs);
      else if (output !== null && !samePrint(run.stdout, output))
        why = `printed ${excerpt(run.stdout)}, expected ${excerpt(output)}`;
      results.push({ passed: why === "", message: why });
      if (why !== "") fail(end.kind === "done" ? "failed" : outcomeOf(end), why);
      if (end.kind === "timeout") break;
    }
  } else {
    const run = await threads.run({ language, program, tests }, timeoutMs);
    first = run;
    cpuMs = run.cpuMs;
    for (const { passed, message: text, isMemory } of run.results) {
      results.push({ passed, message: text });
      if (!passed) fail(isMemory ? "memory" : "failed", text);
    }
    const ending = outcomeOf(run.end);
    if (ending !== "passed" && ending !== "failed") {
      outcome = ending;
      message = describeEnd(run, timeoutMs);
    }
    if (results.length < numTests) fail("failed", describeEnd(run, timeoutMs));
    if (run.invalid !== null) {
      outcome = "invalid";
      message = run.invalid;
    }
  }
  return {
    outcome,
    passedTests: results.filter(({ passed }) => passed).length,
    numTests,
    results,
    stdout: first?.stdout ?? "",
    stderr: first?.stderr ?? "",
    message,
    cpuMs,
    wallMs: performance.now() - begunMs,
  };
}

function outcomeOf(end: InstanceRun["end"]): Outcome {
  switch (end.kind) {
    case "done":
      return "passed";
    case "exited":
    case "protocol":
    case "output":
      return "failed";
    case "timeout":
    case "memory":
    case "crashed":
      return end.kind;
  }
}

function describeEnd({ end, stderr }: InstanceRun, timeoutMs: number): string {
  if (end.kind === "timeout") return `took more than ${timeoutMs} ms of processor time`;
  if (end.kind === "done") return "the program has left";
  if (end.kind === "exited") return stderr.trim().split("\n").at(-1) || `ended with code ${end.code}`;
  return end.message;
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}

const tell = (message: FromProcess): void => void process.send?.(message);
let threads: GuestThreads | null = null;
process.on("disconnect", () => process.exit(0));
process.on("message", (message: ToProcess) => {
  void (async () => {
    if ("setup" in message) {
      try {
        threads = new GuestThreads(message.setup, await loadParts(message.setup));
        tell({ ready: true });
      } catch (error) {
        tell({ failed: error instanceof Error ? error.message : String(error) });
      }
    } else if (threads !== null) tell({ result: await runTask(threads, message.run) });
  })();
});
