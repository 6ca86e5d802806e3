import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { idBits, TokenStream, writeShard } from "./tokenShards.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-shards-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a shard of two documents has the bytes its header comment says", () => {
  const path = join(folder, "a.bin");
  const info = writeShard(path, 16, [Int32Array.of(1, 513), Int32Array.of(65535)]);
  const expected = Buffer.concat([
    Buffer.from("FTHMTOKS"),
    Buffer.from("01000000100000000300000000000000" + "0200000000000000", "hex"),
    Buffer.from("01000102ffff0000", "hex"),
    Buffer.from("000000000000000002000000000000000300000000000000", "hex"),
  ]);
  expect(readFileSync(path).toString("hex")).toBe(expected.toString("hex"));
  expect(info).toMatchObject({ sizeBytes: expected.length, documents: 2, tokens: 3 });
});

test("a stream over several shards reads across their borders", () => {
  const paths = ["a", "b", "c", "d"].map((name) => join(folder, name));
  const infos = [
    writeShard(paths[0]!, 32, [Int32Array.of(1, 2, 3), Int32Array.of()]),
    writeShard(paths[1]!, 32, []),
    writeShard(paths[2]!, 32, [Int32Array.of(4), Int32Array.of(70000, 6)]),
    writeShard(paths[3]!, 32, [Int32Array.of(7)]),
  ];
  using stream = new TokenStream(paths);
  expect(stream.numTokens).toBe(7);
  expect([...stream.documentStarts]).toEqual([0, 3, 3, 4, 6, 7]);
  expect([...stream.document(3)]).toEqual([70000, 6]);
  for (let start = 0; start <= 7; start++) {
    for (let end = start; end <= 7; end++) {
      const out = new Int32Array(end - start);
      stream.read(start, out);
      expect([...out]).toEqual([1, 2, 3, 4, 70000, 6, 7].slice(start, end));
    }
  }
  expect(() => stream.read(6, new Int32Array(2))).toThrow("[6, 8) are outside the stream of 7");
  stream.verify(infos.map((info, i) => ({ ...info, file: paths[i]! })));
});

test("damaged shards are refused by name", () => {
  const path = join(folder, "a.bin");
  const write = (change: (bytes: Buffer) => void): void => {
    writeShard(path, 16, [Int32Array.of(1, 2), Int32Array.of(3)]);
    const bytes = readFileSync(path);
    change(bytes);
    writeFileSync(path, bytes);
  };
  const open = (): TokenStream => new TokenStream([path]);
  write((bytes) => bytes.write("SAFETENS"));
  expect(open).toThrow(`${path}: not a token shard`);
  write((bytes) => bytes.writeUInt32LE(2, 8));
  expect(open).toThrow("version 2, expected 1");
  write((bytes) => bytes.writeUInt32LE(8, 12));
  expect(open).toThrow("8 bits per id");
  write((bytes) => bytes.writeBigUInt64LE(2n ** 63n, 16));
  expect(open).toThrow("expected");
  write((bytes) => bytes.writeBigUInt64LE(9n, 48));
  expect(open).toThrow("document 2 starts at 3");
  write(() => {});
  truncateSync(path, 50);
  expect(open).toThrow("50 bytes, expected");
  truncateSync(path, 10);
  expect(open).toThrow("too few");
  expect(() => new TokenStream([join(folder, "none")])).toThrow("none: cannot be read");
});

test("verify finds a changed id", () => {
  const path = join(folder, "a.bin");
  const info = { ...writeShard(path, 16, [Int32Array.of(1, 2)]), file: "a.bin" };
  const bytes = readFileSync(path);
  bytes[32] = 7;
  writeFileSync(path, bytes);
  using stream = new TokenStream([path]);
  expect(() => stream.verify([info])).toThrow("sha-256");
});

test("idBits takes 16 bits up to a vocabulary of 65,536", () => {
  expect([1, 65536, 65537].map(idBits)).toEqual([16, 16, 32]);
});
