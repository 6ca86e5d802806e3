/**
 * Rewards from a file that a user writes, TypeScript or JavaScript: every function it exports is one. They run in a worker thread, which is
 * ended when one takes longer than it may and started anew for the next call, so that a file can neither hang a run nor be cut off from
 * Node's modules or the user's packages. docs/rewards.md shows how to write one.
 *
 * An exported object `options` may give each function a weight and a deadline: `{ short: { weight: 0.5, timeoutMs: 2000 } }`.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { compiledFolder } from "../../files/compiledFolder.js";
import { isObject } from "../../files/json.js";
import { checkReward, DeadlineError, defaultTimeoutMs, type Reward, type RewardSample, type Score } from "./reward.js";
import type { RewardCall, RewardWorkerMessage, RewardWorkerSetup } from "./rewardWorker.js";

export interface RewardFile {
  readonly rewards: readonly Reward[];
  readonly close: () => Promise<void>;
}

/** @throws RangeError if the file cannot be read, does not load, or exports no function */
export async function openRewardFile(path: string): Promise<RewardFile> {
  const file = resolve(path);
  if (!existsSync(file))
    throw new RangeError(`${path}: no such file; a reward is a built-in name or a file that exports functions`);
  const { folder, remove } = await compiledFolder(import.meta.url, "fathom-reward-");
  const url = (name: string): string => pathToFileURL(join(folder, name)).href;
  const setup: RewardWorkerSetup = {
    fileUrl: pathToFileURL(file).href,
    typescript: compilerFor(path, file, url("typescriptHooks.js")),
  };
  const thread = new RewardThread(path, new URL(url("rewardWorker.js")), setup);
  const close = async (): Promise<void> => {
    await thread.close();
    remove();
  };
  try {
    const { exports, options } = await thread.start();
    if (exports.length === 0)
      throw new RangeError(`${path}: exports no function; export one that takes samples and returns their scores`);
    return { rewards: exports.map((name) => rewardOf(path, name, options, thread)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What compiles the file, if Node does not. */
function compilerFor(path: string, file: string, hooksUrl: string): RewardWorkerSetup["typescript"] {
  const extension = extname(file);
  if ([".js", ".mjs", ".cjs"].includes(extension)) return null;
  if (![".ts", ".mts"].includes(extension)) {
    throw new RangeError(`${path}: a file of rewards ends in .ts, .mts, .js, .mjs or .cjs`);
  }
  for (const from of [file, import.meta.url]) {
    try {
      return { hooksUrl, typescriptUrl: pathToFileURL(createRequire(from).resolve("typescript")).href };
    } catch {
      // The user's own compiler first, then one beside this package.
    }
  }
  // Node's own reading strips types and no more: no enums, and no `./x.js` for `./x.ts`.
  if ("typescript" in process.features && process.features.typescript) return null;
  throw new RangeError(
    `${path}: Node ${process.version} does not read TypeScript. Run: npm install --save-dev typescript` +
      " (or take Node 22.18 or later, or write it in JavaScript)",
  );
}

function rewardOf(path: string, exportName: string, options: unknown, thread: RewardThread): Reward {
  const name = exportName === "default" ? basename(path).replace(/\.[^.]+$/, "") : exportName;
  const own = isObject(options) ? options[name] : undefined;
  const { weight = 1, timeoutMs = defaultTimeoutMs } = isObject(own) ? own : {};
  if (typeof weight !== "number" || typeof timeoutMs !== "number") {
    throw new RangeError(`${path}: options.${name}: weight and timeoutMs must be numbers, got ${JSON.stringify(own)}`);
  }
  checkReward(name, weight, timeoutMs);
  return { name, weight, timeoutMs, score: (samples) => thread.call(exportName, samples, timeoutMs) };
}

interface Call {
  readonly exportName: string;
  readonly samples: readonly RewardSample[];
  readonly timeoutMs: number;
  readonly resolve: (scores: readonly Score[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Exports {
  readonly exports: readonly string[];
  readonly options: unknown;
}

/**
 * The thread at hand and its calls, one after the other: a call's time counts from its turn, so that one that hangs is the one that is
 * blamed. The thread is ended with it, and the next call gets a new one.
 */
class RewardThread {
  readonly #path: string;
  readonly #workerUrl: URL;
  readonly #setup: RewardWorkerSetup;
  readonly #waiting: Call[] = [];
  #running: Call | null = null;
  #timer: NodeJS.Timeout | undefined;
  #worker: Worker | null = null;
  #started: Promise<Exports> | null = null;
  #isClosed = false;

  constructor(path: string, workerUrl: URL, setup: RewardWorkerSetup) {
    this.#path = path;
    this.#workerUrl = workerUrl;
    this.#setup = setup;
  }

  /** Loads the file, if no thread has it loaded. */
  start(): Promise<Exports> {
    this.#started ??= new Promise((resolve, reject) => {
      // Flags of the caller's program are not meant for this thread; Node 22 refuses some of them here.
      const worker = new Worker(this.#workerUrl, { workerData: this.#setup, execArgv: [] });
      this.#worker = worker;
      const gone = (error: Error): void => {
        reject(error);
        if (worker !== this.#worker) return;
        this.#drop();
        this.#finish()?.reject(error);
      };
      worker.on("error", (error) => gone(new Error(`${this.#path}: ${error.message}`)));
      worker.on("exit", (code) => gone(new Error(`${this.#path}: its thread ended with code ${code}`)));
      worker.on("message", (message: RewardWorkerMessage) => {
        if (worker !== this.#worker) return;
        if ("exports" in message) {
          worker.unref();
          resolve(message);
        } else if ("failed" in message) gone(new RangeError(`${this.#path}: does not load: ${message.failed}`));
        else if ("error" in message) this.#finish()?.reject(new Error(message.error));
        // What it returned is checked where all rewards are.
        else this.#finish()?.resolve(message.scores as readonly Score[]);
      });
    });
    return this.#started;
  }

  call(exportName: string, samples: readonly RewardSample[], timeoutMs: number): Promise<readonly Score[]> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new Error(`${this.#path}: is closed`);
      this.#waiting.push({ exportName, samples, timeoutMs, resolve, reject });
      void this.#next();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const unfinished = [this.#finish(), ...this.#waiting.splice(0)];
    for (const call of unfinished) call?.reject(new Error(`${this.#path}: is closed`));
    await this.#drop();
  }

  async #next(): Promise<void> {
    if (this.#running !== null) return;
    const call = this.#waiting.shift();
    if (call === undefined) return;
    this.#running = call;
    try {
      await this.start();
    } catch (error) {
      if (this.#running === call) this.#finish()?.reject(error);
      return;
    }
    if (this.#running !== call) return;
    this.#timer = setTimeout(() => {
      void this.#drop();
      this.#finish()?.reject(new DeadlineError(`took more than ${call.timeoutMs} ms`));
    }, call.timeoutMs);
    this.#worker?.ref();
    this.#worker?.postMessage({ exportName: call.exportName, samples: call.samples } satisfies RewardCall);
  }

  /** The call that had its turn; the next one gets it. */
  #finish(): Call | null {
    clearTimeout(this.#timer);
    this.#worker?.unref();
    const call = this.#running;
    this.#running = null;
    if (!this.#isClosed) queueMicrotask(() => void this.#next());
    return call;
  }

  async #drop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#started = null;
    await worker?.terminate();
  }
}
