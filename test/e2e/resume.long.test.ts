/**
 * One run killed with SIGKILL at twenty points, a third of them inside a save, and going on each time: it ends with the bits of a run that was
 * never interrupted. The points come from a fixed seed; where a kill really fell is read from what it left on disk, and counted.
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fathom, type Running, start } from "./command.js";
import {
  checkpointsOf,
  entriesOf,
  lastStep,
  metricsOf,
  newestHashes,
  reproducible,
  type Workplace,
  workplace,
} from "./runs.js";

const steps = 60;
const saveEvery = 5;

/** When to kill: so many milliseconds after the start, after so many further steps, or once so many files of a save are there. */
type Point =
  | { readonly kind: "moment"; readonly milliseconds: number }
  | { readonly kind: "step"; readonly further: number; readonly milliseconds: number }
  | { readonly kind: "save"; readonly files: number };

let state = 20260;
/** @returns a whole number in [0, below) */
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

/** Twenty points in an order of the seed's; those by steps that pass a save are few enough that the run cannot end before. */
function points(): Point[] {
  const all: Point[] = [
    ...Array.from({ length: 8 }, (_, files): Point => ({ kind: "save", files })),
    ...Array.from({ length: 4 }, (): Point => ({ kind: "moment", milliseconds: 50 + random(500) })),
    ...Array.from({ length: 8 }, (_, i): Point => {
      const further = i % 2 === 0 ? 1 + random(saveEvery - 1) : saveEvery + 1 + random(saveEvery - 1);
      return { kind: "step", further, milliseconds: random(8) };
    }),
  ];
  for (let i = all.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}

let place: Workplace;
beforeAll(() => {
  place = workplace("kills");
});
afterAll(() => place.remove());

const args = (out: string): string[] => {
  const every = ["--save-every", `${saveEvery}`, "--validate-every", "10", "--ema", "0.9", "--keep-last", "2"];
  return [...place.args, "--out", out, "--steps", `${steps}`, ...every, "--resume"];
};

const isAlive = ({ child }: Running): boolean => child.exitCode === null && child.signalCode === null;
const nap = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const unfinished = (out: string): string[] =>
  entriesOf(join(out, "checkpoints")).filter((name) => name.startsWith(".step-"));

/** Kills a run at a point, by asking the disk as often as possible without giving up the processor in between. */
async function killAt(running: Running, out: string, point: Point): Promise<void> {
  if (point.kind === "moment") await nap(point.milliseconds);
  if (point.kind === "step") {
    const from = startsOf(out).length;
    while (isAlive(running) && startsOf(out).length === from) await nap(2);
    const target = Number(startsOf(out).at(-1)?.step ?? 0) + point.further;
    while (isAlive(running) && lastStep(out) < target) await nap(1);
    await nap(point.milliseconds);
  }
  if (point.kind === "save") {
    // What the last kill left is removed when the run has its lock; only a save of this process counts.
    while (isAlive(running) && unfinished(out).length > 0) await nap(1);
    const isThere = (): boolean =>
      unfinished(out).some((name) => entriesOf(join(out, "checkpoints", name)).length >= point.files);
    for (let isNow = isThere(); !isNow && isAlive(running); ) {
      const until = performance.now() + 20;
      while (!isNow && performance.now() < until) isNow = isThere();
      if (!isNow) await nap(0);
    }
  }
  running.child.kill("SIGKILL");
}

const startsOf = (out: string): Readonly<Record<string, unknown>>[] =>
  metricsOf(out).filter(({ kind }) => kind === "start");

/** Tells a half-written checkpoint from one of the same step that an earlier process left. */
const identities = (out: string): string[] =>
  unfinished(out).map((name) => {
    const { ino, birthtimeMs } = statSync(join(out, "checkpoints", name));
    return `${name} ${ino} ${birthtimeMs}`;
  });

/** Checks every file of a checkpoint against its manifest. */
function expectWhole(checkpoint: string): void {
  const { files } = JSON.parse(readFileSync(join(checkpoint, "manifest.json"), "utf8")) as {
    files: Record<string, { bytes: number; sha256: string }>;
  };
  expect(Object.keys(files).sort()).toEqual(
    entriesOf(checkpoint)
      .filter((name) => name !== "manifest.json")
      .sort(),
  );
  for (const [name, { bytes, sha256 }] of Object.entries(files)) {
    const content = readFileSync(join(checkpoint, name));
    expect(content.length, name).toBe(bytes);
    expect(createHash("sha256").update(content).digest("hex"), name).toBe(sha256);
  }
}

test("a run killed at twenty points, some inside a save, ends with the bits of one that was not", async () => {
  const whole = join(place.folder, "whole");
  const uninterrupted = await fathom(args(whole));
  expect(uninterrupted.code, uninterrupted.stderr).toBe(0);

  const out = join(place.folder, "killed");
  const where = { insideSaves: 0, elsewhere: 0 };
  const resumedFrom: number[] = [];
  for (const point of points()) {
    const left = identities(out);
    const begun = startsOf(out).length;
    const running = start(args(out));
    await killAt(running, out, point);
    const { signal, stderr } = await running.done;
    expect(signal, `the run ended before it was killed at ${JSON.stringify(point)}: ${stderr}`).toBe("SIGKILL");
    where[identities(out).some((one) => !left.includes(one)) ? "insideSaves" : "elsewhere"]++;
    if (startsOf(out).length > begun) expect(startsOf(out).at(-1)).toMatchObject({ step: resumedFrom.at(-1) ?? 0 });

    const names = checkpointsOf(out);
    for (const name of names) expectWhole(join(out, "checkpoints", name));
    const newest = Number(names.at(-1)?.slice("step-".length) ?? 0);
    expect(newest).toBeGreaterThanOrEqual(resumedFrom.at(-1) ?? 0);
    resumedFrom.push(newest);
    if (newest === 0) continue;
    // The run's directory stands for its newest complete checkpoint.
    const [byRun, byPath] = await Promise.all(
      [out, join(out, "checkpoints", names.at(-1) ?? "")].map((model) =>
        fathom(["score", "--model", model, "--ids", "70,97,116,104", "--threads", "1", "--json"]),
      ),
    );
    expect(byPath?.code, byPath?.stderr).toBe(0);
    expect(byRun?.json?.logprobs).toEqual(byPath?.json?.logprobs);
  }
  console.log(`kills inside a save: ${where.insideSaves}, elsewhere: ${where.elsewhere}; went on from ${resumedFrom}`);
  expect(where.insideSaves + where.elsewhere).toBe(20);
  expect(where.insideSaves).toBeGreaterThanOrEqual(4);

  const last = await fathom(args(out));
  expect(last.code, last.stderr).toBe(0);
  expect(last.json).toMatchObject({ steps, tokens: uninterrupted.json?.tokens, reason: "finished" });
  expect(last.json?.valBitsPerByte).toBe(uninterrupted.json?.valBitsPerByte);
  // It went on from the newest complete checkpoint; the half-written one was not taken, and is gone.
  expect(startsOf(out).at(-1)).toMatchObject({ step: resumedFrom.at(-1) });
  expect(unfinished(out)).toEqual([]);
  expect(reproducible(out)).toEqual(reproducible(whole));
  expect(newestHashes(out)).toEqual(newestHashes(whole));
  expect(checkpointsOf(out)).toEqual(checkpointsOf(whole));
});
