import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { defaultReadOptions, type ReadOptions, readDocuments } from "./documents.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-documents-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Read {
  readonly texts: string[];
  readonly parts: (number | null)[];
  readonly skipped: string[];
}

async function read(name: string, content: string | Uint8Array, options: Partial<ReadOptions> = {}): Promise<Read> {
  const path = join(folder, name);
  writeFileSync(path, content);
  const { size, mtimeMs } = statSync(path);
  const result: Read = { texts: [], parts: [], skipped: [] };
  const file = { path, sizeBytes: size, mtimeMs, group: null };
  const merged = { ...defaultReadOptions, ...options };
  for await (const document of readDocuments(file, merged, (_, reason) => result.skipped.push(reason))) {
    result.texts.push(Buffer.from(document.content).toString("utf8"));
    result.parts.push(document.part);
  }
  return result;
}

test("a plain file is one document, byte for byte, gzipped or not", async () => {
  const text = "\ufeffline\r\nпривет 🙂";
  expect(await read("a.txt", text)).toEqual({ texts: [text], parts: [null], skipped: [] });
  expect(await read("a.txt.gz", gzipSync(text))).toEqual({ texts: [text], parts: [null], skipped: [] });
});

test("binary, invalid and empty files are skipped with their reason, or refused under strict", async () => {
  const binary = Uint8Array.of(65, 0, 66);
  const invalid = Uint8Array.of(65, 66, 0xc3, 0x28);
  expect((await read("a", binary)).skipped).toEqual(["binary"]);
  expect((await read("a", invalid)).skipped).toEqual(["invalidUtf8"]);
  expect((await read("a", "", { strict: true })).skipped).toEqual(["empty"]);
  await expect(read("a", binary, { strict: true })).rejects.toThrow("a: binary file (byte 0 at offset 1)");
  await expect(read("a", invalid, { strict: true })).rejects.toThrow("a: invalid UTF-8 at offset 2");
});

test("a long text is cut behind line ends, and between characters where there is none", async () => {
  const options = { maxDocumentBytes: 8 };
  expect(await read("a", "aaa\nbbb\ncc\ndddd\n", options)).toEqual({
    texts: ["aaa\nbbb\n", "cc\ndddd\n"],
    parts: [1, 2],
    skipped: [],
  });
  expect((await read("b", "€€€€€", options)).texts).toEqual(["€€", "€€", "€"]);
});

test("the parts of a long text join to it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: fc.constantFrom("a", "\n", "é", "€", "🙂"), minLength: 1, maxLength: 30 }), {
        minLength: 1,
      }),
      fc.integer({ min: 4, max: 20 }),
      async (pieces, maxDocumentBytes) => {
        const text = pieces.join("");
        const { texts, skipped } = await read("a", text, { maxDocumentBytes });
        expect(texts.join("")).toBe(text);
        expect(skipped).toEqual([]);
        expect(Math.max(...texts.map((part) => Buffer.byteLength(part)))).toBeLessThanOrEqual(maxDocumentBytes);
      },
    ),
    { numRuns: 50 },
  );
});

test("JSONL gives a document for each line, by text, else content, else the field named", async () => {
  const lines = '{"text":"a\\nb","n":1}\n\n{"content":"é"}\r\n{"text":""}\n{"text":"last"}';
  const expected = { texts: ["a\nb", "é", "last"], parts: [1, 3, 5], skipped: ["empty"] };
  expect(await read("a.jsonl", lines)).toEqual(expected);
  expect(await read("a.jsonl.gz", gzipSync(lines))).toEqual(expected);
  expect((await read("b.jsonl", '{"body":"x","text":"y"}', { textField: "body" })).texts).toEqual(["x"]);
});

test("JSONL lines longer than a chunk of the file come whole", async () => {
  const long = "0123456789".repeat(250_000);
  const { texts } = await read("a.jsonl", `{"text":"${long}"}\n{"text":"b"}\n`);
  expect(texts).toEqual([long, "b"]);
});

test("a bad JSONL line is named by file and line", async () => {
  await expect(read("a.jsonl", '{"text":"a"}\n{"text":\n')).rejects.toThrow(/a\.jsonl:2: malformed JSON/);
  await expect(read("a.jsonl", '{"text":"a"}\n\n[1]')).rejects.toThrow(/a\.jsonl:3: expected an object/);
  await expect(read("a.jsonl", '{"words":"a"}')).rejects.toThrow(/:1: expected a field text or content, found words/);
  await expect(read("a.jsonl", '{"text":5}')).rejects.toThrow(/:1: text must be a text, got number/);
  const invalid = Buffer.concat([Buffer.from('{"text":"'), Uint8Array.of(0xff), Buffer.from('"}')]);
  await expect(read("a.jsonl", invalid)).rejects.toThrow(/:1: invalid UTF-8 at byte 9 of the line/);
});

test("a truncated gzip file is refused by name", async () => {
  const zipped = gzipSync("some text that is long enough to be cut");
  await expect(read("a.txt.gz", zipped.subarray(0, -9))).rejects.toThrow(/a\.txt\.gz: cannot be read as gzip/);
});

test("a file that is no Parquet is refused by name", async () => {
  await expect(read("a.parquet", "not parquet at all")).rejects.toThrow(/a\.parquet: not a readable Parquet file/);
  await expect(read("a.parquet.gz", gzipSync("x"))).rejects.toThrow("unpack it first");
});

/**
 * Written by pyarrow: {"id": [1, 2, 3, 4, 5], "text": ["one", "zwei — 2", "", "три\\n", "x" * 40]} with compression="zstd" and
 * row_group_size=2; and {"content": ["a", None]} with compression="snappy".
 */
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
const snappyRows = [
  "UEFSMRUEFQoVDkwVAhUAEgAABRABAAAAYRUAFRIVFiwVBBUQFQYVBhwAAAAJIAIAAAADAQECABUEGSw1ABgGc2NoZW1hFQIAFQwlAhgHY29udG",
  "VudCUATBwAAAAWBBkcGRwmABwVDBk1AAYQGRgHY29udGVudBUCFgQWXhZmJjImCCksFQQVABUCABUAFRAVAgA8FgIZBhkmAgIAAAAWXhYEJggW",
  "ZgAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjYuMC4xGRwcAAAAmAAAAFBBUjE=",
].join("");

test("Parquet gives a document for each row, over row groups and compressions", async () => {
  expect(await read("a.parquet", Buffer.from(zstdRows, "base64"))).toEqual({
    texts: ["one", "zwei — 2", "три\n", "x".repeat(40)],
    parts: [1, 2, 4, 5],
    skipped: ["empty"],
  });
});

test("a missing column, a null and a damaged page of Parquet are refused by name", async () => {
  const bytes = Buffer.from(zstdRows, "base64");
  await expect(read("a.parquet", bytes, { textField: "body" })).rejects.toThrow(
    "no column body; the file has id, text",
  );
  await expect(read("a.parquet", bytes, { textField: "id" })).rejects.toThrow("row 1: id must be a text, got bigint");
  await expect(read("b.parquet", Buffer.from(snappyRows, "base64"))).rejects.toThrow(
    "b.parquet: row 2: content must be a text, got null",
  );
  bytes.fill(0xee, 30, 90);
  await expect(read("a.parquet", bytes)).rejects.toThrow("a.parquet: not a readable Parquet file");
});
