/** `fathom serve` as a process of a test: started on a free port, waited for. */
import { type Running, type RunOptions, start } from "./command.js";

export interface Served {
  readonly running: Running;
  readonly url: string;
  readonly log: () => string;
}

/** Starts a server on a free port and waits until it listens. */
export async function serve(args: readonly string[], options: RunOptions = {}): Promise<Served> {
  const running = start(["serve", ...args, "--port", "0", "--threads", "1", "--json"], options);
  let text = "";
  running.child.stderr?.on("data", (part: string) => {
    text += part;
  });
  const url = await found(() => /listening on (http:\S+)/.exec(text)?.[1] ?? null, running);
  return { running, url, log: () => text };
}

/** Waits for what `look` finds. */
export async function found<T>(look: () => T | null | Promise<T | null>, { child }: Running): Promise<T> {
  for (let i = 0; i < 1500; i++) {
    const value = await look();
    if (value !== null) return value;
    if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("waited for 30 seconds in vain");
}
