/** What every command of `fathom distill` does around its work: have the working directory for itself, and end well when it is told to stop. */
import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { lockRun } from "../checkpoint/runDirectory.js";
import { files } from "../posttrain/distill/records.js";
import { Interrupted, say } from "./output.js";

/** The argument that names the directory. */
export const directoryArgument = ["<dir>", "the working directory"] as const;

/** What must be there before: nothing, the directory, or its prompts. */
export type Needed = "nothing" | "directory" | "prompts";

/** Called by work that can stop in the middle: from then on Ctrl-C no longer ends the process, but aborts the signal. */
export type Stoppable = () => AbortSignal;

/**
 * Does work with the directory locked. Work that is not stoppable may be killed at any time: it replaces files as a whole.
 * @throws RangeError for a directory that lacks what is needed, or that another process works in
 */
export async function inDirectory<T>(
  directory: string,
  needed: Needed,
  work: (stoppable: Stoppable) => Promise<T>,
): Promise<T> {
  const wasThere = existsSync(directory);
  if (needed === "directory" && !wasThere) throw new RangeError(`${directory}: no such directory`);
  if (needed === "prompts" && !existsSync(join(directory, files.prompts))) {
    throw new RangeError(`${directory}: no ${files.prompts} there; fathom distill prompts ${directory} makes it`);
  }
  const stop = new AbortController();
  const onSignal = (): void => {
    if (!stop.signal.aborted) say("stopping; what is finished is kept, and the same command goes on from there");
    stop.abort(new Interrupted(`${directory}: interrupted`));
  };
  let unlock: (() => void) | null = null;
  try {
    unlock = lockRun(directory);
    return await work(() => {
      process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
      return stop.signal;
    });
  } finally {
    unlock?.();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    if (!wasThere && existsSync(directory) && readdirSync(directory).length === 0) rmdirSync(directory);
  }
}
