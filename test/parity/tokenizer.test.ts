/**
 * Ids of our tokenizer against those of @huggingface/tokenizers, which reads the files that we save. The same against
 * Python `tokenizers`, training included: tokenizer.py beside this file. tokenizer.slow.test.ts does it on 20 MB.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tokenizer as ReferenceTokenizer } from "@huggingface/tokenizers";
import { beforeAll, expect, test } from "vitest";
import { trainTokenizer } from "../../src/tokenizer/bpeTrainer.js";
import { tokenString } from "../../src/tokenizer/byteAlphabet.js";
import { DeepSeekPretokenizer } from "../../src/tokenizer/pretokenize.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { readAwkwardTexts, readCorpus } from "./tokenizerCorpus.js";

const corpus = readCorpus(1_000_000);
const awkward = readAwkwardTexts();
/**
 * JavaScript's \s, which the reference used here takes, has U+FEFF and lacks U+0085, unlike the engine for which the
 * published pattern was written. Python `tokenizers` is right; the stored pieces are its.
 */
const awkwardTexts = [
  ...awkward.map(({ text }) => text).filter((text) => !/[\u0085\ufeff]/.test(text)),
  ...["a", " ", "9", "=-", "\n", "\u{1f600}"].map((unit) => unit.repeat(1000)),
];
let ours: Tokenizer;
let reference: ReferenceTokenizer;

beforeAll(async () => {
  const trained = await trainTokenizer([...corpus, ...awkwardTexts], { vocabSize: 4096 });
  const directory = mkdtempSync(join(tmpdir(), "parity-"));
  trained.save(directory);
  ours = Tokenizer.fromDirectory(directory);
  const read = (name: string): object => JSON.parse(readFileSync(join(directory, name), "utf8")) as object;
  reference = new ReferenceTokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
  rmSync(directory, { recursive: true });
});

test("ids of source text equal the reference's", () => {
  for (const text of corpus) expectSame(text);
});

test("ids of awkward text equal the reference's, control tokens and BOS included", () => {
  for (const text of awkwardTexts) expectSame(text);
  for (const text of ["a<｜end▁of▁sentence｜> b<think>\n</think>", "<|EOT|><｜User｜>你好<｜Assistant｜>", "<｜User"]) {
    const expected = reference.encode(text).ids;
    expect([...ours.encode(text, { allowSpecial: true, addSpecialTokens: true })]).toEqual(expected);
    expect(ours.decode(expected, { skipSpecialTokens: true })).toBe(
      reference.decode(expected, { skip_special_tokens: true }),
    );
  }
});

test("pieces of awkward text are those of Python's tokenizers", () => {
  const pretokenizer = new DeepSeekPretokenizer();
  for (const { text, pieces } of awkward) {
    const bytes = Buffer.from(text, "utf8");
    const got: string[] = [];
    pretokenizer.begin(bytes, 0, bytes.length);
    for (let from = 0, to = pretokenizer.next(); to >= 0; from = to, to = pretokenizer.next()) {
      got.push(tokenString(bytes.subarray(from, to)));
    }
    expect(got, JSON.stringify(text)).toEqual(pieces);
  }
});

/** Pre-tokenizers of other families; the vocabulary stays ours. */
const otherFamilies: Readonly<Record<string, unknown>> = {
  "GPT-2": { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  "Llama 3": sequence([
    split(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
  ]),
  "Qwen 2": sequence([
    split(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ),
  ]),
  "DeepSeek LLM": sequence([
    split("[\r\n]"),
    split("\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+"),
    split("\\s?[!-/:-~！-／：-～‘-‟　-。]+"),
    split("\\s+$"),
    split("[一-龥ࠀ-一가-퟿]+"),
    { type: "Digits", individual_digits: true },
  ]),
};

test.each(Object.keys(otherFamilies))("ids by the pre-tokenizer of %s equal the reference's", (family) => {
  const json = { ...(ours.json as object), pre_tokenizer: otherFamilies[family] };
  const other = Tokenizer.fromJson(json, ours.config);
  const otherReference = new ReferenceTokenizer(json, ours.config);
  for (const text of [...corpus.slice(0, 25), ...awkwardTexts]) {
    const expected = otherReference.encode(text, { add_special_tokens: false }).ids;
    expect([...other.encode(text, { allowSpecial: true })], text.slice(0, 200)).toEqual(expected);
    expect(other.decode(expected)).toBe(text);
  }
});

function expectSame(text: string): void {
  const expected: number[] = reference.encode(text, { add_special_tokens: false }).ids;
  const ids = ours.encode(text, { allowSpecial: true });
  const same = ids.length === expected.length && expected.every((id, i) => id === ids[i]);
  if (!same) {
    const at = expected.findIndex((id, i) => id !== ids[i]);
    const got = ours.decode(ids.slice(Math.max(0, at - 2), at + 3));
    throw new Error(`id ${at}: expected ${expected[at]}, got ${ids[at]} near ${JSON.stringify(got)}`);
  }
  expect(ours.decode(ids)).toBe(text);
}

function split(pattern: string): unknown {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}

function sequence(stages: readonly unknown[]): unknown {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return { type: "Sequence", pretokenizers: [...stages, byteLevel] };
}
