/**
 * Runs programs that a model wrote. A pool of child processes under Node's permission model; in each a worker thread; in that, for every
 * program, a fresh interpreter compiled to WebAssembly: CPython on WASI, or QuickJS. The program is given no file, no network and no
 * clock to wait for. It is judged from outside of its interpreter: what functions return and what is printed is compared in the host,
 * asserts run in a second interpreter. docs/sandbox.md says what is promised and what is not.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { compiledFolder } from "../files/compiledFolder.js";
import type { ProcessSetup, RunTask } from "./guestTask.js";
import { findInstalled } from "./installed.js";
import { checkRun, type Language, type ProgramRun, type RunResult } from "./program.js";
import type { FromProcess, ToProcess } from "./sandboxProcess.js";

export interface SandboxOptions {
  /** Must be true: the caller has been told to run code that nobody has read (commands: `--confirm-run-unsafe-code`). */
  readonly runUnsafeCode: boolean;
  /** Programs that run at the same time. Default: one per core. */
  readonly processes?: number;
  /** Default both. */
  readonly languages?: readonly Language[];
  /** Most memory of one interpreter. Default 256 MiB. */
  readonly memoryBytes?: number;
  /** Most that a program may write to each of its streams. Default 64 kB. */
  readonly outputBytes?: number;
}

export interface Sandbox {
  /**
   * Runs one program, when a process is free. It never fails for what the program does.
   * @throws RangeError for a run that cannot be meant, an error if the sandbox is closed
   */
  readonly run: (run: ProgramRun) => Promise<RunResult>;
  /** Ends all processes; runs that have not ended fail. */
  readonly close: () => Promise<void>;
  /** Of the processes that are up. */
  readonly pids: () => number[];
}

const defaultTimeoutMs = 6000;
/** A process that is silent this much longer than its own watch allows, starts of interpreters included, is killed. */
const graceMs = 70_000;
const wallFactor = 10;

/** @throws RangeError without `runUnsafeCode`, or if a package is missing */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  if (options.runUnsafeCode !== true) {
    throw new RangeError(
      "sandbox: running a model's code is off; switch it on with --confirm-run-unsafe-code (runUnsafeCode: true)",
    );
  }
  const processes = options.processes ?? availableParallelism();
  if (!Number.isInteger(processes) || processes < 1) {
    throw new RangeError(`sandbox: processes must be a positive integer, got ${processes}`);
  }
  const memoryBytes = options.memoryBytes ?? 256 << 20;
  if (!(memoryBytes >= 32 << 20 && memoryBytes <= 2 ** 32)) {
    throw new RangeError(`sandbox: memoryBytes must be between 32 MiB and 4 GiB, got ${memoryBytes}`);
  }
  const { folders, ...installed } = findInstalled(options.languages ?? ["python", "javascript"]);
  const { folder, remove } = await compiledFolder(import.meta.url, "fathom-sandbox-");
  const setup: ProcessSetup = {
    workerFile: join(folder, "guestWorker.js"),
    memoryBytes,
    outputBytes: options.outputBytes ?? 64_000,
    ...installed,
  };
  return new Pool(setup, [dirname(folder), ...folders], processes, remove);
}

interface Waiting {
  readonly task: RunTask;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: unknown) => void;
}

class Pool implements Sandbox {
  readonly #setup: ProcessSetup;
  readonly #readable: readonly string[];
  readonly #size: number;
  readonly #remove: () => void;
  readonly #waiting: Waiting[] = [];
  readonly #idle: Guarded[] = [];
  readonly #all = new Set<Guarded>();
  #numRunning = 0;
  #isClosed = false;

  constructor(setup: ProcessSetup, readable: readonly string[], size: number, remove: () => void) {
    this.#setup = setup;
    this.#readable = readable;
    this.#size = size;
    this.#remove = remove;
  }

  run = (run: ProgramRun): Promise<RunResult> => {
    return new Promise((resolve, reject) => {
      checkRun(run);
      if (this.#isClosed) throw new Error("the sandbox is closed");
      if (this.#setup[run.language] === null) throw new RangeError(`sandbox: it was opened without ${run.language}`);
      const { language, program, timeoutMs = defaultTimeoutMs } = run;
      const tests: RunTask["tests"] = run.tests ?? { kind: "stdin", cases: [{ input: run.stdin ?? "", output: null }] };
      this.#waiting.push({ task: { language, program, tests, timeoutMs }, resolve, reject });
      this.#next();
    });
  };

  close = async (): Promise<void> => {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error("the sandbox is closed"));
    await Promise.all([...this.#all].map((guarded) => guarded.kill()));
    this.#remove();
  };

  pids = (): number[] => [...this.#all].flatMap(({ pid }) => (pid === null ? [] : [pid]));

  #next(): void {
    if (this.#isClosed || this.#numRunning >= this.#size) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    this.#numRunning++;
    const guarded = this.#idle.pop() ?? this.#open();
    guarded
      .run(waiting.task)
      .then(waiting.resolve, waiting.reject)
      .finally(() => {
        this.#numRunning--;
        if (guarded.isAlive) this.#idle.push(guarded);
        else this.#all.delete(guarded);
        this.#next();
      });
  }

  #open(): Guarded {
    const guarded = new Guarded(this.#setup, this.#readable);
    this.#all.add(guarded);
    return guarded;
  }
}

/** One child process. Whatever happens to it, the run at hand gets a result, and it is alive or gone, nothing between. */
class Guarded {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #isReady = false;
  #isKilled = false;
  isAlive = true;
  #onMessage: ((message: FromProcess) => void) | null = null;
  #onExit: ((what: string) => void) | null = null;
  readonly #setup: ProcessSetup;

  constructor(setup: ProcessSetup, readable: readonly string[]) {
    this.#setup = setup;
    const flag = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
    const file = setup.workerFile.replace(/guestWorker\.js$/, "sandboxProcess.js");
    const flags = [flag, "--allow-worker", ...readable.map((path) => `--allow-fs-read=${path}`), "--no-warnings"];
    this.#child = spawn(process.execPath, [...flags, file], {
      env: {},
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      serialization: "advanced",
    });
    this.#exited = new Promise((resolve) => {
      this.#child.on("error", (error) => this.#gone(`cannot be started: ${error.message}`, resolve));
      this.#child.on("exit", (code, signal) => this.#gone(`ended with ${signal ?? `code ${code}`}`, resolve));
    });
    this.#child.on("message", (message: FromProcess) => this.#onMessage?.(message));
    this.#keepAlive(false);
  }

  get pid(): number | null {
    return this.isAlive ? (this.#child.pid ?? null) : null;
  }

  async run(task: RunTask): Promise<RunResult> {
    this.#keepAlive(true);
    const numRuns = task.tests.kind === "stdin" ? task.tests.cases.length : 1;
    const begunMs = performance.now();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<RunResult>((resolve, reject) => {
        const numTests = task.tests.kind === "asserts" ? task.tests.tests.length : task.tests.cases.length;
        const broken = (outcome: "timeout" | "crashed", message: string): void => {
          const wallMs = performance.now() - begunMs;
          resolve({
            outcome,
            passedTests: 0,
            numTests,
            results: [],
            stdout: "",
            stderr: "",
            message,
            cpuMs: 0,
            wallMs,
          });
        };
        const start = (): void => {
          this.#child.send({ run: task } satisfies ToProcess);
          timer = setTimeout(
            () => {
              void this.kill();
              broken("timeout", "the sandbox's process did not answer");
            },
            numRuns * (task.timeoutMs * wallFactor + graceMs),
          );
        };
        this.#onExit = (what) => {
          if (!this.#isReady || this.#isKilled) reject(new Error(`the sandbox's process ${what}`));
          else broken("crashed", `the sandbox's process ${what}`);
        };
        this.#onMessage = (message) => {
          if ("failed" in message) {
            void this.kill();
            reject(new RangeError(message.failed));
          } else if ("ready" in message) {
            this.#isReady = true;
            start();
          } else resolve(message.result);
        };
        if (!this.isAlive) reject(new Error("the sandbox's process is gone"));
        else if (this.#isReady) start();
        else this.#child.send({ setup: this.#setup } satisfies ToProcess);
      });
    } finally {
      clearTimeout(timer);
      this.#onExit = null;
      this.#onMessage = null;
      this.#keepAlive(false);
    }
  }

  /** Ends the process for certain; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    if (this.isAlive) this.#keepAlive(true);
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  #gone(what: string, resolve: () => void): void {
    this.isAlive = false;
    this.#onExit?.(what);
    resolve();
  }

  /** An idle process keeps the caller's program from ending no more than a finished one. */
  #keepAlive(isNeeded: boolean): void {
    if (isNeeded) {
      this.#child.ref();
      this.#child.channel?.ref();
    } else {
      this.#child.unref();
      this.#child.channel?.unref();
    }
  }
}
