import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { verifyManifest, writeManifest } from "./manifest.js";
import {
  checkpointName,
  findCheckpoint,
  listCheckpoints,
  lockRun,
  publishCheckpoint,
  resolveModelDirectory,
  truncateMetrics,
  unfinishedFolder,
} from "./runDirectory.js";

let run = "";
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), "fathom-run-"));
});
afterEach(() => rmSync(run, { recursive: true, force: true }));

const lock = (): string => join(run, "lock.json");

test("a run directory has one owner at a time and is free afterwards", () => {
  const release = lockRun(run);
  expect(() => lockRun(run)).toThrow(`run directory in use by process ${process.pid} on ${hostname()}`);
  release();
  expect(readdirSync(run)).toEqual([]);
  lockRun(run)();
});

test("the lock of a living process holds, that of a dead one is taken over", async () => {
  const sleeper = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "ignore" });
  const ended = new Promise((resolve) => sleeper.once("exit", resolve));
  writeFileSync(lock(), JSON.stringify({ pid: sleeper.pid, host: hostname() }));
  expect(() => lockRun(run)).toThrow(`in use by process ${sleeper.pid}`);
  sleeper.kill("SIGKILL");
  await ended;
  lockRun(run)();
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(lock(), JSON.stringify({ pid: dead, host: hostname() }));
  lockRun(run)();
});

test("a process with the number of a dead one does not hold its lock", async () => {
  writeFileSync(lock(), JSON.stringify({ pid: process.pid, host: hostname() }));
  lockRun(run)();
  const later = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "ignore" });
  const ended = new Promise((resolve) => later.once("exit", resolve));
  writeFileSync(lock(), JSON.stringify({ pid: later.pid, host: hostname(), started: "another boot 1" }));
  if (existsSync("/proc/self/stat")) lockRun(run)();
  later.kill("SIGKILL");
  await ended;
});

test("a lock of another machine cannot be judged and holds; a torn one does not", () => {
  writeFileSync(lock(), JSON.stringify({ pid: 1, host: `not-${hostname()}` }));
  expect(() => lockRun(run)).toThrow(/in use by process 1 on not-.*if no such process is running, remove/);
  writeFileSync(lock(), "");
  lockRun(run)();
});

test("taking the lock removes what interrupted saves left", () => {
  const checkpoints = join(run, "checkpoints");
  for (const name of [".step-00000003", "step-00000002", ".removed-step-00000001", ".replaced-step-00000002"]) {
    mkdirSync(join(checkpoints, name), { recursive: true });
  }
  // A save of step 1 that replaced an older one was cut between the two renames.
  mkdirSync(join(checkpoints, ".replaced-step-00000001"));
  writeFileSync(join(checkpoints, ".replaced-step-00000001", "config.json"), "{}");
  lockRun(run)();
  expect(readdirSync(checkpoints).sort()).toEqual(["step-00000001", "step-00000002"]);
  expect(existsSync(join(checkpoints, "step-00000001", "config.json"))).toBe(true);
});

function publish(step: number, keepLast: number): string {
  const folder = unfinishedFolder(run, step);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), `${step}`);
  return publishCheckpoint(run, folder, step, keepLast);
}

test("the newest checkpoints are kept and `latest` points to the last", () => {
  const steps = (): number[] => listCheckpoints(run).map(({ step }) => step);
  expect(findCheckpoint(run)).toBeNull();
  for (const step of [1, 2, 3, 4]) publish(step, 6);
  expect(steps()).toEqual([1, 2, 3, 4]);
  publish(10, 2);
  expect(steps()).toEqual([4, 10]);
  expect(readlinkSync(join(run, "checkpoints", "latest"))).toBe("step-00000010");
  publish(11, 0);
  expect(steps()).toEqual([4, 10, 11]);
  expect(publish(11, 1)).toBe(join(run, "checkpoints", checkpointName(11)));
  expect(steps()).toEqual([11]);
  expect(findCheckpoint(run)).toEqual({ path: join(run, "checkpoints", "step-00000011"), step: 11 });
  expect(readdirSync(join(run, "checkpoints")).sort()).toEqual(["latest", "step-00000011"]);
});

test("a model is meant by its directory, by its run, or by a checkpoint", () => {
  expect(() => resolveModelDirectory(join(run, "x"))).toThrow(`${join(run, "x")}: no such directory`);
  expect(() => resolveModelDirectory(run)).toThrow("no model here: neither config.json nor checkpoints/latest");
  const path = publish(7, 2);
  expect(resolveModelDirectory(run)).toBe(path);
  expect(resolveModelDirectory(path)).toBe(path);
  rmSync(join(run, "checkpoints", "latest"));
  symlinkSync("step-00000099", join(run, "checkpoints", "latest"));
  expect(resolveModelDirectory(run)).toBe(path);
  writeFileSync(join(run, "config.json"), "{}");
  expect(resolveModelDirectory(run)).toBe(run);
});

test("a resumed run's metrics end at its step, without torn lines, other stages untouched", () => {
  const path = join(run, "metrics.jsonl");
  truncateMetrics(path, 3);
  expect(existsSync(path)).toBe(false);
  const line = (stage: string, step: number | undefined, note = ""): string =>
    `${JSON.stringify({ stage, step, note })}\n`;
  const lines = [
    line("a", 9),
    line("b", undefined),
    line("b", 2, "\u00fc"),
    line("b", 3),
    '{"stage":"b","st\n',
    line("b", 4),
  ];
  writeFileSync(path, `${lines.join("")}{"stage":"b","step":3`);
  truncateMetrics(path, 3, "b");
  expect(readFileSync(path, "utf8")).toBe(lines.slice(0, 4).join(""));
  truncateMetrics(path, 3);
  expect(readFileSync(path, "utf8")).toBe(lines.slice(1, 4).join(""));
});

test("a manifest tells which file is missing, cut or changed", () => {
  writeFileSync(join(run, "a"), "hello");
  writeFileSync(join(run, "b"), Buffer.alloc(5_000_000, 7));
  writeManifest(run);
  const { files } = JSON.parse(readFileSync(join(run, "manifest.json"), "utf8"));
  // sha-256 of "hello", as anyone can look up.
  expect(files.a).toEqual({
    bytes: 5,
    sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
  });
  verifyManifest(run);
  writeFileSync(join(run, "a"), "hellO");
  expect(() => verifyManifest(run)).toThrow(/\/a: sha-256 is .*, expected 2cf24dba/);
  writeFileSync(join(run, "a"), "hell");
  expect(() => verifyManifest(run)).toThrow(/\/a: 4 bytes, expected 5/);
  rmSync(join(run, "a"));
  expect(() => verifyManifest(run)).toThrow(/\/a: missing, though manifest\.json lists it/);
  writeFileSync(join(run, "manifest.json"), '{"version":2}');
  expect(() => verifyManifest(run)).toThrow(/not a manifest of this program's version/);
});
