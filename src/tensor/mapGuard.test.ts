import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { native } from "./native.js";

/** Files cut short while they are mapped (native/map_guard.h). */
const page = 16384; // of the systems that we know the largest
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-map-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file of `pages` pages, each filled with its number, from 1 on. */
function numbered(name: string, pages: number): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat(Array.from({ length: pages }, (_, i) => Buffer.alloc(page, i + 1))));
  return path;
}

test("a watched map whose file is cut reads as zeros behind the cut and is the one that is damaged", () => {
  const [cut, whole] = [numbered("cut", 5), numbered("whole", 3)];
  const maps = [native().mapFile(cut), native().mapFile(whole)] as const;
  for (const { address } of maps) native().watchMap(address, true);
  const [bytes, others] = maps.map(({ buffer }) => new Uint8Array(buffer)) as [Uint8Array, Uint8Array];
  const damaged = (): boolean[] => maps.map(({ address }) => native().isMapDamaged(address));
  const before = native().damagedMaps();
  truncateSync(cut, 2 * page);
  expect([bytes[0], bytes[2 * page - 1], ...damaged()]).toEqual([1, 2, false, false]);
  expect(bytes.subarray(3 * page).every((value) => value === 0)).toBe(true);
  // A page before those that were read already is another fault of the same map.
  expect(bytes.subarray(2 * page).every((value) => value === 0)).toBe(true);
  expect([bytes[0], bytes[2 * page - 1], ...damaged()]).toEqual([1, 2, true, false]);
  expect([others[0], others[3 * page - 1], native().damagedMaps() - before]).toEqual([1, 3, 1]);
});

test("the kernels' threads may meet what is gone", () => {
  const path = numbered("kernels", 64);
  const map = native().mapFile(path);
  native().watchMap(map.address, true);
  truncateSync(path, 0);
  const sum = native().alloc(map.bytes);
  native().copyRows(sum.address, map.address, 64, page, page, page, 1);
  expect(new Uint8Array(sum.buffer).every((value) => value === 0)).toBe(true);
  expect(native().isMapDamaged(map.address)).toBe(true);
});

/** Runs a program that has a file of 3 pages mapped, as `map`, and its path, as `path`. */
function ended(name: string, program: string): { readonly signal: NodeJS.Signals | null; readonly stderr: string } {
  const addon = new URL("../../build/native/fathom.node", import.meta.url).pathname;
  const head = `const addon = require(${JSON.stringify(addon)}), path = ${JSON.stringify(numbered(name, 3))};
    const map = addon.mapFile(path), bytes = new Uint8Array(map.buffer), cut = () => require("fs").truncateSync(path, 0);`;
  const { signal, stderr } = spawnSync(process.execPath, ["-e", `${head}\n${program}`], { encoding: "utf8" });
  return { signal, stderr };
}

test("a map that is not watched, or not any more, ends the process, which names the file first", () => {
  for (const [i, before] of [
    "",
    "addon.watchMap(map.address, true); addon.watchMap(map.address, false);",
    // Another map's watch is no help.
    "const other = addon.mapFile(process.execPath); addon.watchMap(other.address, true);",
  ].entries()) {
    const { signal, stderr } = ended(`plain${i}`, `${before} cut(); console.log(bytes[1]);`);
    expect([signal, stderr]).toEqual([
      "SIGBUS",
      `fathom: ${join(folder, `plain${i}`)}: cut short or unreadable while it was mapped\n`,
    ]);
  }
});

test("a SIGBUS that another process sends ends the process as without us", () => {
  const program = `addon.watchMap(map.address, true); process.kill(process.pid, "SIGBUS"); setTimeout(() => {}, 5000);`;
  expect(ended("sent", program)).toEqual({ signal: "SIGBUS", stderr: "" });
});

test("the handler stays when the thread that loaded the addon has ended", () => {
  // Only worker threads load it: Node lets go of an addon with the last of them.
  const addon = new URL("../../build/native/fathom.node", import.meta.url).pathname;
  const work = `const addon = require(${JSON.stringify(addon)}); addon.mapFile(process.execPath);`;
  const program = `const { Worker } = require("worker_threads");
    new Worker(${JSON.stringify(work)}, { eval: true }).on("exit", () => process.kill(process.pid, "SIGBUS"));
    setTimeout(() => {}, 5000);`;
  const { signal } = spawnSync(process.execPath, ["-e", program]);
  expect(signal).toBe("SIGBUS");
});
