import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { native } from "../tensor/native.js";
import {
  parseHeader,
  SafetensorsFile,
  type SafetensorsHeader,
  type TensorSource,
  writeSafetensors,
} from "./safetensors.js";
import { parseStrictJson } from "./strictJson.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-safetensors-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A file by the words of the format, header given as text. */
function file(header: string, dataBytes: number, length = Buffer.byteLength(header)): ArrayBuffer {
  const text = Buffer.from(header, "utf8");
  const buffer = new ArrayBuffer(8 + text.length + dataBytes);
  new DataView(buffer).setBigUint64(0, BigInt(length), true);
  new Uint8Array(buffer).set(text, 8);
  return buffer;
}

const parse = (buffer: ArrayBuffer, name: string): SafetensorsHeader =>
  parseHeader(buffer.byteLength, (begin, end) => new Uint8Array(buffer, begin, end - begin), name);

const entry = (dtype: string, shape: unknown, begin: number, end: number): string =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });

function source(name: string, dtype: TensorSource["dtype"], shape: number[], bytes: Uint8Array): TensorSource {
  return { name, dtype, shape, chunks: () => [bytes.subarray(0, 3), bytes.subarray(3)] };
}

test("a header names types, shapes and places", () => {
  const header = `{"__metadata__":{"format":"pt"},"b":${entry("F32", [2, 1], 2, 10)},"a":${entry("BF16", [], 0, 2)}, "e":${entry("U8", [3, 0], 10, 10)}}  `;
  const { entries, metadata } = parse(file(header, 10), "x");
  const base = 8 + header.length;
  expect(entries.get("a")).toEqual({ name: "a", dtype: "BF16", shape: [], begin: base, end: base + 2 });
  expect(entries.get("b")).toEqual({ name: "b", dtype: "F32", shape: [2, 1], begin: base + 2, end: base + 10 });
  expect(entries.get("e")?.shape).toEqual([3, 0]);
  expect([...metadata]).toEqual([["format", "pt"]]);
});

test.each<[string, ArrayBuffer, RegExp]>([
  ["shorter than a length", new ArrayBuffer(7), /model: 7 bytes, expected at least 8/],
  ["header behind the end", file("{}", 0, 3), /header ends at byte 11, the file at 10: truncated/],
  ["header beyond the limit", file("{}", 0, 100_000_001), /header of 100000001 bytes, expected at most 100000000/],
  ["leading space", file(" {}", 0), /does not begin with "\{"/],
  ["not UTF-8", new Uint8Array([4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xff, 0x22]).buffer, /not UTF-8/],
  ["not JSON", file('{"a":}', 0), /header: expected a value at offset 5/],
  ["text after the object", file("{} x", 0), /expected the end at offset 3/],
  ["a key twice", file(`{"a":${entry("U8", [1], 0, 1)},"a":${entry("U8", [1], 1, 2)}}`, 2), /key "a" appears twice/],
  [
    "an entry's key twice",
    file('{"a":{"dtype":"U8","dtype":"F32","shape":[],"data_offsets":[0,1]}}', 1),
    /"dtype" app/,
  ],
  ["metadata of numbers", file('{"__metadata__":{"a":1}}', 0), /__metadata__: a must be a string, got 1/],
  ["unknown type", file(`{"a":${entry("F4", [1], 0, 1)}}`, 1), /model: a: dtype must be one of .*got "F4"/],
  ["a type of Object.prototype", file(`{"a":${entry("toString", [1], 0, 1)}}`, 1), /got "toString"/],
  ["negative extent", file(`{"a":${entry("U8", [-1], 0, 1)}}`, 1), /shape must be a list of whole numbers, got \[-1\]/],
  ["fraction", file(`{"a":${entry("U8", [0.5], 0, 1)}}`, 1), /whole numbers, got \[0.5\]/],
  ["huge extent", file('{"a":{"dtype":"U8","shape":[1e300],"data_offsets":[0,1]}}', 1), /whole numbers/],
  ["product out of range", file(`{"a":${entry("U8", [2 ** 40, 2 ** 40], 0, 1)}}`, 1), /takes 1.2\d+e\+24 bytes/],
  ["three offsets", file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}', 1), /two whole numbers/],
  [
    "wrong size",
    file(`{"a":${entry("F32", [2], 0, 4)}}`, 4),
    /a: F32 \[2\] takes 8 bytes, data_offsets \[0, 4\] give 4/,
  ],
  ["backward", file(`{"a":${entry("U8", [1], 2, 1)}}`, 1), /give -1/],
  ["unknown key", file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}}', 1), /a: unknown key x/],
  ["hole", file(`{"a":${entry("U8", [1], 1, 2)}}`, 2), /a leaves a hole before it: starts at byte \d+, expected/],
  ["overlap", file(`{"a":${entry("U8", [2], 0, 2)},"b":${entry("U8", [2], 1, 3)}}`, 3), /b overlaps the tensor before/],
  ["data missing", file(`{"a":${entry("U8", [2], 0, 2)}}`, 1), /end at byte \d+, the file at \d+: truncated/],
  ["data left over", file(`{"a":${entry("U8", [2], 0, 2)}}`, 3), /bytes that belong to no tensor/],
  ["nested", file(`{"a":${"[".repeat(100_000)}`, 0), /nested deeper than 16 levels/],
])("refused: %s", (_, bytes, message) => {
  expect(() => parse(bytes, "model")).toThrow(RangeError);
  expect(() => parse(bytes, "model")).toThrow(message);
});

test("names like __proto__ are names", () => {
  const { entries } = parse(file(`{"__proto__":${entry("U8", [1], 0, 1)}}`, 1), "x");
  expect([...entries.keys()]).toEqual(["__proto__"]);
});

test("10,000 mutated headers are read or refused, never more", () => {
  const names = ["model.embed_tokens.weight", "model.layers.0.mlp.gate.weight", "lm_head.weight", "\u00e9\\n"];
  const header = `{"__metadata__":{"format":"pt"},${names
    .map((name, i) => `${JSON.stringify(name)}:${entry("BF16", [4, 2], 16 * i, 16 * i + 16)}`)
    .join(",")}}`;
  const original = new Uint8Array(file(header, 16 * names.length));
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 4) % below;
  };
  const pieces = ['"', "{", "}", "[", "]", ",", ":", "-", "0", "9", "1e9", "\\u0000", "null", "true", "\\", " ", "F32"];
  let refused = 0;
  for (let trial = 0; trial < 10_000; trial++) {
    let bytes = original.slice();
    for (let edits = 1 + random(3); edits > 0; edits--) {
      const at = random(8 + header.length);
      const kind = random(5);
      if (kind === 0) bytes[at] = random(256);
      else if (kind === 1) bytes = bytes.slice(0, random(bytes.length));
      else if (kind === 2) bytes[random(8)] = random(256);
      else {
        const piece = Buffer.from(pieces[random(pieces.length)]!, "utf8");
        const rest = bytes.slice(at + (kind === 3 ? 0 : piece.length));
        bytes = new Uint8Array(Buffer.concat([bytes.slice(0, at), piece, rest]));
        if (bytes.length >= 8 && kind === 3 && random(2) === 0) {
          const view = new DataView(bytes.buffer);
          view.setBigUint64(0, BigInt(header.length + piece.length), true);
        }
      }
    }
    try {
      for (const { begin, end } of parse(bytes.slice().buffer, "m").entries.values()) {
        if (!(begin >= 8 && end <= bytes.length)) throw new Error(`entry [${begin}, ${end}) leaves the file`);
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(5000);
  expect(refused).toBeLessThan(10_000);
});

test("a written file is as the format says: aligned, wide types first, the same bytes every time", () => {
  const path = join(folder, "a.safetensors");
  const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (7 * i + n) % 251);
  const sources = [
    source("half", "BF16", [3], bytes(6)),
    source("7", "F32", [1, 2], bytes(8)),
    source("byte", "U8", [5], bytes(5)),
    source("wide", "I64", [1], bytes(8).reverse()),
  ];
  writeSafetensors(path, sources);
  const written = readFileSync(path);
  const length = Number(written.readBigUInt64LE(0));
  expect((8 + length) % 8).toBe(0);
  const header = JSON.parse(written.toString("utf8", 8, 8 + length));
  expect(header.__metadata__).toEqual({ format: "pt" });
  expect(header.wide.data_offsets).toEqual([0, 8]);
  expect(header["7"]).toEqual({ dtype: "F32", shape: [1, 2], data_offsets: [8, 16] });
  expect(header.half.data_offsets).toEqual([16, 22]);
  expect(header.byte.data_offsets).toEqual([22, 27]);
  expect([...written.subarray(8 + length + 16, 8 + length + 22)]).toEqual([...bytes(6)]);
  writeSafetensors(join(folder, "b.safetensors"), sources);
  expect(readFileSync(join(folder, "b.safetensors")).equals(written)).toBe(true);
  const read = new SafetensorsFile(path);
  expect([...read.bytes(read.header.entries.get("byte")!)]).toEqual([...bytes(5)]);
});

test("a source that fails or gives too little leaves the old file", () => {
  const path = join(folder, "a.safetensors");
  writeFileSync(path, "old");
  const full: TensorSource = {
    name: "a",
    dtype: "U8",
    shape: [4],
    *chunks() {
      yield new Uint8Array(2);
      throw new Error("no space left");
    },
  };
  expect(() => writeSafetensors(path, [full])).toThrow("no space left");
  expect(() => writeSafetensors(path, [source("a", "U8", [9], new Uint8Array(8))])).toThrow(/gave 8 of 9 bytes/);
  expect(() =>
    writeSafetensors(path, [source("a", "U8", [4], new Uint8Array(4)), source("a", "U8", [4], new Uint8Array(4))]),
  ).toThrow(/written twice/);
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(folder)).toEqual(["a.safetensors"]);
});

test("opening names a file that is missing, a folder, empty or cut off", () => {
  const path = join(folder, "a.safetensors");
  expect(() => new SafetensorsFile(path)).toThrow(`${path}: no such file`);
  expect(() => new SafetensorsFile(folder)).toThrow(`${folder}: not a file`);
  writeFileSync(path, "");
  expect(() => new SafetensorsFile(path)).toThrow(`${path}: 0 bytes, expected at least 8`);
  writeSafetensors(path, [source("a", "F32", [40], new Uint8Array(160))]);
  const whole = readFileSync(path);
  for (let length = 0; length < whole.length; length += 7) {
    writeFileSync(path, whole.subarray(0, length));
    expect(() => new SafetensorsFile(path)).toThrow(RangeError);
  }
});

test("a file too long to be mapped is read piece by piece", () => {
  const path = join(folder, "long.safetensors");
  const sources = [
    source("a", "U8", [5], Uint8Array.of(1, 2, 3, 4, 5)),
    source("b", "F32", [1], Uint8Array.of(0, 0, 128, 63)),
  ];
  writeSafetensors(path, sources);
  const unmapped = new SafetensorsFile(path, 0);
  const mapped = new SafetensorsFile(path);
  expect(unmapped.header).toEqual(mapped.header);
  for (const found of mapped.header.entries.values()) {
    expect([...unmapped.bytes(found)]).toEqual([...mapped.bytes(found)]);
    const copy = native().alloc(8);
    unmapped.at(found, (address) => native().copyRows(copy.address, address, 1, 4, 4, 4, 1));
    expect([...new Uint8Array(copy.buffer, 0, 4)]).toEqual([...mapped.bytes(found).subarray(0, 4)]);
  }
  // 5 GiB of zeros that take no room on the disk, then one number.
  const zeros = 5 * 2 ** 30;
  const header = Buffer.from(
    `{"zeros":${entry("U8", [zeros], 0, zeros)},"one":${entry("F32", [1], zeros, zeros + 4)}}`,
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const fd = openSync(path, "w");
  writeSync(fd, Buffer.concat([length, header]));
  writeSync(fd, Uint8Array.of(0, 0, 128, 63), 0, 4, 8 + header.length + zeros);
  closeSync(fd);
  const huge = new SafetensorsFile(path);
  expect([...huge.bytes(huge.header.entries.get("one")!)]).toEqual([0, 0, 128, 63]);
});

test("strict JSON agrees with JSON.parse where no key is repeated", () => {
  for (const text of [
    '{"a": [1, -2.5e3, "x\\u00e9\\"\\\\", null, true, {}], "b": []}',
    " [ ] ",
    '"\\t"',
    "0",
    "\ttrue\n",
  ]) {
    expect(JSON.stringify(parseStrictJson(text))).toBe(JSON.stringify(JSON.parse(text)));
  }
  for (const text of [
    "",
    "{",
    "[1,]",
    '{"a":1,}',
    "01",
    '"\n"',
    '"abc',
    "tru",
    "1 2",
    "{'a':1}",
    "[1 2]",
    "NaN",
    "-",
    '"\\',
  ]) {
    expect(() => JSON.parse(text), text).toThrow(SyntaxError);
    expect(() => parseStrictJson(text), text).toThrow(SyntaxError);
  }
});
