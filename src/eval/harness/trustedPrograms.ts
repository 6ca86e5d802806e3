/**
 * Runs generated programs as this user's own processes, in a folder that is removed afterwards, with limits on time, output and processor
 * use. That is no sandbox: a program can read files and reach the network. It is for languages that the sandbox does not have, and for
 * people who have said that they trust the model (--confirm-run-unsafe-code), or who run the whole evaluation in a container.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Language } from "../../sandbox/program.js";
import type { Program, ProgramLanguage, ProgramResult } from "../taskFile.js";

/** Languages that run here; the sandbox has the others. */
export type TrustedLanguage = Exclude<ProgramLanguage, Language>;

interface Toolchain {
  readonly file: string;
  /** Turns the file into what `run` starts; null: nothing to do. */
  readonly compile: readonly string[] | null;
  readonly run: readonly string[];
}

const toolchains: Readonly<Record<TrustedLanguage, Toolchain>> = {
  typescript: { file: "main.ts", compile: ["tsc", "--target", "es2022", "main.ts"], run: ["node", "main.js"] },
  bash: { file: "main.sh", compile: null, run: ["bash", "main.sh"] },
  php: { file: "main.php", compile: null, run: ["php", "main.php"] },
  cpp: { file: "main.cpp", compile: ["g++", "-std=c++17", "-O1", "-o", "main", "main.cpp"], run: ["./main"] },
  java: { file: "Main.java", compile: ["javac", "Main.java"], run: ["java", "-cp", ".", "Main"] },
  csharp: { file: "main.cs", compile: ["mcs", "-out:main.exe", "main.cs"], run: ["mono", "main.exe"] },
};

const mostOutput = 64 * 1024;
const compileSeconds = 60;

export function isTrustedLanguage(language: ProgramLanguage): language is TrustedLanguage {
  return language in toolchains;
}

/** @throws RangeError if a tool of the language is not on this machine */
export async function runTrusted(
  program: Program & { readonly language: TrustedLanguage },
  path = process.env.PATH,
): Promise<ProgramResult> {
  const { language, source, stdin = "", timeoutSeconds } = program;
  const missing = missingTool(language, path);
  if (missing !== null) throw new RangeError(`programs in ${language} need ${missing}, which is not on this machine`);
  const { file, compile, run } = toolchains[language];
  const folder = mkdtempSync(join(tmpdir(), "fathom-program-"));
  try {
    writeFileSync(join(folder, file), source);
    if (compile) {
      const compiled = await runCommand(compile, folder, "", compileSeconds, path);
      if (compiled.status !== "exit" || compiled.exitCode !== 0) return compiled;
    }
    return await runCommand(run, folder, stdin, timeoutSeconds, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The first tool of the language that is not on this machine; null: all are. */
export function missingTool(language: TrustedLanguage, path: string | undefined): string | null {
  const { compile, run } = toolchains[language];
  const tools = [compile?.[0], run[0]].filter((tool) => tool !== undefined && !tool.startsWith("./"));
  return tools.find((tool) => !isOnPath(tool ?? "", path)) ?? null;
}

function isOnPath(tool: string, path = ""): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Limits beside the clock: seconds of the processor, and 64 MiB a file (in blocks of 512 bytes). */
const limits = 'ulimit -t "$1"; ulimit -f 131072; shift; exec "$@"';

function runCommand(
  command: readonly string[],
  folder: string,
  stdin: string,
  seconds: number,
  path: string | undefined,
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", limits, "sh", String(Math.ceil(seconds) + 1), ...command], {
      cwd: folder,
      env: { PATH: path ?? "", HOME: folder, TMPDIR: folder, LANG: "C.UTF-8" },
      // A group of its own, so that what it starts ends with it.
      detached: true,
    });
    let isLate = false;
    const kill = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    };
    const timer = setTimeout(() => {
      isLate = true;
      kill();
    }, seconds * 1000);
    const outputs = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (piece: string) => {
        if (outputs[name].length < mostOutput) outputs[name] = (outputs[name] + piece).slice(0, mostOutput);
      });
    }
    child.stdin.on("error", () => {}); // A program need not read it.
    child.stdin.end(stdin);
    child.on("error", reject);
    child.on("close", (exitCode) => {
      clearTimeout(timer);
      kill();
      resolve({ status: isLate ? "timeout" : exitCode === null ? "killed" : "exit", exitCode, ...outputs });
    });
  });
}
