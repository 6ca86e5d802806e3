/** `fathom serve` as a process, on a random model of 50,000 parameters with a tokenizer of single bytes. */
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { writeRandomModel } from "../../src/checkpoint/randomModel.js";
import type { EngineStats } from "../../src/generate/request.js";
import { parseModelConfig } from "../../src/model/config.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { type Running, type RunOptions, smallConfig, start } from "./command.js";

export interface Served {
  readonly running: Running;
  readonly url: string;
  /** Standard error so far. */
  readonly log: () => string;
}

/** A model of 512 positions. */
export function writeSmallModel(directory: string, seed = 1): void {
  const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
  const sizes = { vocab_size: tokenizer.vocabSize, max_position_embeddings: 512 };
  const config = parseModelConfig({ ...smallConfig, ...sizes }, "test config");
  writeRandomModel(directory, config, { dtype: "float32", seed, maxShardBytes: 1e9 });
  tokenizer.save(directory);
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
    if (child.signalCode !== null) throw new Error(`the server was ended by ${child.signalCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("waited for 30 seconds in vain");
}

/** What the engine of the first model says of itself. */
export async function engineStats({ url }: Served): Promise<EngineStats> {
  const { models } = (await (await fetch(`${url}/props`)).json()) as { models: { engine: EngineStats }[] };
  const [first] = models;
  if (!first) throw new Error("the server names no model");
  return first.engine;
}

/** Waits until nothing runs, waits or is held. @returns the numbers then */
export async function idle(served: Served): Promise<EngineStats> {
  return found(async () => {
    const stats = await engineStats(served);
    return stats.running + stats.waiting + stats.pages.used === 0 ? stats : null;
  }, served.running);
}

/** Open files and resident memory of the server, by /proc. */
export function held({ running: { child } }: Served): { readonly files: number; readonly megabytes: number } {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  return { files: readdirSync(`/proc/${child.pid}/fd`).length, megabytes: kilobytes / 1024 };
}

export interface Posted {
  /** Null if the connection was given up, by either side. */
  readonly status: number | null;
  readonly text: string;
  readonly type: string;
}

/** When a client gives up: after so many milliseconds, or after so many pieces of the answer. */
export interface Patience {
  readonly ms?: number;
  readonly pieces?: number;
}

/** Posts over a connection of its own, which is closed afterwards. Never throws. */
export function post(
  url: string,
  body: string,
  { ms, pieces = Number.POSITIVE_INFINITY }: Patience = {},
  type = "application/json",
): Promise<Posted> {
  return new Promise((resolve) => {
    const headers = { "content-type": type, "content-length": Buffer.byteLength(body) };
    const sent = request(url, { method: "POST", agent: false, headers }, (response) => {
      let text = "";
      let count = 0;
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
        if (++count >= pieces) leave();
      });
      response.on("close", () => {
        clearTimeout(timer);
        const status = response.complete && !hasLeft ? (response.statusCode ?? null) : null;
        resolve({ status, text, type: response.headers["content-type"] ?? "" });
      });
      response.on("error", () => {});
    });
    // What has arrived may be the whole answer, but is not read any more.
    let hasLeft = false;
    const leave = (): void => {
      hasLeft = true;
      sent.destroy();
    };
    const timer = ms === undefined ? undefined : setTimeout(leave, ms);
    sent.on("error", () => {
      clearTimeout(timer);
      resolve({ status: null, text: "", type: "" });
    });
    sent.end(body);
  });
}
