/**
 * The runs below one folder, as they are on disk: which there are, what they have told so far, and what they tell next. Nothing is written, and
 * a run that another process trains meanwhile is only read. metrics.jsonl is read in pieces, so that a large one delays nobody else.
 */
import { type FileHandle, open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunInUse } from "../checkpoint/runDirectory.js";
import { isObject } from "../files/json.js";
import { isStep, parseLine, type RawEvent, type RunEvent, type Strides, stridesFor, thin } from "./runEvents.js";

const metricsFile = "metrics.jsonl";
const runFile = "run.json";

export interface RunSummary {
  readonly name: string;
  readonly stage: string;
  /** ISO 8601; null if run.json does not say. */
  readonly startedAt: string | null;
  /** When it last told something, ms since 1970; null if it never did. */
  readonly updatedAt: number | null;
  /** Whether a process trains it now. */
  readonly isRunning: boolean;
  readonly parameters: { readonly total: number; readonly activated: number } | null;
  readonly step: number;
  readonly tokens: number;
  readonly totalTokens: number;
  readonly loss: number | null;
  readonly valBitsPerByte: number | null;
}

export interface EventsPage extends Strides {
  readonly events: readonly RunEvent[];
  /** Byte from which to ask for more; there is no more now if it is `size`, or if nothing but a torn line is left. */
  readonly next: number;
  readonly size: number;
}

export interface EventsQuery {
  /** Byte where a line begins; default 0. */
  readonly from?: number;
  /** As the first page answered; default: so that the whole run fits the page. */
  readonly strides?: Strides;
}

export type Followed =
  | { readonly type: "line"; readonly line: string; readonly next: number }
  /** The file was cut or replaced, as when a run goes on from an earlier step: what was read before no longer holds. */
  | { readonly type: "reset" }
  /** Nothing happened for a while. */
  | { readonly type: "idle" };

/** Bytes read, parsed and given back to the event loop at a time, and such pieces in one answer. */
const pieceBytes = 1 << 20;
const maxPieces = 8;
const headBytes = 1 << 16;
const tailBytes = 1 << 18;
const pollMs = 400;
const idleMs = 10_000;

export class Runs {
  readonly #folder: string;
  /** Summaries by run, each valid while the file is what it was. */
  readonly #known = new Map<string, { readonly version: string; readonly summary: RunSummary }>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Newest first. A folder that does not exist holds none. */
  async list(): Promise<RunSummary[]> {
    const names = await readdir(this.#folder).catch(() => [] as string[]);
    const found = await Promise.all(names.filter(isRunName).map((name) => this.#summary(name)));
    return found.filter((run) => run !== null).sort((a, b) => (b.updatedAt ?? 0) - (a.updatedAt ?? 0));
  }

  /** @returns null if there is no run of that name */
  async events(name: string, { from = 0, strides }: EventsQuery = {}): Promise<EventsPage | null> {
    if (!(await this.has(name))) return null;
    const file = await this.#open(name);
    if (!file) return { events: [], next: 0, size: 0, stride: 1, loadStride: 1 };
    try {
      const { size } = await file.stat();
      const chosen = strides ?? (await choose(file, size));
      const raw: RawEvent[] = [];
      let next = Math.min(from, size);
      for (let piece = 0; piece < maxPieces && next < size; piece++) {
        const { lines, length } = await readLines(file, next, size);
        if (length === 0) break;
        for (const { text } of lines) {
          const event = parseLine(text);
          if (event) raw.push(event);
        }
        next += length;
      }
      return { events: thin(raw, chosen), next, size, ...chosen };
    } finally {
      await file.close();
    }
  }

  /** Lines from a byte on, the ones that are there and then each as it comes, until the signal. */
  async *follow(name: string, from: number, signal: AbortSignal): AsyncGenerator<Followed> {
    const path = join(this.#folder, name, metricsFile);
    let [next, inode, quietMs] = [from, 0, 0];
    while (!signal.aborted) {
      const status = await stat(path).catch(() => null);
      let hasMore = false;
      if (status && (status.size < next || (inode !== 0 && status.ino !== inode))) {
        yield { type: "reset" };
        return;
      }
      if (status && status.size > next) {
        inode = status.ino;
        const file = await this.#open(name);
        if (file) {
          try {
            const begin = next;
            const { lines, length } = await readLines(file, begin, status.size);
            for (const { text, end } of lines) {
              next = begin + end;
              if (text !== "") yield { type: "line", line: text, next };
            }
            next = begin + length;
            hasMore = length > 0;
          } finally {
            await file.close();
          }
        }
      }
      quietMs = hasMore ? 0 : quietMs + pollMs;
      if (quietMs >= idleMs) {
        quietMs = 0;
        yield { type: "idle" };
      }
      if (!hasMore) await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async has(name: string): Promise<boolean> {
    if (!isRunName(name)) return false;
    const names = [metricsFile, runFile];
    const files = await Promise.all(names.map((file) => stat(join(this.#folder, name, file)).catch(() => null)));
    return files.some((status) => status?.isFile());
  }

  async #open(name: string): Promise<FileHandle | null> {
    const path = join(this.#folder, name, metricsFile);
    // A pipe of that name would keep the reader waiting.
    const status = await stat(path).catch(() => null);
    return status?.isFile() ? open(path, "r").catch(() => null) : null;
  }

  async #summary(name: string): Promise<RunSummary | null> {
    if (!(await this.has(name))) return null;
    const run = join(this.#folder, name);
    const isRunning = isRunInUse(run);
    const status = await stat(join(run, metricsFile)).catch(() => null);
    const version = `${status?.ino} ${status?.size} ${status?.mtimeMs}`;
    const known = this.#known.get(name);
    if (known?.version === version) return { ...known.summary, isRunning };
    const record = await readRecord(join(run, runFile));
    const file = await this.#open(name);
    let summary: RunSummary = {
      name,
      stage: typeof record.stage === "string" ? record.stage : "",
      startedAt: typeof record.startedAt === "string" ? record.startedAt : null,
      updatedAt: status?.mtimeMs ?? null,
      isRunning,
      ...{ parameters: null, step: 0, tokens: 0, totalTokens: 0, loss: null, valBitsPerByte: null },
    };
    if (file) {
      try {
        summary = { ...summary, ...summarize(await readEnds(file)) };
      } finally {
        await file.close();
      }
    }
    this.#known.set(name, { version, summary });
    return summary;
  }
}

/** A folder directly below, and nothing that leads elsewhere. */
function isRunName(name: string): boolean {
  return name !== "" && !name.startsWith(".") && !/[/\\\0]/.test(name);
}

async function readRecord(path: string): Promise<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    return isObject(value) ? value : {};
  } catch {
    return {}; // A run without one, or with a damaged one, still has events to show.
  }
}

/** What the first and the last events say. */
function summarize(events: readonly RawEvent[]): Partial<RunSummary> {
  const [last] = thin(events.filter(isStep).slice(-1), { stride: 1, loadStride: 1 });
  const start = events.findLast(({ kind }) => kind === "start");
  const validation = events.findLast(({ kind }) => kind === "validation");
  const parameters = isObject(start?.parameters) ? start.parameters : {};
  const { total, activated } = parameters;
  return {
    ...(typeof total === "number" && typeof activated === "number" ? { parameters: { total, activated } } : {}),
    ...(typeof start?.totalTokens === "number" ? { totalTokens: start.totalTokens } : {}),
    ...(typeof start?.stage === "string" ? { stage: start.stage } : {}),
    ...(typeof validation?.valBitsPerByte === "number" ? { valBitsPerByte: validation.valBitsPerByte } : {}),
    ...(last?.kind === "point"
      ? { step: last.step, tokens: last.tokens, totalTokens: last.totalTokens, loss: last.loss, stage: last.stage }
      : {}),
  };
}

async function readEnds(file: FileHandle): Promise<RawEvent[]> {
  const { size } = await file.stat();
  const head = await readBytes(file, 0, Math.min(size, headBytes));
  const tail = size > headBytes ? await readBytes(file, Math.max(headBytes, size - tailBytes), size) : Buffer.alloc(0);
  const lines = `${head.toString("utf8")}\n${tail.toString("utf8")}`.split("\n");
  return lines.flatMap((line) => parseLine(line) ?? []);
}

/** Strides for the whole file, from how long its lines are. */
async function choose(file: FileHandle, size: number): Promise<Strides> {
  const { lines, length } = await readLines(file, 0, size);
  const steps = lines.flatMap(({ text }) => parseLine(text) ?? []).filter(isStep);
  return stridesFor(length === 0 ? 0 : (steps.length * size) / length, steps[0] ?? null);
}

interface Line {
  readonly text: string;
  /** Bytes from the beginning of the piece to that of the next line. */
  readonly end: number;
}

/** Whole lines from a byte on, a piece of them; length counts their bytes. A line longer than a piece is passed over piece by piece. */
async function readLines(
  file: FileHandle,
  from: number,
  size: number,
): Promise<{ readonly lines: readonly Line[]; readonly length: number }> {
  const bytes = await readBytes(file, from, Math.min(size, from + pieceBytes));
  const lines: Line[] = [];
  let begin = 0;
  for (let newline = bytes.indexOf(10); newline >= 0; newline = bytes.indexOf(10, begin)) {
    lines.push({ text: bytes.toString("utf8", begin, newline), end: newline + 1 });
    begin = newline + 1;
  }
  return { lines, length: begin > 0 ? begin : bytes.length === pieceBytes ? pieceBytes : 0 };
}

async function readBytes(file: FileHandle, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.max(0, to - from));
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, from + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}
