import { expect, test } from "vitest";
import { generationOf, promptOf, scoresOf, taskNamed } from "../../../test/eval/tryTask.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../tokenizer/newTokenizer.js";
import { Tokenizer } from "../../tokenizer/tokenizer.js";
import type { Doc, DocSource } from "../taskFile.js";

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
const code = Array.from({ length: 30 }, (_, i) => `  const value${i} = compute(${i}); // step ${i}`).join("\n");
const documents = [code, "short", `${code}\n\n${code}`];

async function docsOf(name: string, source: Partial<DocSource> = {}): Promise<readonly Doc[]> {
  const docs = await taskNamed(name).file.docs?.({
    tokenizer,
    maxPositions: 400,
    heldOut: async () => documents.map((text, i) => ({ text, path: `${i}.ts` })),
    metadata: {},
    ...source,
  });
  return docs ?? [];
}

test("a line is taken out whole, without its indentation, and both sides are as long as they fit", async () => {
  const docs = await docsOf("fim_line");
  expect(docs.map(({ path }) => path)).toEqual(["0.ts", "2.ts"]);
  for (const { path, prefix, middle, suffix } of docs) {
    expect(documents[Number.parseInt(String(path), 10)]).toContain(`${prefix}${middle}${suffix}`);
    expect(String(prefix)).toMatch(/\n {2}$/);
    expect(String(middle)).toMatch(/^const value\d+ = .* step \d+$/);
    expect(String(suffix)).toMatch(/^\n/);
    // (400 - 64 - 4) / 2 tokens of a byte each.
    expect(Math.max(String(prefix).length, String(suffix).length)).toBeLessThanOrEqual(166);
    expect(Math.max(String(prefix).length, String(suffix).length)).toBeGreaterThan(149);
  }
  expect(await docsOf("fim_line")).toEqual(docs);
});

test("a span is 10 to 60 characters that stood between the sides", async () => {
  const docs = await docsOf("fim_span");
  expect(docs.length).toBe(2);
  for (const { path, prefix, middle, suffix } of docs) {
    expect(documents[Number.parseInt(String(path), 10)]).toContain(`${prefix}${middle}${suffix}`);
    expect(String(middle).length).toBeGreaterThanOrEqual(10);
    expect(String(middle).length).toBeLessThanOrEqual(60);
  }
});

test("an endpoint, which tells neither tokenizer nor positions, gets two thousand characters of each side", async () => {
  const long = { heldOut: async () => [{ text: code.repeat(10) }] };
  const [doc] = await docsOf("fim_span", { tokenizer: null, maxPositions: null, ...long });
  expect(Math.max(String(doc?.prefix).length, String(doc?.suffix).length)).toBe(2000);
});

test("what cannot be asked is refused", async () => {
  await expect(docsOf("fim_line", { maxPositions: 90 })).rejects.toThrow("90 positions leave 11 tokens for each side");
  await expect(docsOf("fim_line", { heldOut: async () => [{ text: "x" }] })).rejects.toThrow("none of 1 documents");
});

const doc = { prefix: "let a = ", middle: "f(x);", suffix: "\nreturn a;" };

test("the model is shown both sides, and ends a line with the line", () => {
  expect(promptOf("fim_line", doc).prompt).toBe('{"prefix":"let a = ","suffix":"\\nreturn a;"}');
  expect(generationOf("fim_line", doc)).toMatchObject({ until: ["\n"], maxGenToks: 64, temperature: 0 });
  expect(generationOf("fim_span", doc)).toMatchObject({ until: [] });
});

test("an answer that is right, one that is nearly, and none", async () => {
  expect(await scoresOf("fim_line", doc, ["f(x); "])).toEqual({ "exact_match,none": 1, "edit_similarity,none": 1 });
  // One of six letters too many.
  expect(await scoresOf("fim_line", doc, ["f(xy);"])).toEqual({
    "exact_match,none": 0,
    "edit_similarity,none": expect.closeTo(5 / 6, 12),
  });
  expect(await scoresOf("fim_span", doc, [""])).toEqual({ "exact_match,none": 0, "edit_similarity,none": 0 });
});
