/**
 * QuickJS: a fresh WebAssembly instance with a memory of limited size for each program, and another one for the tests that judge it.
 * Both run in this thread; calls between them are plain function calls that carry text. The program gets five functions from us:
 * write, exit, run jobs, call back, and its standard input as a string.
 */
import { EndOfGuest } from "./channelFile.js";
import { type GuestEnd, type GuestLimits, type GuestRun, OutputBuffer, tooMuch } from "./guest.js";
import { javascriptJudge } from "./javascriptJudge.js";
import { javascriptGuest } from "./javascriptProgram.js";

export type QuickJs = typeof import("quickjs-emscripten");
type Context = import("quickjs-emscripten").QuickJSContext;
type Handle = import("quickjs-emscripten").QuickJSHandle;

/** Of the guest's own stack, well inside what its instance reserves. */
const stackBytes = 1 << 20;
const pageBytes = 65_536;
const initialPages = 256;

/** A runtime in an instance of its own. */
async function openContext(quickjs: QuickJs, module: WebAssembly.Module, limits: GuestLimits): Promise<Context> {
  const variant = quickjs.newVariant(quickjs.RELEASE_SYNC, {
    wasmModule: () => Promise.resolve(module),
    wasmMemory: () =>
      Promise.resolve(
        new WebAssembly.Memory({ initial: initialPages, maximum: Math.floor(limits.memoryBytes / pageBytes) }),
      ),
  });
  const wasm = await quickjs.newQuickJSWASMModuleFromVariant(variant);
  const runtime = wasm.newRuntime();
  // A little less than the instance may have, so that the runtime says "out of memory" before the instance breaks.
  runtime.setMemoryLimit(Math.floor(limits.memoryBytes * 0.9));
  runtime.setMaxStackSize(stackBytes);
  return runtime.newContext();
}

export class JavascriptProgram {
  readonly #context: Context;
  readonly #output: OutputBuffer;
  #parts: { readonly serve: Handle; readonly settle: Handle; readonly setNamespace: Handle } | null = null;
  #ending: EndOfGuest | { readonly exitCode: number } | null = null;
  /** Answers calls of the functions that the tests passed to the program. */
  onCallback: (request: string) => string = () => JSON.stringify({ thrown: "no function was passed to the program" });

  private constructor(context: Context, limits: GuestLimits) {
    this.#context = context;
    this.#output = new OutputBuffer(limits.outputBytes);
    context.runtime.setInterruptHandler(() => this.#ending !== null);
  }

  static async open(
    quickjs: QuickJs,
    module: WebAssembly.Module,
    stdin: string,
    limits: GuestLimits,
  ): Promise<JavascriptProgram> {
    const context = await openContext(quickjs, module, limits);
    const program = new JavascriptProgram(context, limits);
    const write = context.newFunction("write", (stream, text) => {
      program.#end(() => {
        const name = context.getString(stream) === "stderr" ? "stderr" : "stdout";
        // A long text is not even copied out.
        const length = context.getNumber(context.getProp(text, "length"));
        if (!(length <= limits.outputBytes)) throw tooMuch(limits.outputBytes, name);
        program.#output.write(name, Buffer.from(context.getString(text), "utf8"));
      });
    });
    const exit = context.newFunction("exit", (code) => {
      program.#ending ??= { exitCode: context.getNumber(code) };
      throw new Error("the program left");
    });
    const runJobs = context.newFunction("runJobs", () => {
      const ran = context.runtime.executePendingJobs();
      if (ran.error) return { error: ran.error };
      return undefined;
    });
    const callback = context.newFunction("callback", (request) =>
      context.newString(program.onCallback(context.getString(request))),
    );
    const make = context.unwrapResult(context.evalCode(javascriptGuest, "environment.js"));
    const parts = context.unwrapResult(
      context.callFunction(make, context.undefined, write, exit, runJobs, callback, context.newString(stdin)),
    );
    program.#parts = {
      serve: context.getProp(parts, "serve"),
      settle: context.getProp(parts, "settle"),
      setNamespace: context.getProp(parts, "setNamespace"),
    };
    return program;
  }

  /**
   * Executes the program and what it left waiting.
   * @returns what it threw, as the text a user would see; null if nothing
   */
  load(text: string): string | null {
    const context = this.#context;
    const type = /^\s*(export|import)\s/m.test(text) ? "module" : "global";
    const done = context.evalCode(text, "program.js", { type });
    if (done.error) return this.#describe(done.error);
    const settled = context.callFunction(this.#handles().settle, context.undefined);
    if (settled.error) return this.#describe(settled.error);
    if (type === "module") {
      const state = context.getPromiseState(done.value);
      if (state.type === "rejected") return this.#describe(state.error);
      if (state.type === "pending") return "Error: the program waits for what never comes";
      const set = context.callFunction(this.#handles().setNamespace, context.undefined, state.value);
      if (set.error) return this.#describe(set.error);
    }
    return null;
  }

  /** @returns the answer, JSON from untrusted code */
  serve(request: string): string {
    if (this.#ending !== null) return JSON.stringify({ thrown: this.#gone() });
    const context = this.#context;
    const answer = context.callFunction(this.#handles().serve, context.undefined, context.newString(request));
    if (answer.error)
      return JSON.stringify({ thrown: { name: "Error", message: this.#describe(answer.error), object: -1 } });
    const text = context.getString(answer.value);
    answer.value.dispose();
    return text;
  }

  /** How the program ended, if it did so by itself. */
  end(error: string | null): GuestRun {
    let end: GuestEnd = { kind: "done" };
    const ending = this.#ending;
    if (ending instanceof EndOfGuest) end = { kind: "output", message: ending.message };
    else if (ending !== null)
      end = ending.exitCode === 0 ? { kind: "done" } : { kind: "exited", code: ending.exitCode };
    else if (error !== null && isOutOfMemory(error)) end = { kind: "memory", message: error };
    else if (error !== null) end = { kind: "exited", code: 1 };
    const texts = this.#output.texts();
    const stderr = error === null || ending !== null ? texts.stderr : `${texts.stderr}${error}\n`;
    return { end, stdout: texts.stdout, stderr, sleptMs: 0 };
  }

  get hasEnded(): boolean {
    return this.#ending !== null;
  }

  #gone(): { readonly name: string; readonly message: string; readonly object: number } {
    const message = this.#ending instanceof EndOfGuest ? this.#ending.message : "the program has left";
    return { name: "Error", message, object: -1 };
  }

  #end(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (error instanceof EndOfGuest) this.#ending ??= error;
      throw error;
    }
  }

  #handles(): { readonly serve: Handle; readonly settle: Handle; readonly setNamespace: Handle } {
    if (this.#parts === null) throw new Error("internal: the program's runtime is not set up");
    return this.#parts;
  }

  #describe(error: Handle): string {
    return describeError(this.#context, error);
  }
}

export interface JavascriptVerdict {
  readonly passed: boolean;
  readonly message: string;
  readonly isMemory: boolean;
}

/** Tests that cannot judge anything. Not a RangeError, which V8 throws for a full stack too. */
export class InvalidTests extends Error {}

/**
 * Runs the tests in a runtime of their own.
 * @throws InvalidTests saying why they cannot judge anything
 */
export async function judgeJavascript(
  quickjs: QuickJs,
  module: WebAssembly.Module,
  program: JavascriptProgram,
  job: { readonly setup: string; readonly tests: readonly string[]; readonly entryPoint: string | null },
  limits: GuestLimits,
  report: (index: number, verdict: JavascriptVerdict) => void,
): Promise<void> {
  const context = await openContext(quickjs, module, limits);
  const sources = [job.setup, ...job.tests].map((source) =>
    /\bawait\b/.test(source) ? `(async () => {${source}\n})()` : source,
  );
  for (const source of sources) {
    const compiled = context.evalCode(source, "tests.js", { compileOnly: true });
    if (compiled.error) throw new InvalidTests(describeError(context, compiled.error));
  }
  const ask = context.newFunction("ask", (request) => context.newString(program.serve(context.getString(request))));
  const make = context.unwrapResult(context.evalCode(javascriptJudge, "judge.js"));
  const parts = context.unwrapResult(context.callFunction(make, context.undefined, ask));
  const call = context.getProp(parts, "call");
  program.onCallback = (request) => {
    const answer = context.callFunction(call, context.undefined, context.newString(request));
    if (answer.error) return JSON.stringify({ thrown: describeError(context, answer.error) });
    return context.getString(answer.value);
  };
  const isUsed = (): boolean =>
    context.dump(context.unwrapResult(context.callFunction(context.getProp(parts, "isUsed"), parts))) === true;
  const words = JSON.stringify([
    ...new Set([job.setup, ...job.tests].join("\n").match(/[\p{L}_$][\p{L}\p{N}_$]*/gu) ?? []),
  ]);
  const prepared = context.callFunction(
    context.getProp(parts, "prepare"),
    context.undefined,
    context.unwrapResult(context.evalCode(words)),
    context.unwrapResult(context.evalCode(JSON.stringify(job.entryPoint))),
  );
  const broken = prepared.error
    ? `the program answers nothing that can be read: ${describeError(context, prepared.error)}`
    : "";
  const run = (source: string): string => {
    const done = context.evalCode(source, "tests.js");
    if (done.error) return describeError(context, done.error) || "Error";
    if (!source.startsWith("(async () => {")) return "";
    const jobs = context.runtime.executePendingJobs();
    if (jobs.error) return describeError(context, jobs.error) || "Error";
    const state = context.getPromiseState(done.value);
    if (state.type === "rejected") return describeError(context, state.error) || "Error";
    return state.type === "pending" ? "Error: the test waits for what never comes" : "";
  };
  const [setup = "", ...tests] = sources;
  const failure = broken || run(setup);
  if (failure !== "" && broken === "" && !isUsed() && !failure.startsWith("ReferenceError"))
    throw new InvalidTests(`setup: ${failure}`);
  let numPassed = 0;
  tests.forEach((source, index) => {
    const message = failure === "" ? run(source) : broken || `setup: ${failure}`;
    if (message === "") numPassed++;
    report(index, { passed: message === "", message, isMemory: isOutOfMemory(message) });
  });
  if (numPassed === tests.length && !isUsed()) throw new InvalidTests("the tests use nothing of the program");
}

function describeError(context: Context, error: Handle): string {
  const dumped: unknown = context.dump(error);
  if (typeof dumped !== "object" || dumped === null) return `thrown: ${String(dumped)}`.slice(0, 2000);
  const { name = "Error", message = "" } = dumped as { readonly name?: unknown; readonly message?: unknown };
  return `${String(name)}: ${String(message)}`.slice(0, 2000);
}

export function isOutOfMemory(message: string): boolean {
  return /\bout of memory\b/.test(message);
}
