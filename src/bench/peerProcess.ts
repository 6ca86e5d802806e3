/**
 * A program to compare with, kept running beside us: it says when it is ready, then does one run for each line it is sent and answers with a
 * line of JSON that tells the seconds. It sits idle while we measure, so that both have the machine to themselves.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { isObject } from "../files/json.js";

/** A peer that runs, or one line that says what is missing and how to install it. */
export type Peer = RunningPeer | { readonly missing: string };

export interface RunningPeer {
  readonly name: string;
  /** Sends a line and waits. @returns seconds, by the peer's clock @throws Error if it ends or says something else */
  run(line: string): Promise<number>;
  close(): void;
}

export interface PeerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts a peer and waits until it is ready.
 * @param nameOf its name, from what it says when it is ready
 * @throws Error with the last line of its standard error if it ends before
 */
export async function startPeer(
  { program, args, cwd, env }: PeerCommand,
  nameOf: (ready: Readonly<Record<string, unknown>>) => string,
): Promise<RunningPeer> {
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "pipe"],
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, ...env },
  });
  const answers = new Answers(child);
  const ready = await answers.next();
  const name = nameOf(ready);
  return {
    name,
    async run(line) {
      child.stdin.write(`${line}\n`);
      const { seconds } = await answers.next();
      if (typeof seconds !== "number" || !(seconds > 0))
        throw new Error(`${name}: no seconds in its answer to ${line}`);
      return seconds;
    },
    close() {
      child.stdin.end();
      child.kill();
    },
  };
}

/** The lines of a child that are JSON objects, one at a time. */
class Answers {
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<string>;
  #errors = "";

  constructor(child: ChildProcess) {
    if (!child.stdout || !child.stderr || !child.stdin) throw new Error("internal: a peer without pipes");
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = (this.#errors + text).slice(-10_000);
    });
    // A peer that is gone is reported by the next answer that does not come.
    child.stdin.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      child.on("error", (error) => resolve(error.message));
      child.on("close", (code, signal) => resolve(lastLine(this.#errors) ?? `ended with ${signal ?? code}`));
    });
  }

  async next(): Promise<Readonly<Record<string, unknown>>> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(await this.#ended);
      if (!value.startsWith("{")) continue;
      const answer: unknown = JSON.parse(value);
      if (isObject(answer)) return answer;
    }
  }
}

function lastLine(text: string): string | null {
  return text.trimEnd().split("\n").at(-1)?.trim() || null;
}
