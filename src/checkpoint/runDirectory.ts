/**
 * The directory of a run: who may write in it, where its checkpoints are. `checkpoints/step-00000100` is complete when it has that name, for
 * it is written under another one and renamed last; `latest` points to the newest.
 */
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, join, resolve } from "node:path";
import { fsyncFolder, writeFileAtomic } from "../files/atomic.js";
import { isObject } from "../files/json.js";

export const checkpointsFolder = "checkpoints";
export const adapterConfigName = "adapter_config.json";
const lockName = "lock.json";

interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one of the same number; null where the system does not say. */
  readonly started: string | null;
}

/** Locks that this process has; another with its number is that of a dead one. */
const held = new Set<string>();

/**
 * Takes the directory for this process and removes what interrupted saves left in it; a lock whose process is gone is taken over.
 * @returns gives it back
 * @throws RangeError naming the process that has it
 */
export function lockRun(run: string): () => void {
  mkdirSync(run, { recursive: true });
  const path = resolve(run, lockName);
  const fresh = join(run, `.${lockName}.${process.pid}`);
  const mine: LockHolder = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
  writeFileSync(fresh, JSON.stringify(mine));
  try {
    while (!linked(fresh, path)) {
      const holder = readLock(path);
      if (holder && isAlive(holder, path)) {
        throw new RangeError(
          `${run}: run directory in use by process ${holder.pid} on ${holder.host}; wait for it, or choose another ` +
            `directory (if no such process is running, remove ${path})`,
        );
      }
      rmSync(path, { force: true });
    }
  } finally {
    rmSync(fresh, { force: true });
  }
  held.add(path);
  const release = (): void => {
    if (held.delete(path)) rmSync(path, { force: true });
    process.off("exit", release);
  };
  process.on("exit", release);
  removeUnfinished(run);
  return release;
}

/** Whether a living process has the directory. */
export function isRunInUse(run: string): boolean {
  const path = resolve(run, lockName);
  const holder = readLock(path);
  return holder !== null && isAlive(holder, path);
}

/** Gives a file its second name, with its whole content at once. @returns false if the name is taken */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

function readLock(path: string): LockHolder | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (isObject(value) && typeof value.pid === "number" && typeof value.host === "string") {
      return { pid: value.pid, host: value.host, started: typeof value.started === "string" ? value.started : null };
    }
  } catch {
    // Gone meanwhile, or torn by a power cut: nobody's.
  }
  return null;
}

/** A process of another machine cannot be asked; it is taken to be alive. */
function isAlive({ pid, host, started }: LockHolder, path: string): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return held.has(path);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const now = startOf(pid);
  return started === null || now === null || now === started;
}

/** Boot and moment at which a process started, where the system has /proc. */
function startOf(pid: number): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 22; the second, the command's name, is in brackets and may hold spaces.
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return ticks === undefined ? null : `${boot} ${ticks}`;
  } catch {
    return null;
  }
}

export interface FoundCheckpoint {
  readonly path: string;
  readonly step: number;
}

/** Complete checkpoints of a run, oldest first. */
export function listCheckpoints(run: string): FoundCheckpoint[] {
  const folder = join(run, checkpointsFolder);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name): FoundCheckpoint[] => {
      const match = /^step-(\d+)$/.exec(name);
      return match ? [{ path: join(folder, name), step: Number(match[1]) }] : [];
    })
    .sort((a, b) => a.step - b.step);
}

/** The newest complete checkpoint, or null. */
export function findCheckpoint(run: string): FoundCheckpoint | null {
  return listCheckpoints(run).at(-1) ?? null;
}

export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, "0")}`;
}

/** The folder in which a checkpoint is written before it has its name. */
export function unfinishedFolder(run: string, step: number): string {
  return join(run, checkpointsFolder, `.${checkpointName(step)}`);
}

/** Removes what interrupted saves have left; a checkpoint that was being replaced gets its name back. */
export function removeUnfinished(run: string): void {
  const folder = join(run, checkpointsFolder);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const replaced = /^\.replaced-(step-\d+)$/.exec(name)?.[1];
    if (replaced !== undefined && !existsSync(join(folder, replaced))) renameSync(path, join(folder, replaced));
    else if (/^\.(step|replaced|removed|latest|best|reference)[-.]/.test(name))
      rmSync(path, { recursive: true, force: true });
  }
}

/**
 * Makes a finished folder the checkpoint of a step, points `latest` at it, and removes all but the newest `keepLast` (0 keeps all) and
 * those that are marked.
 * Whenever it is interrupted, a complete checkpoint is there.
 */
export function publishCheckpoint(run: string, unfinished: string, step: number, keepLast: number): string {
  const folder = join(run, checkpointsFolder);
  const name = checkpointName(step);
  const path = join(folder, name);
  const replaced = join(folder, `.replaced-${name}`);
  fsyncFolder(unfinished);
  if (existsSync(path)) renameSync(path, replaced);
  renameSync(unfinished, path);
  point(folder, "latest", name);
  rmSync(replaced, { recursive: true, force: true });
  const marked = checkpointMarks.map((mark) => markedCheckpoint(run, mark)?.step);
  const others = listCheckpoints(run).filter((other) => other.step < step && !marked.includes(other.step));
  for (const old of keepLast > 0 ? others.slice(0, Math.max(0, others.length + 1 - keepLast)) : []) {
    // Under its name a checkpoint is whole, also while it is being removed.
    const removed = join(folder, `.removed-${checkpointName(old.step)}`);
    renameSync(old.path, removed);
    rmSync(removed, { recursive: true, force: true });
  }
  return path;
}

const checkpointMarks = ["best", "reference"] as const;
/** Why a checkpoint stays: it validated best, or it is what a policy is held to. */
export type CheckpointMark = (typeof checkpointMarks)[number];

/** Points a link at the checkpoint of a step, which then stays until the link moves on. */
export function markCheckpoint(run: string, mark: CheckpointMark, step: number): void {
  point(join(run, checkpointsFolder), mark, checkpointName(step));
}

/** The checkpoint that a run has marked; null if it has none. */
export function markedCheckpoint(run: string, mark: CheckpointMark): FoundCheckpoint | null {
  const link = join(run, checkpointsFolder, mark);
  if (!lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) return null;
  const name = readlinkSync(link);
  return listCheckpoints(run).find(({ path }) => basename(path) === name) ?? null;
}

/** Makes or moves a link within the folder of checkpoints, whole or not at all. */
function point(folder: string, link: string, name: string): void {
  const fresh = join(folder, `.${link}.${process.pid}`);
  rmSync(fresh, { force: true });
  symlinkSync(name, fresh);
  renameSync(fresh, join(folder, link));
  fsyncFolder(folder);
}

/**
 * The directory with config.json that a user means: a model directory itself, or a run's newest checkpoint.
 * @throws RangeError telling what was looked for; an adapter is no model by itself (modelSource.ts opens both)
 */
export function resolveModelDirectory(path: string): string {
  const directory = resolveModelOrAdapter(path);
  if (!isAdapter(directory)) return directory;
  throw new RangeError(
    `${directory}: an adapter, where the weights themselves are wanted; fathom convert --merge makes a model of it and its base`,
  );
}

/** The same, or the directory with adapter_config.json of an adapter. */
export function resolveModelOrAdapter(path: string): string {
  const isModel = (directory: string): boolean => existsSync(join(directory, "config.json")) || isAdapter(directory);
  const status = statSync(path, { throwIfNoEntry: false });
  if (!status) throw new RangeError(`${path}: no such directory`);
  if (!status.isDirectory()) throw new RangeError(`${path}: a file; expected the directory of a model or a run`);
  if (isModel(path)) return path;
  const link = join(path, checkpointsFolder, "latest");
  if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) {
    const target = join(path, checkpointsFolder, readlinkSync(link));
    if (isModel(target)) return target;
  }
  const newest = findCheckpoint(path);
  if (newest) return newest.path;
  throw new RangeError(`${path}: no model here: neither config.json nor ${checkpointsFolder}/latest`);
}

/** Whether a directory is an adapter's (PEFT's layout); such a one is, even if it holds a config.json too. */
export function isAdapter(directory: string): boolean {
  return existsSync(join(directory, adapterConfigName));
}

/**
 * Cuts the lines of later steps, and torn ones, from a metrics file.
 * @param stage cuts lines of this stage alone; default all
 */
export function truncateMetrics(path: string, step: number, stage: string | null = null): void {
  if (!existsSync(path)) return;
  const content = readFileSync(path);
  const kept: Uint8Array[] = [];
  let length = 0;
  for (let begin = 0; begin < content.length; ) {
    const newline = content.indexOf(10, begin);
    if (newline < 0) break;
    const line = content.subarray(begin, newline + 1);
    if (isUpTo(line.toString("utf8"), step, stage)) {
      kept.push(line);
      length += line.length;
    }
    begin = newline + 1;
  }
  if (length < content.length) writeFileAtomic(path, kept);
}

function isUpTo(line: string, step: number, stage: string | null): boolean {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return false;
  }
  if (!isObject(value)) return false;
  return typeof value.step !== "number" || value.step <= step || (stage !== null && value.stage !== stage);
}
