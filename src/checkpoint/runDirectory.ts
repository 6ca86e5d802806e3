/**
 * The directory of a run: who may write in it, where its checkpoints are. `checkpoints/step-00000100` is complete when it has that name, for
 * it is written under another one and renamed last; `latest` points to the newest.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fsyncFolder, writeFileAtomic } from "../files/atomic.js";

export const checkpointsFolder = "checkpoints";
const lockName = "lock.json";

interface LockHolder {
  readonly pid: number;
  readonly host: string;
}

/**
 * Takes the directory for this process; a lock whose process is gone is taken over.
 * @returns gives it back
 * @throws RangeError naming the process that has it
 */
export function lockRun(run: string): () => void {
  mkdirSync(run, { recursive: true });
  const path = join(run, lockName);
  const mine = JSON.stringify({ pid: process.pid, host: hostname() });
  for (;;) {
    try {
      writeFileSync(path, mine, { flag: "wx" });
      break;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const holder = readLock(path);
    if (holder && isAlive(holder)) {
      throw new RangeError(
        `${run}: in use by process ${holder.pid} on ${holder.host}; wait for it, or choose another directory`,
      );
    }
    rmSync(path, { force: true });
  }
  let isHeld = true;
  const release = (): void => {
    if (isHeld) rmSync(path, { force: true });
    isHeld = false;
    process.off("exit", release);
  };
  process.on("exit", release);
  return release;
}

function readLock(path: string): LockHolder | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value === "object" && value !== null && "pid" in value && "host" in value) {
      return { pid: Number(value.pid), host: String(value.host) };
    }
  } catch {
    // Gone meanwhile, or torn by a crash: nobody's.
  }
  return null;
}

/** A process of another machine cannot be asked; it is taken to be alive. */
function isAlive({ pid, host }: LockHolder): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
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

/** Removes what interrupted saves have left. */
export function removeUnfinished(run: string): void {
  const folder = join(run, checkpointsFolder);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (name.startsWith(".step-")) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** Makes a finished folder the checkpoint of a step, points `latest` at it, and removes all but the newest `keepLast`. */
export function publishCheckpoint(run: string, unfinished: string, step: number, keepLast: number): string {
  const folder = join(run, checkpointsFolder);
  const name = checkpointName(step);
  const path = join(folder, name);
  fsyncFolder(unfinished);
  if (existsSync(path)) rmSync(path, { recursive: true, force: true });
  renameSync(unfinished, path);
  const link = join(folder, "latest");
  const fresh = join(folder, `.latest.${process.pid}`);
  rmSync(fresh, { force: true });
  symlinkSync(name, fresh);
  renameSync(fresh, link);
  fsyncFolder(folder);
  for (const old of listCheckpoints(run).slice(0, -keepLast)) {
    if (old.step < step) rmSync(old.path, { recursive: true, force: true });
  }
  return path;
}

/**
 * The directory with config.json that a user means: a model directory itself, or a run's newest checkpoint.
 * @throws RangeError telling what was looked for
 */
export function resolveModelDirectory(path: string): string {
  if (existsSync(join(path, "config.json"))) return path;
  const link = join(path, checkpointsFolder, "latest");
  if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) {
    const target = join(path, checkpointsFolder, readlinkSync(link));
    if (existsSync(join(target, "config.json"))) return target;
  }
  const newest = findCheckpoint(path);
  if (newest) return newest.path;
  throw new RangeError(
    existsSync(path)
      ? `${path}: no model here: neither config.json nor ${checkpointsFolder}/latest`
      : `${path}: no such directory`,
  );
}

/** Cuts the lines of later steps, and a torn last line, from a metrics file. */
export function truncateMetrics(path: string, step: number): void {
  if (!existsSync(path)) return;
  const kept = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => {
      if (line === "") return false;
      try {
        const value: unknown = JSON.parse(line);
        const at = typeof value === "object" && value !== null && "step" in value ? value.step : 0;
        return typeof at === "number" && at <= step;
      } catch {
        return false;
      }
    });
  writeFileAtomic(path, kept.map((line) => `${line}\n`).join(""));
}
