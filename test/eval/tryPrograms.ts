/**
 * Stands for the sandbox in tests of code benchmarks: nothing is run. A test says what each program does and looks at the programs that
 * would have been run, text for text.
 */
import type { Program, ProgramResult, ScoringTools } from "../../src/eval/taskFile.js";

/**
 * What a program does: "passes" prints the word that its last statement prints, "leaves" ends without it, "raises" ends with exit code 1,
 * "hangs" is stopped; `prints` ends well with that output.
 */
export type Behaviour = "passes" | "leaves" | "raises" | "hangs" | { readonly prints: string };

function resultOf(behaviour: Behaviour, source: string): ProgramResult {
  const ended = { status: "exit", exitCode: 0, stdout: "", stderr: "" } as const;
  if (typeof behaviour === "object") return { ...ended, stdout: behaviour.prints };
  switch (behaviour) {
    case "passes":
      return { ...ended, stdout: `${/"([0-9a-f]{24})"\S*\s*$/.exec(source)?.[1] ?? ""}\n` };
    case "leaves":
      return ended;
    case "raises":
      return { ...ended, exitCode: 1, stderr: "Traceback\nAssertionError" };
    case "hangs":
      return { ...ended, status: "timeout", exitCode: null };
    default:
      return behaviour satisfies never;
  }
}

/** Tools for a scorer, and the programs that were handed to them. */
export function toolsRunning(behave: (program: Program) => Behaviour): {
  readonly tools: ScoringTools;
  readonly programs: Program[];
} {
  const programs: Program[] = [];
  const tools: ScoringTools = {
    judge: () => Promise.reject(new Error("no judge in this test")),
    runProgram: async (program) => {
      programs.push(program);
      return resultOf(behave(program), program.source);
    },
  };
  return { tools, programs };
}

/** The source without the line that prints the word nobody can guess. */
export function withoutWord({ source }: Program): string {
  return source.replace(/\n\S*\(?\s?"[0-9a-f]{24}"\S*\n$/, "");
}
