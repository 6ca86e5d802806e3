import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeFileAtomic } from "./atomic.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-atomic-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("writeFileAtomic joins pieces and creates the folder", () => {
  const path = join(folder, "a/b.txt");
  writeFileAtomic(path, ["one ", new Uint8Array([116, 119, 111])]);
  expect(readFileSync(path, "utf8")).toBe("one two");
});

test("writeFileAtomic keeps the old file and leaves nothing behind when a piece fails", () => {
  const path = join(folder, "b.txt");
  writeFileSync(path, "old");
  function* broken(): Generator<string> {
    yield "new";
    throw new Error("disk full");
  }
  expect(() => writeFileAtomic(path, broken())).toThrow("disk full");
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(folder)).toEqual(["b.txt"]);
});
