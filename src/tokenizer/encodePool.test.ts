import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { trainTokenizer } from "./bpeTrainer.js";
import { EncodePool } from "./encodePool.js";
import { cutText, utf8Bytes } from "./textBatches.js";
import type { Tokenizer } from "./tokenizer.js";

let tokenizer: Tokenizer;
let pool: EncodePool;
beforeAll(async () => {
  tokenizer = await trainTokenizer(["let a = b;\n  return a + b; // 日本語 text 123\n".repeat(3)], { vocabSize: 330 });
  pool = new EncodePool(tokenizer, 2);
});
afterAll(() => pool.close());

async function encoded(documents: Iterable<string | Uint8Array>): Promise<number[][]> {
  const all: number[][] = [];
  for await (const ids of pool.encodeAll(documents)) all.push([...ids]);
  return all;
}

test("documents come back in order with the ids of the tokenizer", async () => {
  const documents = ["", "let a", "x".repeat(700_000), "", "return a + b;\n".repeat(100_000), "日本\ud800", "1 "];
  expect(await encoded(documents)).toEqual(documents.map((text) => [...tokenizer.encode(text)]));
  const many = Array.from({ length: 9_000 }, (_, i) => `let a${i} = ${i};`);
  expect(await encoded(many.map((text) => Buffer.from(text)))).toEqual(many.map((text) => [...tokenizer.encode(text)]));
  expect(await encoded([])).toEqual([]);
});

test("invalid bytes and spelled control tokens are text", async () => {
  const ids = await pool.encode(Uint8Array.of(0x61, 0xff));
  expect([...ids]).toEqual([...tokenizer.encode("a\ufffd")]);
  expect(tokenizer.decode(await pool.encode("<｜User｜>"), { skipSpecialTokens: true })).toBe("<｜User｜>");
  expect(await pool.encode("<｜User｜>")).not.toContain(tokenizer.tokenToId("<｜User｜>"));
});

test("cutting a document at safe borders changes no id", () => {
  const unit = fc.constantFrom(..." \t\n.,_aZ9é日の1\u00a0".split(""), "x ", "3 ", "a\n", "let a", ";\n");
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (parts, size) => {
      const text = parts.join("");
      const cuts = [...cutText(utf8Bytes(text), size, (bytes, from) => tokenizer.safeBorder(bytes, from))];
      expect(cuts.map((part) => part.isLast)).toEqual(cuts.map((_, i) => i === cuts.length - 1));
      expect(cuts.flatMap((part) => [...tokenizer.encodeBytes(part.bytes)])).toEqual([...tokenizer.encode(text)]);
    }),
    { numRuns: 3_000 },
  );
});

test("a number of threads that makes no sense is refused", () => {
  expect(() => new EncodePool(tokenizer, 0)).toThrow(/threads must be a positive integer, got 0/);
  expect(() => new EncodePool(tokenizer, 1.5)).toThrow(/got 1.5/);
});
