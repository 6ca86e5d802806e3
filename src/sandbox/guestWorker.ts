/**
 * Worker thread of a sandbox process: runs one guest after the other, each in a fresh instance, blocking itself; its process watches the
 * time and ends the thread. The judge's thread does the same for the tests of Python programs.
 */
import { parentPort, workerData } from "node:worker_threads";
import { frame } from "./channelFile.js";
import type { GuestLimits } from "./guest.js";
import type { GuestTask, WorkerMessage, WorkerSetup } from "./guestTask.js";
import { InvalidTests, JavascriptProgram, judgeJavascript, type QuickJs } from "./javascriptGuest.js";
import { type PythonParts, runPython, type WasiShim } from "./pythonGuest.js";
import {
  assertsScript,
  callRequest,
  callsScript,
  type JudgeMessage,
  judgeCall,
  judgeScript,
  type Report,
} from "./scripts.js";
import { SyncLink } from "./syncLink.js";

if (parentPort === null) throw new Error("internal: guestWorker outside a worker thread");
const port = parentPort;
const setup = workerData as WorkerSetup;
const link = new SyncLink(setup.link);
const say = (message: WorkerMessage): void => port.postMessage(message);
const clock = (runs: boolean): void => say({ type: "clock", runs });
const report: Report = (result) => say({ type: "result", result });
const limits: GuestLimits = {
  memoryBytes: setup.memoryBytes,
  outputBytes: setup.outputBytes,
  onStarted: () => {
    if (setup.role === "program") clock(true);
    else link.send({ type: "started" } satisfies JudgeMessage);
  },
  onSlept: (ms) => say({ type: "slept", ms }),
};

if (setup.role === "judge") setup.link.port.on("message", (job: string) => void judge(job));
else port.on("message", (task: GuestTask) => void (task.language === "python" ? python(task) : javascript(task)));

async function judge(job: string): Promise<void> {
  let failure: string | null = null;
  try {
    const { end } = await runPython(await pythonParts(), "fathom_judge", judgeScript(job, link), limits);
    if (end.kind === "exited") failure = `it left with code ${end.code}`;
    else if (end.kind !== "done") failure = end.message;
  } catch (error) {
    failure = String(error);
  }
  link.send({ type: "ended", failure } satisfies JudgeMessage);
}

async function python({ program, tests }: GuestTask): Promise<void> {
  const parts = await pythonParts();
  if (tests.kind === "main") {
    const input = Buffer.concat([frame("0".repeat(16), JSON.stringify({ program })), Buffer.from(tests.input, "utf8")]);
    const run = await runPython(parts, "fathom_main", input, limits);
    say({ type: "end", end: run.end, stdout: run.stdout, stderr: run.stderr });
    return;
  }
  const invalid = (message: string): void => say({ type: "invalid", message });
  const script =
    tests.kind === "asserts"
      ? assertsScript(program, tests, link, { report, invalid, clock })
      : callsScript(program, tests, report);
  const { end, stdout, stderr } = await runPython(parts, "fathom_guest", script, limits);
  script.finish("message" in end ? `the program is gone: ${end.message}` : "the program has left");
  say({ type: "end", end, stdout, stderr });
}

async function javascript({ program: text, tests }: GuestTask): Promise<void> {
  const { quickjs, module } = await javascriptParts();
  const program = await JavascriptProgram.open(quickjs, module, tests.kind === "main" ? tests.input : "", limits);
  limits.onStarted();
  const error = program.load(text);
  if (tests.kind !== "main") {
    const failure = error ?? (program.hasEnded ? "the program has left" : null);
    const numTests = tests.kind === "calls" ? tests.cases.length : tests.tests.length;
    if (failure !== null) {
      for (let index = 0; index < numTests; index++) {
        report({ index, passed: false, message: failure, isMemory: /\bout of memory\b/.test(failure) });
      }
    } else if (tests.kind === "calls") {
      for (let index = 0; index < numTests; index++) {
        const answer = program.serve(callRequest(tests, index));
        report({ index, ...judgeCall(answer, tests, index, "javascript") });
      }
    } else {
      const job = { setup: tests.setup ?? "", tests: tests.tests, entryPoint: tests.entryPoint ?? null };
      try {
        await judgeJavascript(quickjs, module, program, job, limits, (index, verdict) => report({ index, ...verdict }));
      } catch (reason) {
        if (!(reason instanceof InvalidTests)) throw reason;
        say({ type: "invalid", message: reason.message });
      }
    }
  }
  const { end, stdout, stderr } = program.end(error);
  say({ type: "end", end, stdout, stderr });
}

async function pythonParts(): Promise<PythonParts> {
  if (setup.python === null) throw new Error("internal: no Python in this sandbox");
  const { module, library, shimUrl } = setup.python;
  return { shim: (await import(shimUrl)) as WasiShim, module, library };
}

async function javascriptParts(): Promise<{ readonly quickjs: QuickJs; readonly module: WebAssembly.Module }> {
  if (setup.javascript === null) throw new Error("internal: no JavaScript in this sandbox");
  return { quickjs: (await import(setup.javascript.quickjsUrl)) as QuickJs, module: setup.javascript.module };
}
