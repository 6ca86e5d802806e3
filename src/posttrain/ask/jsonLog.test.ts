import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { JsonLog, LineReader, readLog } from "./jsonLog.js";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-log-"));
  path = join(folder, "log.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function values(): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const { value } of readLog(path)) all.push(value);
  return all;
}

function append(...lines: readonly object[]): void {
  using log = new JsonLog(path);
  log.append(lines);
}

test("a line torn at any byte is cut off when the log goes on, and is not read before that", async () => {
  append({ id: 1, text: "é\n" }, { id: 2, text: "zwei" });
  const whole = readFileSync(path);
  const first = whole.indexOf(10) + 1;
  for (let length = first; length < whole.length - 1; length++) {
    writeFileSync(path, whole.subarray(0, length));
    expect(await values(), `${length} bytes`).toEqual([{ id: 1, text: "é\n" }]);
    append({ id: 2, text: "zwei" });
    expect(readFileSync(path).equals(whole), `${length} bytes`).toBe(true);
  }
});

test("a last line that lacks only its end is kept", async () => {
  writeFileSync(path, '{"id":1}\n{"id":2}');
  expect(await values()).toEqual([{ id: 1 }, { id: 2 }]);
  append({ id: 3 });
  expect(readFileSync(path, "utf8")).toBe('{"id":1}\n{"id":2}\n{"id":3}\n');
});

test("a torn line of more than a piece of reading is cut off too", async () => {
  append({ id: 1 });
  appendFileSync(path, `{"id":2,"text":"${"x".repeat(200_000)}`);
  append({ id: 3 });
  expect(readFileSync(path, "utf8")).toBe('{"id":1}\n{"id":3}\n');
});

test("a broken line amid others is an error that names it", async () => {
  writeFileSync(path, '{"id":1}\n{"id":\n{"id":3}\n');
  await expect(values()).rejects.toThrow(/log\.jsonl:2: malformed JSON/);
  writeFileSync(path, '{"id":1}\n[2]\n');
  await expect(values()).rejects.toThrow("log.jsonl:2: expected an object, got [2]");
});

test("a log that is not there has no lines", async () => {
  expect(await values()).toEqual([]);
});

test("lines are found again by their place", async () => {
  append({ id: "ü" }, { id: "b" });
  const places: { offset: number; bytes: number }[] = [];
  for await (const { offset, bytes } of readLog(path)) places.push({ offset, bytes });
  // The first line is {"id":"ü"}: 9 characters, one of two bytes, and a line end.
  expect(places).toEqual([
    { offset: 0, bytes: 11 },
    { offset: 12, bytes: 10 },
  ]);
  using reader = new LineReader(path);
  expect(places.toReversed().map((place) => reader.value(place))).toEqual([{ id: "b" }, { id: "ü" }]);
});
