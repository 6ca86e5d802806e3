/** What every command of `fathom distill` does around its work: have the working directory for itself, and end well when it is told to stop. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { lockRun } from "../checkpoint/runDirectory.js";
import { files } from "../posttrain/distill/records.js";
import { Interrupted, say } from "./output.js";

/** The argument that names the directory. */
export const directoryArgument = ["<dir>", "the working directory"] as const;

/**
 * @param isBegun the directory must have its prompts already
 * @param work its signal comes with Ctrl-C: what is finished by then is kept
 * @throws RangeError for a directory without prompts, or one that another process works in
 */
export async function inDirectory<T>(
  directory: string,
  isBegun: boolean,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (isBegun && !existsSync(join(directory, files.prompts))) {
    throw new RangeError(`${directory}: no ${files.prompts} there; fathom distill prompts ${directory} makes it`);
  }
  const stop = new AbortController();
  const onSignal = (): void => {
    if (!stop.signal.aborted) say("stopping; what is finished is kept, and the same command goes on from there");
    stop.abort(new Interrupted(`${directory}: interrupted`));
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  let unlock: (() => void) | null = null;
  try {
    unlock = lockRun(directory);
    return await work(stop.signal);
  } finally {
    unlock?.();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}
