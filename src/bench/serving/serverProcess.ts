/** `fathom serve` as a process of its own, from its start until it is told to go. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Say } from "../rounds.js";

export interface ServerProcess {
  readonly url: string;
  /** Tells it to finish, and kills it if it does not. */
  close(): Promise<void>;
}

/** Milliseconds after SIGTERM in which the process has to end. */
const endMs = 15_000;

/**
 * Starts a server on a free port and waits until it listens, however long its model takes to open.
 * @param mainFile the command's own file @param args words after `serve` @param say gets what the server then says
 * @throws RangeError with the process's last words if it ends before
 */
export async function startServer(mainFile: string, args: readonly string[], say: Say): Promise<ServerProcess> {
  // A key of the environment is meant for other servers.
  const { FATHOM_API_KEY: _, ...env } = process.env;
  const words = ["serve", ...args, "--port", "0", "--log-level", "error"];
  const child = spawn(process.execPath, [mainFile, ...words], { stdio: ["ignore", "ignore", "pipe"], env });
  const killed = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", killed);
  child.once("exit", () => process.off("exit", killed));
  const url = await listening(child, say);
  return { url, close: () => closed(child) };
}

function listening(child: ChildProcess, say: Say): Promise<string> {
  let text = "";
  let isListening = false;
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      if (isListening) {
        say(part.trimEnd()); // errors of requests, or that it goes
        return;
      }
      text = (text + part).slice(-10_000);
      const url = /listening on (http:\S+)/.exec(text)?.[1];
      if (url === undefined) return;
      isListening = true;
      resolve(url);
    });
    child.on("close", (code, signal) => {
      const said = text.split("\n").find((line) => line.startsWith("fathom: ")) ?? text.trim().split("\n").at(-1);
      reject(new RangeError(`bench serve: the server ended with ${signal ?? code}: ${said?.replace(/^fathom: /, "")}`));
    });
  });
}

async function closed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), endMs);
  await ended;
  clearTimeout(late);
}
