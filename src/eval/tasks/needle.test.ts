import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { promptOf, scoresOf } from "../../../test/eval/tryTask.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../tokenizer/newTokenizer.js";
import { Tokenizer } from "../../tokenizer/tokenizer.js";
import type { Doc, DocSource } from "../taskFile.js";
import { needleDocs, needleReport } from "./needle.js";

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig()); // a byte a token
const text = Array.from({ length: 12 }, (_, i) => `Sentence number ${i} is here.`).join(" ");
const source = (metadata: Record<string, unknown>, changes: Partial<DocSource> = {}): DocSource => ({
  tokenizer,
  maxPositions: 1000,
  heldOut: async () => [{ text }],
  metadata: {
    needle: " The key is under the mat.",
    keywords: ["key", "mat"],
    question: "Where?",
    buffer: 20,
    ...metadata,
  },
  ...changes,
});

const needle = " The key is under the mat.";

test("the needle stands behind the end of a sentence, at its depth or before", async () => {
  const docs = await needleDocs(source({ lengths: [200, 400], depths: [0, 50, 100] }));
  expect(docs.map(({ length, depth }) => [length, depth])).toEqual([
    [200, 0],
    [200, 50],
    [200, 100],
    [400, 0],
    [400, 50],
    [400, 100],
  ]);
  for (const { length, depth, context } of docs) {
    const at = String(context).indexOf(needle);
    const room = Number(length) - 20 - needle.length;
    const before = String(context).slice(0, at);
    // The length less the buffer, needle included.
    expect(String(context).length).toBe(room + needle.length);
    expect(at === 0 || before.endsWith(".")).toBe(true);
    expect(at).toBeLessThanOrEqual((room * Number(depth)) / 100);
    // A sentence has some 30 letters.
    expect(at).toBeGreaterThan((room * Number(depth)) / 100 - 32);
    expect(before + String(context).slice(at + needle.length)).toBe(`${`${text}\n`.repeat(3)}`.slice(0, room));
  }
});

test("lengths are equal steps up to the model's positions, depths equal steps of the text", async () => {
  const docs = await needleDocs(source({ depths: 3 }));
  expect([...new Set(docs.map(({ length }) => length))]).toEqual([125, 250, 375, 500, 625, 750, 875, 1000]);
  expect([...new Set(docs.map(({ depth }) => depth))]).toEqual([0, 50, 100]);
});

test("a haystack can be named", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fathom-needle-"));
  writeFileSync(join(folder, "essay.txt"), "Hay and hay and hay. ".repeat(5));
  const [doc] = await needleDocs(source({ haystack: folder, lengths: [100], depths: [0] }));
  expect(String(doc?.context)).toContain("Hay and hay");
  rmSync(folder, { recursive: true });
});

test("settings that are none are refused", async () => {
  const refuse = (
    metadata: Record<string, unknown>,
    message: string,
    changes: Partial<DocSource> = {},
  ): Promise<void> => expect(needleDocs(source(metadata, changes))).rejects.toThrow(message);
  await refuse({ lengths: [60] }, "a length of 60 tokens leaves 14 for the haystack");
  await refuse({ lengths: [2000] }, "--metadata lengths: expected a list of numbers from 1 to 1000, got [2000]");
  await refuse({ depths: [101] }, "--metadata depths: expected a list of numbers from 0 to 100");
  await refuse({ depths: 1 }, "expected a whole number from 2 to 100");
  await refuse({}, 'give --metadata {"lengths": [...]}', { maxPositions: null });
  await refuse({}, 'give --metadata {"tokenizer": "directory"}', { tokenizer: null });
  await refuse({}, "a haystack of 2 tokens is none", { heldOut: async () => [{ text: "a" }] });
});

const doc = {
  length: 200,
  depth: 50,
  context: "Hay. The key.",
  question: "Where?\nAnswer:",
  keywords: ["brass key", "48213"],
};

test("the question stands below the text; the score is the share of key words", async () => {
  expect(promptOf("needle", doc).prompt).toBe("Hay. The key.\n\nWhere?\nAnswer:");
  expect(await scoresOf("needle", doc, [" A Brass Key and 48213"])).toEqual({ "found,none": 1 });
  expect(await scoresOf("needle", doc, [" the number 48213"])).toEqual({ "found,none": 0.5 });
  expect(await scoresOf("needle", doc, [" hay"])).toEqual({ "found,none": 0 });
});

test("the report is a matrix of lengths and depths with what each length costs", () => {
  const told = (length: number, depth: number, found: number, cachedTokens: number) => {
    const doc: Doc = { length, depth };
    const cost = { promptMs: 10 * length - cachedTokens, cachedTokens, residentBytes: depth * 2 ** 28 };
    return { doc, metrics: { found }, promptTokens: length - 5, cost };
  };
  const report = needleReport([told(200, 0, 1, 0), told(100, 100, 0.5, 64), told(200, 100, 0, 64), told(100, 0, 1, 0)]);
  expect(JSON.parse(report.files["matrix.json"] ?? "")).toEqual({
    lengths: [100, 200],
    depths: [0, 100],
    found: [
      [1, 1],
      [0.5, 0],
    ],
    costs: [
      { length: 100, promptMs: 1000, cachedTokens: 0, residentBytes: 100 * 2 ** 28, promptTokens: 95 },
      { length: 200, promptMs: 2000, cachedTokens: 0, residentBytes: 100 * 2 ** 28, promptTokens: 195 },
    ],
  });
  expect(report.text).toContain("200 tokens: prompt of 195 read in 2.00 s (0 known), 25.00 GiB resident");
  expect(report.files["map.svg"]).toContain("<svg ");
});

test("a small model's usual lengths are those with room for the needle, question and answer", async () => {
  const usual = { needle: undefined, question: undefined, keywords: undefined, buffer: undefined };
  // A byte a token: the needle has 109, twice that and 2 + 86 + 50 + 4 for question and answer make 360.
  const docs = await needleDocs(source(usual, { maxPositions: 480 }));
  expect([...new Set(docs.map(({ length }) => length))]).toEqual([360, 420, 480]);
  await expect(needleDocs(source(usual, { maxPositions: 300 }))).rejects.toThrow(
    "needle: question, answer and needle need 360 tokens, and the model reads 300",
  );
});
