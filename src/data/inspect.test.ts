import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "../tokenizer/newTokenizer.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { describeInspection, inspectData } from "./inspect.js";
import { prepareData } from "./prepare.js";
import { PreparedData } from "./preparedData.js";
import { parseDataSources } from "./sources.js";

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-inspect-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("an inspection counts documents and lengths and shows rows with their borders", async () => {
  // One token a byte, and one before and one after: documents of 12, 3, 6, 4 and 5 tokens.
  const texts = ["eeeeeeeeee", "a", "dddd", "bb", "ccc"];
  const path = join(folder, "a.jsonl");
  writeFileSync(path, texts.map((text) => `${JSON.stringify({ text })}\n`).join(""));
  const outDir = join(folder, "out");
  const sources = parseDataSources([path]);
  await prepareData({ sources, tokenizer, outDir, seed: 1, validationFraction: 0, fim: { rate: 0 } });
  using data = new PreparedData(outDir);
  const inspection = inspectData(data, tokenizer, { sequenceLength: 9, rows: 3, seed: 1 });
  expect(inspection).toMatchObject({ documents: 5, bytes: 20, tokens: 30, validation: { documents: 0, tokens: 0 } });
  expect(inspection.sources[0]).toMatchObject({
    share: 1,
    bytesPerToken: 20 / 30,
    lengths: { min: 3, median: 5, mean: 6, p90: 12, max: 12 },
    rows: 3,
  });
  // 12 = 10 + 2; then 6 + 4, 5 + 3 + 2.
  const rows = inspection.rows.map(({ parts }) => parts.map(({ document, tokens }) => [document, tokens])).sort();
  expect(rows).toEqual([
    [[0, 10]],
    [
      [2, 6],
      [3, 4],
    ],
    [
      [4, 5],
      [1, 3],
      [0, 2],
    ],
  ]);
  const [begin, end] = [tokenizer.bosToken, tokenizer.eosToken];
  const shown = describeInspection(inspection);
  expect(shown).toContain(`--- document 2, 6 tokens, starts, ends\n${begin}dddd${end}\n--- document 3, 4 tokens`);
  expect(shown).toContain(`--- document 0, 10 tokens, starts, is cut\n${begin}eeeeeeeee`);
  expect(shown).toContain("5 documents, 20 bytes, 30 tokens");
});

test("a tokenizer of another size is refused", async () => {
  const path = join(folder, "a.jsonl");
  writeFileSync(path, '{"text":"a"}\n{"text":"b"}\n');
  const outDir = join(folder, "out");
  await prepareData({ sources: parseDataSources([path]), tokenizer, outDir, seed: 1 });
  using data = new PreparedData(outDir);
  const other = Tokenizer.fromJson(
    buildTokenizerJson([{ left: Buffer.from("a"), right: Buffer.from("b") }]),
    buildTokenizerConfig(),
  );
  expect(() => inspectData(data, other, { sequenceLength: 9, rows: 1, seed: 1 })).toThrow("the tokenizer has");
});
