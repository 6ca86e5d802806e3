/**
 * What every command that trains does around its work: join the other processes, lock the run directory, turn signals into a stop that is
 * saved, and clean up where nothing came of it.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import {
  checkpointName,
  checkpointsFolder,
  type FoundCheckpoint,
  findCheckpoint,
  lockRun,
  truncateMetrics,
} from "../checkpoint/runDirectory.js";
import type { Communicator } from "../distributed/communicator.js";
import { createGrid, type ProcessGrid } from "../distributed/grid.js";
import { openWorld } from "../distributed/open.js";
import { native } from "../tensor/native.js";
import { metricsFile, type RunRecord, readRunRecord, runFile } from "../train/runFiles.js";
import { Interrupted, interruptedCode, say } from "./output.js";

export interface SessionOptions {
  readonly run: string;
  /** Null: all cores, shared by the processes. */
  readonly threads: number | null;
  readonly expertParallel: number;
  /** Go on with the run, or start it where there is none. */
  readonly resume: boolean;
}

export interface RunSession {
  readonly world: Communicator;
  readonly grid: ProcessGrid;
  readonly threads: number;
  /** The process that writes and speaks. */
  readonly isFirst: boolean;
  /** The run to go on with; null for a new one. */
  readonly record: RunRecord | null;
  /** The checkpoint to go on from. */
  readonly resumeFrom: FoundCheckpoint | null;
  readonly signal: AbortSignal;
  /** From here on a signal means: stop after this step and save. @param stage whose later lines are cut from the metrics; null: all */
  readonly trains: (stage: string | null) => void;
}

/**
 * Does a command's work with the run directory locked.
 * @throws RangeError for a run that is there already or in use; Interrupted if a signal came before there was anything to save
 */
export async function inRun<T>(options: SessionOptions, work: (session: RunSession) => Promise<T>): Promise<T> {
  const { run } = options;
  const world = await openWorld();
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / world.size));
  native().setThreads(threads);
  const grid = await createGrid(world, options.expertParallel);
  const isFirst = world.rank === 0;
  const hadNothing = isFirst && (!existsSync(run) || readdirSync(run).length === 0);
  const hadFolder = existsSync(run);
  const stop = new AbortController();
  let isTraining = false;
  const onSignal = (): void => {
    if (isFirst && !stop.signal.aborted && isTraining) say("stopping after this step; the run will be saved");
    stop.abort(new Interrupted(`${run}: interrupted while the data was prepared; nothing was trained`));
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  let unlock: (() => void) | null = null;
  try {
    if (isFirst) unlock = lockRun(run);
    await world.barrier(); // Nobody looks before the first has the lock.
    const record = readRunRecord(run);
    const resumeFrom = options.resume ? await agreedCheckpoint(world, run) : null;
    if (!options.resume && record !== null) {
      throw new RangeError(`${run}: there is a run already; --resume goes on with it, or choose another --out`);
    }
    const trains = (stage: string | null): void => {
      if (isFirst && resumeFrom !== null) truncateMetrics(join(run, metricsFile), resumeFrom.step, stage);
      isTraining = true;
    };
    const { signal } = stop;
    const result = await work({ world, grid, threads, isFirst, record, resumeFrom, signal, trains });
    unlock?.();
    await world.close();
    return result;
  } catch (error) {
    unlock?.();
    if (unlock && hadNothing && !existsSync(join(run, runFile))) removeAll(run, hadFolder);
    // The other processes would wait for this one: they are ended with it, after it has said why.
    if (world.size > 1) {
      say(`fathom: rank ${world.rank}: ${error instanceof Error ? error.message : String(error)}`);
      world.abort(error instanceof Interrupted ? interruptedCode : 1);
    }
    throw error;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** Rank 0 first, since it writes what the others read. */
export async function inOrder(world: Communicator, body: () => Promise<void>): Promise<void> {
  if (world.rank === 0) await body();
  await world.barrier();
}

/** What a run that never began has left; an empty folder that was there before stays. */
function removeAll(folder: string, isKept: boolean): void {
  if (!isKept) rmSync(folder, { recursive: true, force: true });
  else for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** The newest checkpoint as the first process sees it, so that all go on from the same one. */
async function agreedCheckpoint(world: Communicator, run: string): Promise<FoundCheckpoint | null> {
  const found = world.rank === 0 ? findCheckpoint(run) : null;
  const step = Float64Array.of(found?.step ?? -1);
  await world.broadcast(new Uint8Array(step.buffer), 0);
  const [agreed = -1] = step;
  return agreed < 0 ? null : { step: agreed, path: join(run, checkpointsFolder, checkpointName(agreed)) };
}
