/** Builds and runs the kernel driver of native/driver for one target of scripts/build-driver.mjs. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CallArgument, type ElementType, encodeCalls, input, type KernelCall, output, toBytes } from "./calls.js";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** The path of the built driver. @throws Error with the compiler's message, or with what to install */
export function buildDriver(target: "aarch64" | "address" | "thread"): string {
  const result = spawnSync(process.execPath, [join(root, "scripts", "build-driver.mjs"), target], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`building the ${target} driver failed:\n${result.stdout}${result.stderr}`);
  return result.stdout.trim().split("\n").at(-1) ?? "";
}

/** Runs a command and returns what it prints. @throws Error with its output if it fails */
export function runCommand(command: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const [program, ...args] = command;
  const result = spawnSync(program ?? "", args, {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 28,
  });
  const printed = `${result.stdout}${result.stderr}`;
  if (result.error) throw new Error(`cannot start ${program}: ${result.error.message}`);
  if (result.status !== 0)
    throw new Error(`${command.join(" ")} ended with ${result.status ?? result.signal}:\n${printed.slice(0, 8000)}`);
  return printed;
}

/** A file of `calls` in a folder of its own, removed after `body`. */
export function withCallFile<T>(calls: readonly KernelCall[], body: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "fathom-calls-"));
  try {
    const path = join(folder, "calls.bin");
    writeFileSync(path, encodeCalls(calls));
    return body(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface StoredOperand {
  readonly type: ElementType;
  readonly values: readonly number[];
  /** An output: what `values` must become. */
  readonly becomes?: readonly number[];
  readonly within?: number;
}

/** The calls of test/native/vectors/worked.json, whose results were worked out by hand or are published known answers. */
export function workedCalls(): KernelCall[] {
  const text = readFileSync(join(root, "test", "native", "vectors", "worked.json"), "utf8");
  const file = JSON.parse(text) as { calls: { kernel: string; args: (number | null | StoredOperand)[] }[] };
  return file.calls.map(({ kernel, args }) => ({
    kernel,
    args: args.map((arg): CallArgument => {
      if (arg === null || typeof arg === "number") return arg;
      if (!arg.becomes) return input(arg.values, arg.type);
      const operand = output(arg.values, arg.type, arg.within ?? 0, arg.within ?? 0);
      operand.expected = toBytes(arg.becomes, arg.type);
      return operand;
    }),
  }));
}
