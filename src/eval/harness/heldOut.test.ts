import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { heldOutOf, readHeldOut } from "./heldOut.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-heldout-"));
  mkdirSync(join(folder, "text"));
  writeFileSync(join(folder, "text", "b.ts"), "two\n");
  writeFileSync(join(folder, "text", "a.jsonl"), '{"text":"one"}\n{"text":"uno"}\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a folder gives a row for each document in it", async () => {
  expect(await readHeldOut(join(folder, "text"))).toEqual([
    { text: "one", path: `${join(folder, "text", "a.jsonl")}:1` },
    { text: "uno", path: `${join(folder, "text", "a.jsonl")}:2` },
    { text: "two\n", path: join(folder, "text", "b.ts") },
  ]);
  await expect(readHeldOut(join(folder, "none"))).rejects.toThrow("no such file or folder");
});

test("a run and its checkpoints have the run's prepared data", () => {
  const run = join(folder, "run");
  const checkpoint = join(run, "checkpoints", "step-00000001");
  mkdirSync(checkpoint, { recursive: true });
  mkdirSync(join(run, "data"));
  expect(heldOutOf(run)).toBeNull();
  writeFileSync(join(run, "data", "data.json"), "{}");
  expect([run, checkpoint].map(heldOutOf)).toEqual([join(run, "data"), join(run, "data")]);
});

test("a run that began with another has that one's prepared data, until it has its own", () => {
  const [base, tuned, again] = ["base", "tuned", "again"].map((name) => join(folder, "chain", name)) as [
    string,
    string,
    string,
  ];
  for (const run of [base, tuned, again]) mkdirSync(join(run, "data"), { recursive: true });
  writeFileSync(join(tuned, "run.json"), JSON.stringify({ base: join(base, "checkpoints", "best") }));
  writeFileSync(join(again, "run.json"), JSON.stringify({ base: tuned }));
  writeFileSync(join(base, "run.json"), JSON.stringify({ base: again })); // no run's, but nothing hangs
  expect(heldOutOf(again)).toBeNull();
  writeFileSync(join(base, "data", "data.json"), "{}");
  expect(heldOutOf(join(again, "checkpoints", "step-00000001"))).toBe(join(base, "data"));
  writeFileSync(join(tuned, "data", "data.json"), "{}");
  expect(heldOutOf(again)).toBe(join(tuned, "data"));
});
