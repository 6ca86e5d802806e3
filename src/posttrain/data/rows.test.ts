import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { csvRecords } from "./csv.js";
import { arrayElements } from "./jsonArray.js";
import type { RowError } from "./row.js";
import { readRows } from "./rows.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-rows-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Read {
  readonly rows: (readonly [number, Record<string, unknown>])[];
  readonly bad: string[];
}

async function read(name: string, content: string | Uint8Array, isStrict = false): Promise<Read> {
  const path = join(folder, name);
  writeFileSync(path, content);
  const result: Read = { rows: [], bad: [] };
  const onBad = (error: RowError): void => {
    result.bad.push(error.message.replace(path, name));
  };
  for await (const row of readRows(path, isStrict ? {} : { onBad })) result.rows.push([row.number, row.rest()]);
  return result;
}

const two: Read["rows"] = [
  [1, { text: 'a, ["]}', n: 1 }],
  [2, { text: "b" }],
];
const objects = two.map(([, fields]) => fields);

test("an object a line and an array of objects give the same rows, gzipped or not, whatever the ending says", async () => {
  const lines = objects.map((each) => JSON.stringify(each)).join("\n");
  const array = JSON.stringify(objects, null, 2);
  for (const [name, content] of [
    ["a.jsonl", lines],
    ["a.json", `${lines}\r\n`],
    ["a.ndjson.gz", gzipSync(lines)],
    ["a.json", array],
    ["a.jsonl", `\ufeff ${array}\n\n`],
    ["a.JSON.gz", gzipSync(array)],
  ] as const) {
    expect(await read(name, content)).toEqual({ rows: two, bad: [] });
  }
  expect(await read("a.json", " [ ] ")).toEqual({ rows: [], bad: [] });
});

test("rows of JSONL are numbered by line, and what is none is told with its number", async () => {
  const content = Buffer.concat([
    Buffer.from('\n{"a": 1}\n{"a"\n[1]\n7\n"'),
    Buffer.of(0xc3, 0x28),
    Buffer.from('"\n{"a": 2}'),
  ]);
  const { rows, bad } = await read("a.jsonl", content);
  expect(rows).toEqual([
    [2, { a: 1 }],
    [7, { a: 2 }],
  ]);
  expect(bad).toEqual([
    expect.stringMatching(/^a\.jsonl: row 3: malformed JSON \(one object a line, or an array of objects\): /),
    "a.jsonl: row 4: expected an object with fields, got a list",
    "a.jsonl: row 5: expected an object with fields, got a number",
    "a.jsonl: row 6: invalid UTF-8 at byte 1 of the row",
  ]);
  await expect(read("a.jsonl", content, true)).rejects.toThrow("a.jsonl: row 3: malformed JSON");
});

test("an array that is cut, has a gap or goes on is refused by name", async () => {
  await expect(read("a.json", '[{"a": 1}, {"a"')).rejects.toThrow(
    "a.json: the array has no end after row 1; is the file complete?",
  );
  await expect(read("a.json", '[{"a": 1},, {}]')).rejects.toThrow(
    "a.json: row 2: expected an element of the array, found none",
  );
  await expect(read("a.json", "[{}] {}")).rejects.toThrow(
    "a.json: text behind the end of the array; expected one JSON array",
  );
  await expect(read("a.txt", "{}")).rejects.toThrow(
    "a.txt: expected .jsonl, .ndjson, .json, .csv (or one of these with .gz) or .parquet",
  );
  await expect(read("a.parquet.gz", "x")).rejects.toThrow("unpack it first");
});

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

test("elements of an array come whole however the bytes are cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.jsonValue(), { maxLength: 6 }),
      fc.integer({ min: 1, max: 9 }),
      fc.boolean(),
      async (all, size, isSpaced) => {
        const text = JSON.stringify(all, null, isSpaced ? 1 : 0);
        const elements: unknown[] = [];
        for await (const bytes of arrayElements("a.json", pieces(Buffer.from(text), size))) {
          elements.push(JSON.parse(Buffer.from(bytes).toString("utf8")));
        }
        expect(elements).toEqual(JSON.parse(text));
      },
    ),
  );
});

test("CSV cells may be quoted, hold line ends and quotes, and hold JSON where the field is a list or a flag", async () => {
  const content =
    'instruction,output,history,kto_tag\r\n"say ""hi"", twice","a\nb",,True\r\n\r\nplain, x ,"[[""q"", ""a""]]",false';
  expect(await read("a.csv", content)).toEqual({
    rows: [
      [1, { instruction: 'say "hi", twice', output: "a\nb", kto_tag: true }],
      [2, { instruction: "plain", output: " x ", history: [["q", "a"]], kto_tag: false }],
    ],
    bad: [],
  });
  const chat = 'prompt,completion\n"[{""role"": ""user"", ""content"": ""A""}]",[1] is text\n';
  expect((await read("a.csv.gz", gzipSync(chat))).rows).toEqual([
    [1, { prompt: [{ role: "user", content: "A" }], completion: "[1] is text" }],
  ]);
});

test("a record of CSV that does not fit the header, or whose cell is no JSON, is told with its number", async () => {
  expect(await read("a.csv", "a,label\n1\n2,yes\n3,true\n")).toEqual({
    rows: [[3, { a: "3", label: true }]],
    bad: [
      "a.csv: row 1: expected 2 cells as in the header, got 1",
      expect.stringMatching(/^a\.csv: row 2: label: expected JSON in the cell: /),
    ],
  });
  await expect(read("a.csv", "a,a\n")).rejects.toThrow('a.csv: the header names "a" twice');
  await expect(read("a.csv", "a,\n")).rejects.toThrow("a.csv: the header has a column without a name");
  await expect(read("a.csv", 'a\n"b\nc')).rejects.toThrow("a.csv:2: the quote has no end");
  await expect(read("a.csv", 'a\n"b"c')).rejects.toThrow(
    "a.csv:2: expected a comma or the line's end behind a closing quote",
  );
  await expect(read("a.csv", 'a\nb"c')).rejects.toThrow("a.csv:2: a quote within a cell that does not begin with one");
  await expect(read("a.csv", Buffer.of(0x61, 0x0a, 0xc3, 0x28))).rejects.toThrow("a.csv: invalid UTF-8");
});

test("CSV cells survive being written and read, however the bytes are cut", async () => {
  const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", "é", "🙂", " "), maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 7 }),
      async (all, size) => {
        const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
        const text = ["x,y", ...all.map((cells) => cells.map(quoted).join(","))].join("\n");
        const read: unknown[] = [];
        for await (const { fields, problem } of csvRecords("a.csv", pieces(Buffer.from(text), size))) {
          expect(problem).toBeNull();
          read.push([fields.x, fields.y]);
        }
        expect(read).toEqual(all);
      },
    ),
  );
});

/**
 * Written by pyarrow 26 (compression="gzip", row_group_size=1, no statistics, no dictionary): columns data_source ["gsm8k", "aime"], prompt (lists of
 * role and content), ability ["math", None], reward_model {style "rule", ground_truth "2" and "4"}, extra_info {index 7 and 8, int64}.
 */
const verlRows = [
  "UEFSMRUAFR4VQiwVAhUAFQYVBhwAAAAfiwgAAAAAAAIDY2JgYGBiZAWS6cW5FtkAsd0EXQ8AAAAVABUoFUYsFQIVABUGFQYcAAAAH4sIAAAAAAAC",
  "A2NiYGBgAkIgycICJEuLU4sAUYpR0hQAAAAVABUoFUYsFQIVABUGFQYcAAAAH4sIAAAAAAACA2NiYGBgAkIgycICJA21De0BTp8ychQAAAAVABUc",
  "FUAsFQIVABUGFQYcAAAAH4sIAAAAAAACA2NiYGBgYmQBkrmJJRkAv6xyLw4AAAAVABUcFUAsFQIVABUGFQYcAAAAH4sIAAAAAAACA2NiYGBgYmIB",
  "kkWlOakA+zgA+Q4AAAAVABUWFTosFQIVABUGFQYcAAAAH4sIAAAAAAACA2NiYGBgYmIEkkYAP8ALHAsAAAAVABUcFTosFQIVABUGFQYcAAAAH4sI",
  "AAAAAAACA2NiYGBgYmJngAAAyEwTEA4AAAAVABUcFUAsFQIVABUGFQYcAAAAH4sIAAAAAAACA2NiYGBgYmQBkomZuakAGpcGjg4AAAAVABU8FVws",
  "FQQVABUGFQYcAAAAH4sIAAAAAAACA2NiYGBgZmICkiwsbECyuLK4JDWXBcgqLU4tAgDemQluHgAAABUAFTIVUiwVBBUAFQYVBhwAAAAfiwgAAAAA",
  "AAIDY2JgYGBmYgKSLCyMQDKYBUgYaRvZAwCfejIIGQAAABUAFQwVNCwVAhUAFQYVBhwAAAAfiwgAAAAAAAIDY2JgYGBiAAAqYjzOBgAAABUAFRwV",
  "QCwVAhUAFQYVBhwAAAAfiwgAAAAAAAIDY2JgYGBiYgGSRaU5qQD7OAD5DgAAABUAFRYVOiwVAhUAFQYVBhwAAAAfiwgAAAAAAAIDY2JgYGBiYgSS",
  "JgAKZWj1CwAAABUAFRwVOiwVAhUAFQYVBhwAAAAfiwgAAAAAAAIDY2JgYGBi4mCAAABkXjPJDgAAABUEGdw1ABgGc2NoZW1hFQoAFQwlAhgLZGF0",
  "YV9zb3VyY2UlAEwcAAAANQIYBnByb21wdBUCFQZMPAAAADUEGARsaXN0FQIANQIYB2VsZW1lbnQVBAAVDCUCGARyb2xlJQBMHAAAABUMJQIYB2Nv",
  "bnRlbnQlAEwcAAAAFQwlAhgHYWJpbGl0eSUATBwAAAA1AhgMcmV3YXJkX21vZGVsFQQAFQwlAhgFc3R5bGUlAEwcAAAAFQwlAhgMZ3JvdW5kX3Ry",
  "dXRoJQBMHAAAADUCGApleHRyYV9pbmZvFQIAFQQlAhgFaW5kZXgAFgQZLBl8JgAcFQwZJQYAGRgLZGF0YV9zb3VyY2UVBBYCFkQWaCYISRwVABUA",
  "FQIAPBYKGQYZJgACAAAAJgAcFQwZJQYAGUgGcHJvbXB0BGxpc3QHZWxlbWVudARyb2xlFQQWAhZOFmwmcEkcFQAVABUCADwWCBkmAgAZVgAAAAAC",
  "AAAAJgAcFQwZJQYAGUgGcHJvbXB0BGxpc3QHZWxlbWVudAdjb250ZW50FQQWAhZOFmwm3AFJHBUAFQAVAgA8FggZJgIAGVYAAAAAAgAAACYAHBUM",
  "GSUGABkYB2FiaWxpdHkVBBYCFkIWZibIAkkcFQAVABUCADwWCBkGGSYAAgAAACYAHBUMGSUGABkoDHJld2FyZF9tb2RlbAVzdHlsZRUEFgIWQhZm",
  "Jq4DSRwVABUAFQIAPBYIGQYZNgAAAgAAACYAHBUMGSUGABkoDHJld2FyZF9tb2RlbAxncm91bmRfdHJ1dGgVBBYCFjwWYCaUBEkcFQAVABUCADwW",
  "AhkGGTYAAAIAAAAmABwVBBklBgAZKApleHRyYV9pbmZvBWluZGV4FQQWAhZCFmAm9ARJHBUAFQAVAgA8KQYZNgAAAgAAABbiAxYCJggWzAUAGXwm",
  "ABwVDBklBgAZGAtkYXRhX3NvdXJjZRUEFgIWQhZmJtQFSRwVABUAFQIAPBYIGQYZJgACAAAAJgAcFQwZJQYAGUgGcHJvbXB0BGxpc3QHZWxlbWVu",
  "dARyb2xlFQQWBBZiFoIBJroGSRwVABUAFQIAPBYUGSYCAhlWAAAAAAQAAAAmABwVDBklBgAZSAZwcm9tcHQEbGlzdAdlbGVtZW50B2NvbnRlbnQV",
  "BBYEFlgWeCa8B0kcFQAVABUCADwWChkmAgIZVgAAAAAEAAAAJgAcFQwZJQYAGRgHYWJpbGl0eRUEFgIWMhZaJrQISRwVABUAFQIAPBYAGQYZJgIA",
  "AAAAJgAcFQwZJQYAGSgMcmV3YXJkX21vZGVsBXN0eWxlFQQWAhZCFmYmjglJHBUAFQAVAgA8FggZBhk2AAACAAAAJgAcFQwZJQYAGSgMcmV3YXJk",
  "X21vZGVsDGdyb3VuZF90cnV0aBUEFgIWPBZgJvQJSRwVABUAFQIAPBYCGQYZNgAAAgAAACYAHBUEGSUGABkoCmV4dHJhX2luZm8FaW5kZXgVBBYC",
  "FkIWYCbUCkkcFQAVABUCADwpBhk2AAACAAAAFu4DFgIm1AUW4AUAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRl8HAAAHAAAHAAA",
  "HAAAHAAAHAAAHAAAAL8EAABQQVIx",
].join("");

test("Parquet gives nested rows over row groups, integers as numbers, nulls as absent", async () => {
  expect(await read("a.parquet", Buffer.from(verlRows, "base64"))).toEqual({
    rows: [
      [
        1,
        {
          data_source: "gsm8k",
          prompt: [{ role: "user", content: "1+1?" }],
          ability: "math",
          reward_model: { style: "rule", ground_truth: "2" },
          extra_info: { index: 7 },
        },
      ],
      [
        2,
        {
          data_source: "aime",
          prompt: [
            { role: "system", content: "S" },
            { role: "user", content: "2+2?" },
          ],
          reward_model: { style: "rule", ground_truth: "4" },
          extra_info: { index: 8 },
        },
      ],
    ],
    bad: [],
  });
  await expect(read("b.parquet", "no")).rejects.toThrow("b.parquet: not a readable Parquet file");
});
