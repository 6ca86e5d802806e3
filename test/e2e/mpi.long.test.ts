/**
 * `mpirun -n 2 … pretrain` beside one process: the same losses, with the parameters' state split over the processes and with the experts
 * split too; checkpoints that either reads; and a job that ends, and says why, when one of its processes does.
 */
import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mpirunFlags, prepareRanks } from "../distributed/mpirun.js";
import { fathom, type Ran, type RunOptions, start } from "./command.js";
import {
  checkpointsOf,
  lastStep,
  metricsOf,
  newestHashes,
  reproducible,
  until,
  type Workplace,
  workplace,
} from "./runs.js";

const steps = 50;
const relative = 1e-5;
/** Seconds that a rank waits for another: longer than one takes to prepare the text on a busy machine. */
const patience = 10;
let place: Workplace;
let single = "";

const args = (out: string, ...more: string[]): string[] => {
  const every = ["--save-every", "20", "--validate-every", "0", "--keep-last", "10"];
  return [...place.args, "--out", out, "--steps", `${steps}`, ...every, ...more];
};
const two = (env: Readonly<Record<string, string>> = {}): RunOptions => ({
  launcher: ["mpirun", ...mpirunFlags(), "-n", "2"],
  env,
});

async function succeed(given: readonly string[], options?: RunOptions): Promise<Ran> {
  const finished = await fathom(given, options);
  expect(finished.code, finished.stderr).toBe(0);
  expect(finished.json).toMatchObject({ steps, reason: "finished" });
  return finished;
}

/** The losses of each step: of the next token, and of the MTP module. */
function lossesOf(folder: string): number[][] {
  return metricsOf(folder)
    .filter(({ kind }) => kind === "step")
    .map(({ loss, mtpLosses }) => [loss, ...(mtpLosses as number[])].map(Number));
}

/** Compares the losses of all steps with those of another run. @returns the largest relative difference */
function expectClose(folder: string, other = single): number {
  const [found, expected] = [lossesOf(folder), lossesOf(other)];
  expect(found.length).toBe(steps);
  let largest = 0;
  for (const [step, losses] of expected.entries()) {
    expect(losses.length).toBe(2);
    for (const [which, loss] of losses.entries()) {
      largest = Math.max(largest, Math.abs((found[step]?.[which] ?? Number.NaN) - loss) / loss);
    }
  }
  expect(largest).toBeLessThanOrEqual(relative);
  return largest;
}

/** Copies a run as it was at an earlier checkpoint. */
function asOf(from: string, step: number, name: string): string {
  const out = join(place.folder, name);
  cpSync(from, out, { recursive: true, verbatimSymlinks: true });
  for (const checkpoint of checkpointsOf(out)) {
    if (Number(checkpoint.slice("step-".length)) > step)
      rmSync(join(out, "checkpoints", checkpoint), { recursive: true });
  }
  expect(Number(checkpointsOf(out).at(-1)?.slice("step-".length))).toBe(step);
  return out;
}

beforeAll(async () => {
  prepareRanks(); // Fails with what to install where there is no mpirun.
  place = workplace("mpi");
  single = join(place.folder, "single");
  await succeed(args(single));
  expect(lossesOf(single).at(-1)?.[0]).toBeLessThan((lossesOf(single)[0]?.[0] ?? 0) - 0.5);
});
afterAll(() => place?.remove());

test("two processes that split the optimizer's state follow the losses of one", async () => {
  const out = join(place.folder, "two");
  const { stderr } = await succeed(args(out), two());
  expect(metricsOf(out)[0]).toMatchObject({ kind: "start", world: 2 });
  const isSame = JSON.stringify(reproducible(out)) === JSON.stringify(reproducible(single));
  console.log(
    `two processes: largest relative difference ${expectClose(out)}${isSame ? ", all metrics bit for bit" : ""}`,
  );
  expect(stderr).not.toContain("fathom: rank");
});

test("with one micro-batch for each, two processes make the bits of one", async () => {
  const [one, both] = [join(place.folder, "halves of one"), join(place.folder, "halves of two")];
  await succeed(args(one, "--micro-batch", "4"));
  await succeed(args(both, "--micro-batch", "4"), two());
  expect(lossesOf(both)).toEqual(lossesOf(one));
});

test("two processes that split the experts follow the losses of one", async () => {
  const out = join(place.folder, "experts");
  await succeed(args(out, "--expert-parallel", "2"), two());
  console.log(`experts over two processes: largest relative difference ${expectClose(out)}`);
});

test("with V2's token dropping two processes that split the experts follow one too", async () => {
  const drops = ["--micro-batch", "4", "--device-capacity", "0.7"];
  const [one, experts] = [join(place.folder, "drops one"), join(place.folder, "drops experts")];
  await succeed(args(one, ...drops));
  expect(lossesOf(one)).not.toEqual(lossesOf(single));
  await succeed(args(experts, ...drops, "--expert-parallel", "2"), two());
  console.log(`token dropping, experts over two processes: largest difference ${expectClose(experts, one)}`);
});

for (const [name, more] of [
  ["data parallel", []],
  ["expert parallel", ["--expert-parallel", "2"]],
] as const) {
  test(`what two processes saved goes on with one, and back with two (${name})`, async () => {
    const written = join(place.folder, `${name} 20`);
    await succeed(args(written, ...more), two());
    const byOne = asOf(written, 20, `${name} 20 to 1`);
    await succeed(args(byOne, "--resume"));
    expect(metricsOf(byOne).filter(({ kind }) => kind === "start")).toMatchObject([
      { step: 0, world: 2 },
      { step: 20, world: 1 },
    ]);
    const first = expectClose(byOne);

    const byTwo = asOf(byOne, 40, `${name} 40 to 2`);
    await succeed(args(byTwo, ...more, "--resume"), two());
    expect(metricsOf(byTwo).filter(({ kind }) => kind === "start")).toMatchObject([
      { step: 0, world: 2 },
      { step: 20, world: 1 },
      { step: 40, world: 2 },
    ]);
    console.log(`${name}, 2 to 1: largest relative difference ${first}; back to 2: ${expectClose(byTwo)}`);
  });
}

test("what two processes saved goes on with two to the same bits as without the stop", async () => {
  const whole = join(place.folder, "two again");
  await succeed(args(whole, "--expert-parallel", "2"), two());
  const out = asOf(whole, 20, "two from 20");
  await succeed(args(out, "--expert-parallel", "2", "--resume"), two());
  expect(reproducible(out)).toEqual(reproducible(whole));
  expect(newestHashes(out)).toEqual(newestHashes(whole));
});

/** The processes that mpirun started, by rank, as /proc tells. */
function ranksOf(mpirun: number): Map<number, number> {
  const found = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      if (parent !== mpirun) continue;
      const rank = /(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)/.exec(readFileSync(`/proc/${name}/environ`, "utf8"));
      if (rank) found.set(Number(rank[1]), Number(name));
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** Starts a job that would take hours and sends a signal to one rank once it trains. */
async function disturb(
  name: string,
  rank: number,
  signal: NodeJS.Signals,
): Promise<Ran & { since: number; out: string }> {
  const out = join(place.folder, name);
  const endless = ["--steps", "1000000", "--save-every", "0", "--validate-every", "0"];
  const job = start([...place.args, "--out", out, ...endless], two({ FATHOM_MPI_TIMEOUT: `${patience}` }));
  expect(await until(job, () => lastStep(out) >= 3, 20), "the job trains").toBe(true);
  const pid = ranksOf(job.child.pid ?? 0).get(rank);
  expect(pid, "the rank's process").toBeDefined();
  const begun = performance.now();
  process.kill(pid ?? 0, signal);
  const finished = await job.done;
  return { ...finished, since: (performance.now() - begun) / 1000, out };
}

for (const rank of [0, 1]) {
  test(`a job whose rank ${rank} was killed ends with a message that names it`, async () => {
    const { code, stderr, stdout, since } = await disturb(`killed ${rank}`, rank, "SIGKILL");
    expect(code).not.toBe(0);
    expect(code).not.toBeNull();
    expect(stdout).not.toContain("trainLoss");
    expect(stderr).toMatch(
      new RegExp(`process rank ${rank} .*signal 9|fathom: rank ${rank} \\(.+, pid \\d+\\) has died`),
    );
    expect(since).toBeLessThan(patience + 10);
  });
}

test("a job whose rank hangs ends when the time to wait is over, with a message that names it", async () => {
  const { code, stderr, since } = await disturb("stopped", 1, "SIGSTOP");
  expect(code).toBe(124);
  expect(stderr).toMatch(
    new RegExp(
      `fathom: rank 0 \\(.+, pid \\d+\\) waits in \\w+ for ${patience} s; (not arrived:|nothing sent by) rank 1`,
    ),
  );
  expect(since).toBeGreaterThan(patience - 1);
  expect(since).toBeLessThan(patience + 10);
});

test("a signal that reaches one process alone saves the run and ends all", async () => {
  const { code, stderr, json, out } = await disturb("asked", 1, "SIGTERM");
  expect(code, stderr).toBe(130);
  expect(json).toMatchObject({ steps: lastStep(out), reason: "stopped" });
  expect(checkpointsOf(out)).toEqual([`step-${String(lastStep(out)).padStart(8, "0")}`]);
});

test("a mistake of the user's ends all processes with a message that names one", async () => {
  const { code, stderr } = await fathom(args(single), two());
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/fathom: rank [01]: .*: there is a run already; --resume goes on with it/);
});
