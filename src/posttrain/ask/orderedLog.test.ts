import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readLog } from "./jsonLog.js";
import { OrderedLog } from "./orderedLog.js";

const order = ["a", "b", "c", "d", "e"];
const expected = order.map((id) => `{"id":"${id}"}\n`).join("");

let folder = "";
let path = "";
let journal = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-ordered-"));
  path = join(folder, "log.jsonl");
  journal = join(folder, "log.ahead.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Opens the log as a step does: for what the file does not have. */
async function open(wanted: readonly string[] = order): Promise<OrderedLog<{ id: string }>> {
  const there = new Set<string>();
  for await (const { value } of readLog(path)) there.add(String(value.id));
  const missing = wanted.filter((id) => !there.has(id));
  return OrderedLog.open(path, journal, missing, (id) => there.has(id));
}

test("whatever order records are finished in, and wherever it stops, the file is the same", async () => {
  const permutation = fc.shuffledSubarray(order, { minLength: order.length });
  const runs = fc.asyncProperty(permutation, fc.integer({ min: 0, max: 5 }), async (finished, stopAfter) => {
    for (const file of [path, journal]) rmSync(file, { force: true });
    {
      using log = await open();
      for (const id of finished.slice(0, stopAfter)) log.put({ id });
    }
    {
      using log = await open();
      // Nothing that was finished is asked for again.
      expect(log.missing.toSorted()).toEqual(finished.slice(stopAfter).toSorted());
      for (const id of log.missing.toReversed()) log.put({ id });
    }
    expect(readFileSync(path, "utf8")).toBe(expected);
    expect(existsSync(journal)).toBe(false);
  });
  await fc.assert(runs, { seed: 1, numRuns: 40 });
});

test("files torn at any place go on to the same bytes", async () => {
  {
    using log = await open();
    for (const id of ["a", "e", "c", "b"]) log.put({ id });
    // c, e wait in the journal at first; b lets c through.
  }
  const [main, ahead] = [path, journal].map((file) => readFileSync(file));
  expect(main?.toString()).toBe('{"id":"a"}\n{"id":"b"}\n{"id":"c"}\n');
  expect(ahead?.toString()).toBe('{"id":"e"}\n{"id":"c"}\n');
  // Within lines, before their ends, behind them.
  for (const kept of [0, 4, 10, 11, 15, 22, 27, 32, 33]) {
    for (const keptAhead of [0, 4, 10, 11, 15, 21, 22]) {
      writeFileSync(path, main?.subarray(0, kept) ?? "");
      writeFileSync(journal, ahead?.subarray(0, keptAhead) ?? "");
      using log = await open();
      for (const id of log.missing.toReversed()) log.put({ id });
      expect(readFileSync(path, "utf8"), `${kept}, ${keptAhead}`).toBe(expected);
    }
  }
});

test("what waited for an order that is no longer wanted is added all the same", async () => {
  {
    using log = await open();
    log.put({ id: "a" });
    log.put({ id: "d" });
  }
  copyFileSync(journal, join(folder, "copy"));
  {
    using log = await open(["a", "b"]);
    log.put({ id: "b" });
  }
  expect(readFileSync(path, "utf8")).toBe('{"id":"a"}\n{"id":"d"}\n{"id":"b"}\n');
  expect(existsSync(journal)).toBe(false);
});

test("records of the journal that are not what is wanted now are made again", async () => {
  {
    using log = await open();
    log.put({ id: "c" });
  }
  using log = await OrderedLog.open(
    path,
    journal,
    order,
    () => false,
    () => false,
  );
  expect(log.missing).toEqual(order);
});
