/** A small untrained model in a folder of its own, with sums as pairs of a right and a wrong answer: what tests of training commands begin with. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { fathomJson, smallConfig } from "./command.js";

export interface SumPair {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

/** @returns the folder, with `base` and pairs.jsonl in it, and the pairs */
export async function smallBase(
  name: string,
): Promise<{ readonly folder: string; readonly pairs: readonly SumPair[] }> {
  const folder = mkdtempSync(join(tmpdir(), `fathom-${name}-`));
  const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
  const [config, base] = [join(folder, "config.json"), join(folder, "base")];
  writeFileSync(config, JSON.stringify({ ...smallConfig, vocab_size: tokenizer.vocabSize }));
  await fathomJson(["init", config, "--out", base, "--seed", "2"]);
  tokenizer.save(base);
  const pairs = Array.from({ length: 48 }, (_, i) => {
    const [a, b] = [i % 7, Math.floor(i / 7)];
    return { prompt: `${a}+${b}?`, chosen: String(a + b), rejected: String(a + b + 3) };
  });
  writeLines(join(folder, "pairs.jsonl"), pairs);
  return { folder, pairs };
}

/** A file of JSON objects, one a line. */
export function writeLines(path: string, rows: readonly object[]): void {
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
}
