/**
 * The communicator of a job started by mpirun (or srun): collectives over MPI, by a separate native addon that is loaded only when such a
 * job is joined, so that a machine without MPI runs everything else. spec: infrastructure 10.1, 10.2.
 *
 * Sums are made in rank order in the arrays' own type, whatever MPI would do, so results are the same in every run and on every rank.
 * Collectives run in the order in which they were asked for; sends and receives move on beside them.
 *
 * No rank fails silently: one that waits longer than the limit names the ranks it waits for and ends the job; one that throws, or ends
 * without `close`, says which rank it is and ends the others; one that dies is named by those of the same machine, and by mpirun.
 */
import { existsSync, writeSync } from "node:fs";
import { constants, hostname } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkCounts, checkInteger, checkLength, checkRank, checkSplit, checkTag } from "./checks.js";
import type { Communicator, ReduceOp, Reducible } from "./communicator.js";
import { launchedRank, launchedSize, timeoutFromEnvironment } from "./launcher.js";

interface GroupHandle {
  readonly group: number;
  readonly rank: number;
  readonly size: number;
  readonly library: string;
}

/** native/comm/binding.cpp */
interface CommAddon {
  init(timeoutSeconds: number, partBytes: number): Promise<GroupHandle>;
  split(group: number, color: number, key: number): Promise<GroupHandle>;
  barrier(group: number): Promise<void>;
  release(group: number): Promise<void>;
  finalize(group: number): Promise<void>;
  broadcast(group: number, data: Uint8Array, root: number): Promise<void>;
  allReduce(group: number, data: Reducible, isMax: 0 | 1): Promise<void>;
  reduceScatter(group: number, output: Float32Array, input: Float32Array): Promise<void>;
  allGather(group: number, output: Uint8Array, input: Uint8Array): Promise<void>;
  allToAllV(
    group: number,
    output: Uint8Array,
    receiveBytes: Float64Array,
    input: Uint8Array,
    sendBytes: Float64Array,
  ): Promise<void>;
  send(group: number, data: Uint8Array, to: number, tag: number): Promise<void>;
  receive(group: number, data: Uint8Array, from: number, tag: number): Promise<void>;
  abort(code: number): never;
}

export interface MpiOptions {
  /**
   * How long a rank waits in one operation before it names the ranks it waits for and ends the job; 0 waits for ever.
   * Default FATHOM_MPI_TIMEOUT, else 300.
   */
  readonly timeoutSeconds?: number;
  /** Messages travel in parts of at most this many bytes (default and most 2^30, since MPI counts are 32-bit). */
  readonly partBytes?: number;
}

/** MPI cannot be used on this machine; the message says what to install. */
export class MpiUnavailableError extends Error {
  override readonly name = "MpiUnavailableError";
  readonly code = "FATHOM_MPI_UNAVAILABLE";
}

export const defaultTimeoutSeconds = 300;

/** The exit code of a job that a waiting rank ended. */
export const timeoutExitCode = 124;

const largestPart = 2 ** 30;

export const mpiInstallHint =
  "install Open MPI (apt-get install openmpi-bin libopenmpi-dev, dnf install openmpi openmpi-devel, or brew install open-mpi), then run `npm run build`";

/** Where the build script puts the addon. */
export const mpiAddonPath: string = join(
  dirname(fileURLToPath(import.meta.url)),
  "..",
  "..",
  "build",
  "native",
  "comm.node",
);

/** Loads the addon. @throws MpiUnavailableError if it was not built or MPI's libraries are missing */
export function loadMpiAddon(path: string = mpiAddonPath): void {
  addonAt(path);
}

function addonAt(path: string): CommAddon {
  if (!existsSync(path)) {
    throw new MpiUnavailableError(`several processes need MPI, and ${path} was not built: ${mpiInstallHint}`);
  }
  const module = { exports: {} };
  try {
    // Global symbols: MPI loads plug-ins of its own that look for them.
    process.dlopen(module, path, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL);
  } catch (error) {
    throw new MpiUnavailableError(`MPI's libraries do not load (${(error as Error).message}): ${mpiInstallHint}`);
  }
  return module.exports as CommAddon;
}

/** Shared by a job's communicators. */
interface Job {
  readonly addon: CommAddon;
  readonly name: string;
  isClosed: boolean;
}

/**
 * Joins the job that the launcher started; once per process.
 * @throws MpiUnavailableError without MPI; RangeError for impossible options; Error if MPI sees another number of ranks than the launcher
 */
export async function openMpi(options: MpiOptions = {}): Promise<Communicator> {
  const timeoutSeconds = options.timeoutSeconds ?? timeoutFromEnvironment() ?? defaultTimeoutSeconds;
  const partBytes = options.partBytes ?? largestPart;
  if (!(timeoutSeconds >= 0)) throw new RangeError(`timeoutSeconds is ${timeoutSeconds}, expected 0 or more`);
  checkInteger("partBytes", partBytes, 1, largestPart);
  const addon = addonAt(mpiAddonPath);
  const limit = timeoutSeconds > 0 ? setTimeout(giveUpStart, timeoutSeconds * 1000, timeoutSeconds) : undefined;
  const handle = await addon.init(timeoutSeconds, partBytes);
  clearTimeout(limit);
  const name = `rank ${handle.rank} of ${handle.size} (${hostname()}, pid ${process.pid})`;
  const job: Job = { addon, name, isClosed: false };
  watchProcess(job);
  const launched = launchedSize();
  if (launched !== undefined && launched !== handle.size) {
    throw new Error(
      `the launcher started ${launched} processes and MPI sees ${handle.size}: the addon was built with ${firstLine(handle.library)}, ` +
        "the launcher belongs to another MPI; use that one's mpirun, or remove build/native/comm.node and run `npm run build`",
    );
  }
  return new MpiCommunicator(job, handle);
}

function giveUpStart(seconds: number): void {
  const name = `rank ${launchedRank() ?? "?"} (${hostname()}, pid ${process.pid})`;
  writeSync(2, `fathom: ${name} waits in MPI's start for ${seconds} s; not all ranks arrived; the job ends\n`);
  process.exit(timeoutExitCode);
}

/** One rank that fails must not leave the others waiting. */
function watchProcess(job: Job): void {
  let isTold = false;
  process.on("uncaughtExceptionMonitor", (error: unknown) => {
    isTold = true;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (!job.isClosed) writeSync(2, `fathom: ${job.name} failed, the job ends: ${text}\n`);
  });
  process.on("exit", (code) => {
    if (job.isClosed) return;
    if (!isTold) {
      writeSync(2, `fathom: ${job.name} ended with exit code ${code} before it left the job; the job ends\n`);
    }
    job.addon.abort(code === 0 ? 1 : code);
  });
}

class MpiCommunicator implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly #job: Job;
  readonly #group: number;
  #isClosed = false;

  constructor(job: Job, handle: GroupHandle) {
    this.#job = job;
    this.#group = handle.group;
    this.rank = handle.rank;
    this.size = handle.size;
  }

  async split(color: number, key: number): Promise<Communicator> {
    checkSplit(color, key);
    return new MpiCommunicator(this.#job, await this.#addon("split").split(this.#group, color, key));
  }

  async barrier(): Promise<void> {
    return this.#addon("barrier").barrier(this.#group);
  }

  async broadcast(data: Uint8Array, root: number): Promise<void> {
    checkRank("broadcast", root, this.size);
    return this.#addon("broadcast").broadcast(this.#group, data, root);
  }

  async allReduce(data: Reducible, op: ReduceOp): Promise<void> {
    return this.#addon("allReduce").allReduce(this.#group, data, op === "max" ? 1 : 0);
  }

  async reduceScatter(output: Float32Array, input: Float32Array): Promise<void> {
    checkLength("reduceScatter: values of the input", this.size * output.length, input.length);
    return this.#addon("reduceScatter").reduceScatter(this.#group, output, input);
  }

  async allGather(output: Uint8Array, input: Uint8Array): Promise<void> {
    checkLength("allGather: bytes of the output", this.size * input.length, output.length);
    return this.#addon("allGather").allGather(this.#group, output, input);
  }

  async allToAllV(
    output: Uint8Array,
    receiveBytes: readonly number[],
    input: Uint8Array,
    sendBytes: readonly number[],
  ): Promise<void> {
    checkCounts("allToAllV: receiveBytes", receiveBytes, this.size, output.length);
    checkCounts("allToAllV: sendBytes", sendBytes, this.size, input.length);
    checkLength("allToAllV: own receiveBytes", sendBytes[this.rank]!, receiveBytes[this.rank]!);
    const receive = Float64Array.from(receiveBytes);
    const send = Float64Array.from(sendBytes);
    return this.#addon("allToAllV").allToAllV(this.#group, output, receive, input, send);
  }

  async send(data: Uint8Array, to: number, tag: number): Promise<void> {
    checkRank("send", to, this.size);
    checkTag("send", tag);
    return this.#addon("send").send(this.#group, data, to, tag);
  }

  async receive(data: Uint8Array, from: number, tag: number): Promise<void> {
    checkRank("receive", from, this.size);
    checkTag("receive", tag);
    return this.#addon("receive").receive(this.#group, data, from, tag);
  }

  abort(code: number): never {
    writeSync(2, `fathom: ${this.#job.name} ends the job with exit code ${code}\n`);
    this.#job.addon.abort(code);
  }

  async close(): Promise<void> {
    const addon = this.#addon("close");
    this.#isClosed = true;
    if (this.#group !== 0) return addon.release(this.#group);
    await addon.finalize(0);
    this.#job.isClosed = true;
  }

  #addon(operation: string): CommAddon {
    if (this.#isClosed || this.#job.isClosed)
      throw new Error(`internal: ${operation} after the communicator was closed`);
    return this.#job.addon;
  }
}

function firstLine(text: string): string {
  return text.split("\n")[0]!.split(",")[0]!;
}
