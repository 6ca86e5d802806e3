/**
 * One CPython per program: a fresh instance of the WASI build with three streams, the standard library in a folder that cannot be
 * written, and nothing else: no other file, no socket, no environment, and no clock that can be waited for. Sleeping moves the guest's
 * clock on and counts as time used.
 */
import { ChannelFile, EndOfGuest, type Script } from "./channelFile.js";
import { type GuestEnd, type GuestLimits, type GuestRun, OutputBuffer } from "./guest.js";
import {
  type LibraryFiles,
  libraryFolder,
  openLibrary,
  type PythonModule,
  parseLibrary,
  unpackLibrary,
} from "./pythonLibrary.js";

export type WasiShim = typeof import("@bjorn3/browser_wasi_shim");
type Fd = InstanceType<WasiShim["Fd"]>;

/** What every start needs; the same for all. */
export interface PythonParts {
  readonly shim: WasiShim;
  /** Compiled from python.wasm with its memory limited. */
  readonly module: WebAssembly.Module;
  /** Null only while it is being unpacked. */
  readonly library: LibraryFiles | null;
}

interface PythonExports {
  readonly memory: WebAssembly.Memory;
  readonly _start: () => unknown;
}

/**
 * Runs the interpreter until it ends; blocks this thread.
 * @param task what it does: one of our modules
 * @param input standard input: its bytes, or who is at the other end
 */
export async function runPython(
  parts: PythonParts,
  task: PythonModule,
  input: Uint8Array | Script,
  limits: GuestLimits,
): Promise<GuestRun> {
  const output = new OutputBuffer(limits.outputBytes);
  const { end, sleptMs } = await start(parts, `__import__("${task}")`, input, output, limits);
  return { end, ...output.texts(), sleptMs };
}

/** The library of the module, to be given to all later starts. */
export async function readLibrary(
  shim: WasiShim,
  module: WebAssembly.Module,
  limits: GuestLimits,
): Promise<LibraryFiles> {
  const output = new OutputBuffer(limits.memoryBytes);
  const { end } = await start({ shim, module, library: null }, unpackLibrary, new Uint8Array(), output, limits);
  if (end.kind !== "done") throw new RangeError(`python.wasm: its library does not unpack: ${output.texts().stderr}`);
  return parseLibrary(output.bytes("stdout"));
}

async function start(
  { shim, module, library }: PythonParts,
  code: string,
  input: Uint8Array | Script,
  output: OutputBuffer,
  limits: GuestLimits,
): Promise<{ readonly end: GuestEnd; readonly sleptMs: number }> {
  const files = openStreams(shim, input, output);
  let isStarted = false;
  if (library !== null) files.push(openLibrary(shim, library));
  // A fixed seed of hashes: the order of a set is the same in every run. No site module: nothing in it is of use here.
  const environment = ["PYTHONHASHSEED=0", `PYTHONPATH=${libraryFolder}`];
  // Its log of calls is on unless it is told otherwise.
  const wasi = new shim.WASI(["python", "-S", "-B", "-c", code], environment, files, { debug: false });
  const clock = new GuestClock();
  const memory = (): DataView => new DataView(exports.memory.buffer);
  const { ERRNO_SUCCESS, ERRNO_NOTSUP, EVENTTYPE_CLOCK, SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME } = shim.wasi;
  const imports = {
    ...wasi.wasiImport,
    ...withoutWriting(shim, wasi),
    // All of ours begins by reading its task.
    fd_read: (...args: unknown[]): unknown => {
      if (!isStarted && args[0] === 0) {
        isStarted = true;
        limits.onStarted();
      }
      return wasi.wasiImport.fd_read?.(...args);
    },
    clock_time_get: (id: number, _: bigint, at: number): number => {
      memory().setBigUint64(at, clock.now(id), true);
      return ERRNO_SUCCESS;
    },
    poll_oneoff: (from: number, to: number, count: number, numEvents: number): number => {
      if (count !== 1) return ERRNO_NOTSUP;
      // Not by the shim, which looks for the flags four bytes too early.
      const subscription = new DataView(exports.memory.buffer, from, 48);
      const [userdata, eventtype] = [subscription.getBigUint64(0, true), subscription.getUint8(8)];
      if (eventtype !== EVENTTYPE_CLOCK) return ERRNO_NOTSUP;
      const [clockid, timeout] = [subscription.getUint32(16, true), subscription.getBigUint64(24, true)];
      const isAbsolute = (subscription.getUint16(40, true) & SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME) !== 0;
      clock.sleep(timeout - (isAbsolute ? clock.now(clockid) : 0n), limits.onSlept);
      new shim.wasi.Event(userdata, ERRNO_SUCCESS, eventtype).write_bytes(memory(), to);
      memory().setUint32(numEvents, 1, true);
      return ERRNO_SUCCESS;
    },
    sched_yield: (): number => ERRNO_SUCCESS,
  };
  const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: imports });
  const exports = instance.exports as unknown as PythonExports;
  let end: GuestEnd;
  try {
    const code = wasi.start({ exports });
    end = code === 0 ? { kind: "done" } : { kind: "exited", code };
  } catch (error) {
    end = endOf(error, exports.memory.buffer.byteLength > 0.9 * limits.memoryBytes);
  }
  return { end, sleptMs: clock.sleptMs };
}

function endOf(error: unknown, isMemoryFull: boolean): GuestEnd {
  if (error instanceof EndOfGuest) {
    return error.reason === "done" ? { kind: "done" } : { kind: error.reason, message: error.message };
  }
  const message = error instanceof Error ? error.message : String(error);
  // A trap or V8's stack limit: the guest alone is broken.
  return isMemoryFull ? { kind: "memory", message: "out of memory" } : { kind: "crashed", message };
}

/** Replaces all that changes files by a refusal. A guest must leave nothing to the next one, and no file means none that grows. */
function withoutWriting(shim: WasiShim, wasi: InstanceType<WasiShim["WASI"]>): Record<string, unknown> {
  const { ERRNO_ROFS, OFLAGS_CREAT, OFLAGS_TRUNC, RIGHTS_FD_WRITE } = shim.wasi;
  const refused = (
    "fd_allocate fd_filestat_set_size fd_filestat_set_times fd_pwrite path_create_directory path_filestat_set_times path_link" +
    " path_remove_directory path_rename path_symlink path_unlink_file"
  ).split(" ");
  const imports: Record<string, unknown> = Object.fromEntries(refused.map((name) => [name, () => ERRNO_ROFS]));
  const { path_open: open, fd_write: write } = wasi.wasiImport;
  if (open === undefined || write === undefined)
    throw new Error("internal: the WASI shim has no path_open or fd_write");
  imports.path_open = (...args: unknown[]): unknown => {
    const [, , , , flags, rights] = args;
    const isWriting = (Number(flags) & (OFLAGS_CREAT | OFLAGS_TRUNC)) !== 0;
    return isWriting || (BigInt(rights as bigint) & BigInt(RIGHTS_FD_WRITE)) !== 0n ? ERRNO_ROFS : open(...args);
  };
  imports.fd_write = (...args: unknown[]): unknown => (Number(args[0]) > 2 ? ERRNO_ROFS : write(...args));
  return imports;
}

function openStreams(shim: WasiShim, input: Uint8Array | Script, output: OutputBuffer): Fd[] {
  const { ERRNO_SUCCESS, FILETYPE_UNKNOWN } = shim.wasi;
  const unknownFile = { ret: ERRNO_SUCCESS, fdstat: new shim.wasi.Fdstat(FILETYPE_UNKNOWN, 0) };

  class Output extends shim.Fd {
    readonly #stream: "stdout" | "stderr";
    constructor(stream: "stdout" | "stderr") {
      super();
      this.#stream = stream;
    }
    override fd_fdstat_get(): ReturnType<Fd["fd_fdstat_get"]> {
      return unknownFile;
    }
    override fd_write(data: Uint8Array): { ret: number; nwritten: number } {
      output.write(this.#stream, data);
      return { ret: ERRNO_SUCCESS, nwritten: data.length };
    }
  }

  class Channel extends shim.Fd {
    readonly #channel: ChannelFile;
    constructor(script: Script) {
      super();
      this.#channel = new ChannelFile(script);
    }
    override fd_fdstat_get(): ReturnType<Fd["fd_fdstat_get"]> {
      return unknownFile;
    }
    override fd_read(size: number): { ret: number; data: Uint8Array } {
      return { ret: ERRNO_SUCCESS, data: this.#channel.read(size) };
    }
    override fd_write(data: Uint8Array): { ret: number; nwritten: number } {
      this.#channel.write(data);
      return { ret: ERRNO_SUCCESS, nwritten: data.length };
    }
  }

  const stdin = "next" in input ? new Channel(input) : new shim.OpenFile(new shim.File(input, { readonly: true }));
  return [stdin, new Output("stdout"), new Output("stderr")];
}

/** Nanoseconds; what the guest sleeps is added to what it sees. */
class GuestClock {
  #sleptNs = 0n;

  get sleptMs(): number {
    return Number(this.#sleptNs / 1_000_000n);
  }

  now(id: number): bigint {
    const isRealtime = id === 0;
    return BigInt(Math.round((isRealtime ? Date.now() : performance.now()) * 1e6)) + this.#sleptNs;
  }

  sleep(ns: bigint, onSlept: (sleptMs: number) => void): void {
    if (ns <= 0n) return;
    this.#sleptNs += ns;
    onSlept(this.sleptMs);
  }
}
