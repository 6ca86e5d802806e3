import { expect, test } from "vitest";
import { type TokenizerTrainingEvent, tokenizerTraining, trainTokenizer } from "./bpeTrainer.js";
import { byteCharacters } from "./byteAlphabet.js";
import { numFixedTokens } from "./specialTokens.js";

const texts = ["for (const a of b) a();\n", "for (let i = 0; i < 10; i++) b(i);\n", "// für 日本 1234\n"];

test("a new vocabulary has the layout of the published one", async () => {
  const tokenizer = await trainTokenizer(texts, { vocabSize: numFixedTokens + 12, minFrequency: 1 });
  expect(tokenizer.vocabSize).toBe(numFixedTokens + 12);
  expect(tokenizer.decode([0, 1, 2])).toBe("<｜begin▁of▁sentence｜><｜end▁of▁sentence｜><｜▁pad▁｜>");
  // From the table of the published vocabulary: bytes by the code point of their characters.
  expect(["!", "~", "¡", "¬", "®", "ÿ", "Ā", "Ġ", "Ċ"].map((symbol) => tokenizer.tokenToId(symbol))).toEqual([
    3, 96, 97, 108, 109, 190, 191, 223, 201,
  ]);
  expect(byteCharacters.every((character) => tokenizer.tokenToId(character) !== null)).toBe(true);
  const { fim } = tokenizer;
  expect(fim).toEqual({ hole: 259 + 12 + 2, begin: 259 + 12 + 3, end: 259 + 12 + 4 });
  expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId]).toEqual([0, 1, 1]);
  expect(tokenizer.tokenToId("<｜tool▁sep｜>")).toBe(tokenizer.vocabSize - 1);
});

test("training does not depend on order, grouping or kind of the texts", async () => {
  const options = { vocabSize: numFixedTokens + 20 };
  const expected = JSON.stringify((await trainTokenizer(texts, options)).json);
  const asBytes = [...texts].reverse().map((text) => new TextEncoder().encode(text));
  expect(JSON.stringify((await trainTokenizer(asBytes, { ...options, threads: 3 })).json)).toBe(expected);
  async function* slowly(): AsyncGenerator<string> {
    for (const text of texts) yield await Promise.resolve(text);
  }
  expect(JSON.stringify((await trainTokenizer(slowly(), options)).json)).toBe(expected);
});

test("no token spans two documents or two pieces", async () => {
  const tokenizer = await trainTokenizer(["ab", "ab", "cd", "cd", "x 1x 1"], { vocabSize: numFixedTokens + 50 });
  const merged = Array.from({ length: tokenizer.vocabSize - numFixedTokens }, (_, i) => tokenizer.decode([259 + i]));
  expect(merged).toEqual(["ab", "cd"]);
});

test("with single digits no token holds two of them, and everything else is learned as before", async () => {
  const numbers = ["a 12 12 1234 12", "ab ab12 1212"];
  const merged = await trainTokenizer(numbers, { vocabSize: numFixedTokens + 50 });
  const single = await trainTokenizer(numbers, { vocabSize: numFixedTokens + 50, digits: "single" });
  expect(merged.encode("1234").length).toBeLessThan(4);
  expect(Array.from(single.encode("1234"), (id) => single.decode([id]))).toEqual(["1", "2", "3", "4"]);
  expect(single.encode("ab").length).toBe(1);
});

test("a text too short for the vocabulary gives a smaller one", async () => {
  const tokenizer = await trainTokenizer(["abab abab"], { vocabSize: 1000 });
  expect(tokenizer.vocabSize).toBe(numFixedTokens + 2); // "ab" and "abab": with the space before it nothing occurs twice
});

test("large documents are cut for the threads without changing a merge", async () => {
  const document = texts.join("").repeat(30_000); // 2.4 MB
  const once = await trainTokenizer([texts.join("").repeat(3)], { vocabSize: numFixedTokens + 20 });
  const large = await trainTokenizer([document], { vocabSize: numFixedTokens + 20 });
  expect(large.json).toEqual(once.json);
});

test("progress tells what was read and learned, and ends with the tokenizer", async () => {
  const events: TokenizerTrainingEvent[] = [];
  await trainTokenizer(texts, { vocabSize: numFixedTokens + 5 }, (event) => events.push(event));
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  expect(events[0]).toEqual({ stage: "count", documents: 3, bytes });
  expect(events.at(-2)).toMatchObject({ stage: "merge", merges: 5, maxMerges: 5 });
  expect(events.at(-1)).toMatchObject({
    stage: "done",
    summary: { documents: 3, bytes, vocabSize: numFixedTokens + 5 },
  });
});

test("training stops when it is aborted", async () => {
  const controller = new AbortController();
  const endless = function* (): Generator<string> {
    for (let i = 0; ; i++) {
      if (i === 100) controller.abort(new Error("stopped by hand"));
      yield `word${i} `;
    }
  };
  const run = trainTokenizer(endless(), { vocabSize: 1000, signal: controller.signal });
  await expect(run).rejects.toThrow("stopped by hand");
});

test("training refuses what cannot be done", async () => {
  const run = (
    options: { vocabSize: number; threads?: number; minFrequency?: number },
    given = texts,
  ): Promise<unknown> => trainTokenizer(given, options);
  await expect(run({ vocabSize: 100 })).rejects.toThrow(/vocabSize must be an integer from 276 .* got 100/);
  await expect(run({ vocabSize: 400, threads: 0 })).rejects.toThrow(/threads must be a positive integer, got 0/);
  await expect(run({ vocabSize: 400, minFrequency: 0 })).rejects.toThrow(/minFrequency must be a positive/);
  await expect(run({ vocabSize: 400 }, [])).rejects.toThrow(
    "no text to train a tokenizer on: 0 documents with 0 bytes",
  );
  await expect(run({ vocabSize: 400 }, ["", ""])).rejects.toThrow("2 documents with 0 bytes");
  const failing = async function* (): AsyncGenerator<string> {
    yield "text";
    throw new Error("disk gone");
  };
  await expect(tokenizerTraining(failing(), { vocabSize: 400 }).next()).rejects.toThrow("disk gone");
});
