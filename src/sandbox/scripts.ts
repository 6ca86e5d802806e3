/** What is asked of a Python program, as its answers come in: the calls of a test, or what the judge in the other thread asks. */
import type { Script } from "./channelFile.js";
import type { GuestResult } from "./guestTask.js";
import type { AssertTests, CallTests, Language } from "./program.js";
import type { SyncLink } from "./syncLink.js";
import { describeTree, matches, toTree } from "./values.js";

export interface ProgramScript extends Script {
  /** Called when the program's interpreter is no more: tests that are left hear so. */
  readonly finish: (gone: string) => void;
}

export type Report = (result: GuestResult) => void;

/** Loads the program, then calls the function once per case; values are compared here. */
export function callsScript(program: string, tests: CallTests, report: Report): ProgramScript {
  let asked = -1;
  return {
    next(reply) {
      if (reply === null) return JSON.stringify({ do: "load", program });
      if (asked < 0) {
        const failure = failureOf(reply);
        if (failure !== null) {
          for (asked = 0; asked < tests.cases.length; asked++) report({ index: asked, passed: false, ...failure });
          return null;
        }
      } else report({ index: asked, ...judgeCall(reply, tests, asked, "python") });
      asked++;
      return asked < tests.cases.length ? callRequest(tests, asked) : null;
    },
    finish(gone) {
      for (asked = Math.max(asked, 0); asked < tests.cases.length; asked++) {
        report({ index: asked, passed: false, message: gone, isMemory: false });
      }
    },
  };
}

export function callRequest(tests: CallTests, index: number): string {
  const args = (tests.cases[index]?.args ?? []).map(toTree);
  return JSON.stringify({ do: "entry", name: tests.entryPoint, args });
}

/** @param reply untrusted */
export function judgeCall(
  reply: string,
  tests: CallTests,
  index: number,
  language: Language,
): Omit<GuestResult, "index"> {
  const failure = failureOf(reply);
  if (failure !== null) return { passed: false, ...failure };
  const { value } = JSON.parse(reply) as { readonly value: unknown };
  const expected = tests.cases[index]?.expected;
  try {
    if (matches(value, expected, language, tests.tolerance ?? 0)) return { passed: true, message: "", isMemory: false };
    const wanted = describeTree(toTree(expected ?? null));
    return { passed: false, message: `returned ${describeTree(value)}, expected ${wanted}`, isMemory: false };
  } catch (error) {
    return { passed: false, message: `returned what cannot be read: ${String(error)}`, isMemory: false };
  }
}

export interface JudgedBy {
  readonly report: Report;
  readonly invalid: (message: string) => void;
  /** Stops the program's time while the judge starts. */
  readonly clock: (runs: boolean) => void;
}

/** Hands everything on to the judge's thread, and to the program what the judge asks. */
export function assertsScript(
  program: string,
  tests: AssertTests,
  link: SyncLink,
  { report, invalid, clock }: JudgedBy,
): ProgramScript {
  let state: "loading" | "judging" | "over" = "loading";
  let numReported = 0;
  /** All tests from the first that has no result yet. */
  const reportAll = (message: string, isMemory: boolean): void => {
    for (; numReported < tests.tests.length; numReported++) {
      report({ index: numReported, passed: false, message, isMemory });
    }
  };
  /** Until the judge asks something of the program. */
  const listen = (): string | null => {
    for (;;) {
      const message = link.receive() as JudgeMessage;
      if (message.type === "started") {
        clock(true);
        continue;
      }
      if (message.type === "ended") {
        state = "over";
        // What the program returned may have done it, so that it counts against the program.
        if (message.failure !== null) reportAll(`the tests' interpreter is gone: ${message.failure}`, false);
        return null;
      }
      const frame = JSON.parse(message.frame) as JudgeFrame;
      if (frame.to === "program") return message.frame;
      link.send("{}");
      if ("invalid" in frame) invalid(frame.invalid);
      else if ("failed" in frame) reportAll(frame.failed, false);
      else if ("done" in frame) {
        if (!frame.done) invalid("the tests use nothing of the program");
      } else {
        report({ index: frame.index, passed: frame.passed, message: frame.message, isMemory: frame.memory });
        numReported = frame.index + 1;
      }
    }
  };
  return {
    next(reply) {
      if (reply === null) return JSON.stringify({ do: "load", program });
      if (state === "loading") {
        const failure = failureOf(reply);
        if (failure !== null) {
          state = "over";
          reportAll(failure.message, failure.isMemory);
          return null;
        }
        state = "judging";
        clock(false);
        link.send(
          JSON.stringify({ setup: tests.setup ?? "", tests: tests.tests, entryPoint: tests.entryPoint ?? null }),
        );
      } else link.send(reply);
      return listen();
    },
    finish(gone) {
      if (state === "loading") reportAll(gone, false);
      if (state !== "judging") return;
      // The judge waits for an answer.
      do link.send(JSON.stringify({ gone }));
      while (listen() !== null);
    },
  };
}

export type JudgeMessage =
  | { readonly type: "started" }
  | { readonly type: "frame"; readonly frame: string }
  | { readonly type: "ended"; readonly failure: string | null };

type JudgeFrame =
  | { readonly to: "program" }
  | { readonly to: "host"; readonly invalid: string }
  | { readonly to: "host"; readonly failed: string }
  | { readonly to: "host"; readonly done: boolean }
  | {
      readonly to: "host";
      readonly index: number;
      readonly passed: boolean;
      readonly message: string;
      readonly memory: boolean;
    };

/** The judge's side: its first request is the tests, then it asks and gets answers. */
export function judgeScript(job: string, link: SyncLink): Script {
  return {
    next(frame) {
      if (frame === null) return job;
      link.send({ type: "frame", frame } satisfies JudgeMessage);
      return link.receive() as string;
    },
  };
}

/** What an untrusted reply says went wrong; null if it holds a value. */
function failureOf(reply: string): { readonly message: string; readonly isMemory: boolean } | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(reply);
  } catch {
    return { message: "the program's answer is not readable", isMemory: false };
  }
  if (typeof parsed !== "object" || parsed === null)
    return { message: "the program's answer is not readable", isMemory: false };
  if ("error" in parsed && Array.isArray(parsed.error)) {
    const [classes, text] = parsed.error as unknown[];
    const name = Array.isArray(classes) ? String(classes[0]) : "an error";
    return { message: text ? `${name}: ${String(text)}` : name, isMemory: name === "MemoryError" };
  }
  if ("thrown" in parsed) {
    const thrown = parsed.thrown as { readonly name?: unknown; readonly message?: unknown } | null;
    const message = `${String(thrown?.name ?? "thrown")}: ${String(thrown?.message ?? "a value that is no error")}`;
    return { message, isMemory: /\bout of memory\b/.test(message) };
  }
  return "value" in parsed ? null : { message: "the program's answer holds no value", isMemory: false };
}
