/**
 * What every command shares: how it prints, how it fails, and how it reads numbers. With --json a command prints exactly one JSON object as its
 * last line on standard output; everything for people (progress, warnings) goes to standard error.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { launchedRank } from "../distributed/launcher.js";

/** What a command found: the object for scripts and the text for people. */
export interface Outcome {
  readonly result: object;
  readonly text: string;
  /** A signal ended the work, and what there was is saved. Default false. */
  readonly isInterrupted?: boolean;
}

/** Work that a signal ended before there was anything to show. */
export class Interrupted extends RangeError {}

/** Exit code of a command that a signal ended: neither done (0) nor failed (1). */
export const interruptedCode = 130;

/** Adds --json and runs `body`, printing its outcome; a mistake of the user's becomes one line and exit code 1. */
export function act<T extends object>(
  command: Command,
  body: (args: readonly string[], options: T) => Promise<Outcome>,
): Command {
  command.option("--json", "print one JSON object on standard output");
  return command.action(async () => {
    const { json, ...options } = command.opts<T & { json?: boolean }>();
    try {
      const { result, text, isInterrupted = false } = await body(command.args, options as unknown as T);
      if ((launchedRank() ?? 0) > 0) return; // Of several processes the first speaks for all.
      process.stdout.write(json ? `${JSON.stringify(result)}\n` : text === "" ? "" : `${text}\n`);
      if (isInterrupted) process.exitCode = interruptedCode;
    } catch (error) {
      fail(error);
    }
  });
}

/** Prints an error and ends the process: one line for a user's mistake, the stack for one of ours. */
export function fail(error: unknown): never {
  const text = error instanceof Error ? (isUsers(error) ? error.message : error.stack) : String(error);
  process.stderr.write(`fathom: ${text}\n`);
  process.exit(error instanceof Interrupted ? interruptedCode : 1);
}

/** A signal that SIGINT aborts, for work that then has nothing to show. @param message what was and was not kept */
export function abortedBySigint(message: string): AbortSignal {
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort(new Interrupted(message)));
  return stop.signal;
}

/** Whether an error, or what caused it, is a mistake of the user's, of the system (ENOSPC, EACCES) or a tool that is not there (FATHOM_…). */
function isUsers(error: unknown): boolean {
  if (!(error instanceof Error) || error.message.startsWith("internal:")) return false;
  if (error instanceof RangeError || error instanceof TypeError) return true;
  if ("code" in error && typeof error.code === "string" && /^(E|FATHOM_)/.test(error.code)) return true;
  return isUsers(error.cause);
}

/** A line of progress. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** An option that takes a whole number of a range. */
export function integerOption(flags: string, description: string, low: number, high: number): Option {
  return new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < low || value > high) {
      throw new InvalidArgumentError(`expected a whole number from ${low} to ${high}.`);
    }
    return value;
  });
}

/** An option that takes a number of a range. */
export function numberOption(flags: string, description: string, low: number, high: number): Option {
  return new Option(flags, description).argParser((text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < low || value > high) {
      throw new InvalidArgumentError(`expected a number from ${low} to ${high}.`);
    }
    return value;
  });
}

/** --threads: how many threads the kernels use. */
export function threadsOption(): Option {
  return integerOption("--threads <n>", "threads to compute with (default: all cores)", 1, 1024);
}

/** For collecting a repeated option. */
export function repeated(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** 1234567 as 1,234,567. */
export function grouped(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Rows of cells as columns of equal width; numbers to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) => row.map(String));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return /^[-\d.,%x ]+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
