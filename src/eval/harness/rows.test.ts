import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatOf, readRows } from "./rows.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-rows-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(name: string, content: string | Uint8Array): Promise<unknown> {
  writeFileSync(join(folder, name), content);
  return readRows(join(folder, name));
}

/** Written by pyarrow: {"id": [1, 2, 3, 4, 5], "text": ["one", "zwei — 2", "", "три\n", "x" * 40]}, zstd, row groups of two. */
const zstdRows = [
  "UEFSMRUEFSAVMkwVBBUAEgAAKLUv/SAQgQAAAQAAAAAAAAACAAAAAAAAABUAFRIVJCwVBBUQFQYVBhwAAAAotS/9IAlJAAACAAAABAEBAwIVBB",
  "UqFTxMFQQVABIAACi1L/0gFakAAAMAAABvbmUKAAAAendlaSDigJQgMhUAFRIVJCwVBBUQFQYVBhwAAAAotS/9IAlJAAACAAAABAEBAwIVBBUg",
  "FTJMFQQVABIAACi1L/0gEIEAAAMAAAAAAAAABAAAAAAAAAAVABUSFSQsFQQVEBUGFQYcAAAAKLUv/SAJSQAAAgAAAAQBAQMCFQQVHhUwTBUEFQ",
  "ASAAAotS/9IA95AAAAAAAABwAAANGC0YDQuAoVABUSFSQsFQQVEBUGFQYcAAAAKLUv/SAJSQAAAgAAAAQBAQMCFQQVEBUiTBUCFQASAAAotS/9",
  "IAhBAAAFAAAAAAAAABUAFRIVJCwVAhUQFQYVBhwAAAAotS/9IAlJAAACAAAAAgEBAgAVBBVYFShMFQIVABIAACi1L/0gLF0AACgoAAAAeAEASq",
  "AFFQAVEhUkLBUCFRAVBhUGHAAAACi1L/0gCUkAAAIAAAACAQECABUEGTw1ABgGc2NoZW1hFQQAFQQlAhgCaWQAFQwlAhgEdGV4dCUATBwAAAAW",
  "Chk8GSwmABwVBBk1AAYQGRgCaWQVDBYEFnQWmAEmViYIKSwVBBUAFQIAFQAVEBUCADwpBhkmAAQAAAAmABwVDBk1AAYQGRgEdGV4dBUMFgQWfh",
  "aiASb4ASagASksFQQVABUCABUAFRAVAgA8FhoZBhkmAAQAAAAW8gEWBCYIFroCABksJgAcFQQZNQAGEBkYAmlkFQwWBBZ0FpgBJpADJsICKSwV",
  "BBUAFQIAFQAVEBUCADwpBhkmAAQAAAAmABwVDBk1AAYQGRgEdGV4dBUMFgQWchaWASamBCbaAyksFQQVABUCABUAFRAVAgA8Fg4ZBhkmAAQAAA",
  "AW5gEWBCbCAhauAgAZLCYAHBUEGTUABhAZGAJpZBUMFgIWZBaIASauBSbwBCksFQQVABUCABUAFRAVAgA8KQYZJgACAAAAJgAcFQwZNQAGEBkY",
  "BHRleHQVDBYCFqwBFo4BJrwGJvgFKSwVBBUAFQIAFQAVEBUCADwWUBkGGSYAAgAAABaQAhYCJvAEFpYCACggcGFycXVldC1jcHAtYXJyb3cgdm",
  "Vyc2lvbiAyNi4wLjEZLBwAABwAAADeAQAAUEFSMQ==",
].join("");

test("Parquet gives rows as JSON would have them: 64-bit numbers are numbers", async () => {
  expect(await read("a.parquet", Buffer.from(zstdRows, "base64"))).toEqual([
    { id: 1, text: "one" },
    { id: 2, text: "zwei — 2" },
    { id: 3, text: "" },
    { id: 4, text: "три\n" },
    { id: 5, text: "x".repeat(40) },
  ]);
  await expect(read("b.parquet", "no")).rejects.toThrow("b.parquet: not a readable Parquet file");
});

test("JSON is a list, a list under data, or lines after all", async () => {
  expect(await read("a.json", '[{"a":1},{"a":2}]')).toEqual([{ a: 1 }, { a: 2 }]);
  expect(await read("b.json", '{"version":"1","data":[{"a":1}]}')).toEqual([{ a: 1 }]);
  expect(await read("c.json", '{"a":1}\n{"a":2}\n')).toEqual([{ a: 1 }, { a: 2 }]);
  expect(await read("d.json", '{"a":1}\n')).toEqual([{ a: 1 }]);
  await expect(read("e.json", '{\n"a": 1\n}')).rejects.toThrow("e.json: expected a list of rows");
  await expect(read("f.json", "[1]")).rejects.toThrow("f.json: row 1: expected an object, got number");
});

test("formats are told by the name, gzipped or not", async () => {
  expect(["a.jsonl", "a.JSON.gz", "a.tsv", "a.parquet.gz", "a.txt"].map(formatOf)).toEqual([
    "jsonl",
    "json",
    "tsv",
    null,
    null,
  ]);
  expect(await read("a.csv.gz", gzipSync("x,y\n1,2\n"))).toEqual([{ x: "1", y: "2" }]);
  await expect(read("a.txt", "x")).rejects.toThrow("expected a file of rows");
  await expect(read("g.csv", Buffer.from([0xff, 0xfe]))).rejects.toThrow("g.csv: cannot be read");
});
