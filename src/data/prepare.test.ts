import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "../tokenizer/newTokenizer.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { type PrepareOptions, prepareData } from "./prepare.js";
import { type DataManifest, PreparedData } from "./preparedData.js";
import { parseDataSources } from "./sources.js";
import { TextData } from "./textData.js";
import type { TokenStream } from "./tokenShards.js";

/** One token a byte, and one for ")\n". */
const tokenizer = Tokenizer.fromJson(
  buildTokenizerJson([{ left: Buffer.from(")"), right: Buffer.from("\n") }]),
  buildTokenizerConfig(),
);
const bos = tokenizer.bosTokenId ?? -1;
const eos = tokenizer.eosTokenId ?? -1;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-prepare-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, content: string | Uint8Array): string {
  const full = join(folder, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, content);
  return full;
}

const prepare = async (data: readonly string[], options: Partial<PrepareOptions> = {}): Promise<DataManifest> =>
  prepareData({
    sources: parseDataSources(data),
    tokenizer,
    outDir: join(folder, "out"),
    seed: 1,
    fim: { rate: 0 },
    punctuationSplitRate: 0,
    ...options,
  });

const texts = (stream: TokenStream): string[] =>
  Array.from({ length: stream.numDocuments }, (_, i) => {
    const ids = stream.document(i);
    expect([ids[0], ids.at(-1)]).toEqual([bos, eos]);
    return tokenizer.decode(ids.subarray(1, -1));
  });

const many = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `document ${i} ${"x".repeat(i % 50)}`);

test("every document is in training or validation once, duplicates and binary files in neither", async () => {
  const documents = many(100);
  documents.forEach((text, i) => {
    write(`in/${String(i).padStart(3, "0")}.txt`, text);
  });
  write("in/copy.txt", documents[7]!);
  write("in/image.png", Uint8Array.of(0x89, 0x50, 0, 0));
  const manifest = await prepare([join(folder, "in")], { validationFraction: 0.1, threads: 2 });
  using data = new PreparedData(join(folder, "out"));
  const training = texts(data.streams[0]!);
  const held = texts(data.validation);
  expect([...training, ...held].sort()).toEqual([...documents].sort());
  expect(training).toEqual(documents.filter((text) => training.includes(text))); // in order
  const heldBytes = held.join("").length;
  const bytes = documents.join("").length;
  expect(heldBytes).toBeGreaterThan(0.05 * bytes);
  expect(heldBytes).toBeLessThanOrEqual(0.1 * bytes);
  expect(manifest.sources[0]).toMatchObject({
    files: 102,
    documents: training.length,
    bytes: bytes - heldBytes,
    tokens: bytes - heldBytes + 2 * training.length,
    duplicates: 1,
    skipped: { binary: 1, invalidUtf8: 0, empty: 0 },
    skippedFiles: [join(folder, "in/image.png")],
  });
  expect(data.validationDocuments().map(({ content }) => Buffer.from(content).toString())).toEqual(held);
  for (const file of manifest.validation.files) {
    const content = readFileSync(file.path);
    expect(file.sha256).toBe(createHash("sha256").update(content).digest("hex"));
    expect(file.bytes).toBe(content.length);
  }
  data.verify();
});

test("a package is held out as a whole", async () => {
  for (let p = 0; p < 20; p++)
    for (let f = 0; f < 4; f++) write(`node_modules/p${p}/${f}.js`, `package ${p}, file ${f}`);
  const { validation } = await prepare([join(folder, "node_modules")], { validationFraction: 0.2 });
  const packages = validation.files.map(({ path }) => /p\d+/.exec(path.slice(folder.length))?.[0]);
  expect(validation.documents).toBeGreaterThanOrEqual(4);
  for (const name of new Set(packages)) expect(packages.filter((other) => other === name).length).toBe(4);
});

test("one long file is cut so that a part of it can be held out", async () => {
  const text = Array.from({ length: 4000 }, (_, i) => `line ${i}\n`).join("");
  write("long.txt", text);
  const { validation } = await prepare([join(folder, "long.txt")], { validationFraction: 0.05 });
  using data = new PreparedData(join(folder, "out"));
  expect(validation.bytes).toBeGreaterThan(500);
  expect(validation.bytes).toBeLessThan(0.1 * text.length);
  const lines = [...texts(data.streams[0]!), ...texts(data.validation)].flatMap((part) =>
    part.split("\n").slice(0, -1),
  );
  expect(lines.sort()).toEqual(text.split("\n").slice(0, -1).sort());
});

test("shards of a few tokens hold the same documents as one shard", async () => {
  write(
    "a.jsonl",
    many(40)
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join(""),
  );
  await prepare([join(folder, "a.jsonl")], { shardTokens: 100 }); // leaves more shards than are made below
  const whole = join(folder, "whole");
  await prepare([join(folder, "a.jsonl")], { outDir: whole });
  const manifest = await prepare([join(folder, "a.jsonl")], { shardTokens: 300 });
  expect(manifest.sources[0]?.shards.length).toBeGreaterThan(3);
  using few = new PreparedData(whole);
  using data = new PreparedData(join(folder, "out"));
  expect(texts(data.streams[0]!)).toEqual(texts(few.streams[0]!));
  const named = [...manifest.sources[0]!.shards, ...manifest.validation.shards].map(({ file }) => file);
  expect(readdirSync(join(folder, "out")).sort()).toEqual([...named, "data.json", "validation.jsonl"].sort());
});

test("fill in the middle puts the report's tokens around parts that join to the document", async () => {
  write(
    "a.jsonl",
    many(60)
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join(""),
  );
  const { fim } = tokenizer;
  if (!fim) throw new Error("the tokenizer has FIM tokens");
  const { sources } = await prepare([join(folder, "a.jsonl")], { fim: { rate: 0.5, spmShare: 0.5 } });
  using data = new PreparedData(join(folder, "out"));
  const held = new Set(texts(data.validation));
  const found = { plain: 0, psm: 0, spm: 0 };
  const decoded = Array.from({ length: data.streams[0]!.numDocuments }, (_, i) => {
    const ids = [...data.streams[0]!.document(i)];
    const between = (from: number, to: number): string => tokenizer.decode(ids.slice(from + 1, to));
    const [begin, hole, end] = [fim.begin, fim.hole, fim.end].map((id) => ids.indexOf(id)) as [number, number, number];
    if (begin < 0) {
      found.plain++;
      return between(0, ids.length - 1);
    }
    expect([ids[0], ids.at(-1), begin]).toEqual([bos, eos, 1]);
    const last = between(end, ids.length - 1);
    if (hole > begin + 1 || between(hole, end) === "") {
      found.psm++;
      return between(begin, hole) + last + between(hole, end);
    }
    found.spm++;
    return last + between(hole, end);
  });
  const expected = many(60).filter((text) => !held.has(text));
  // PSM with an empty prefix looks like SPM; only the order of the two texts tells, so compare characters.
  const sorted = (text: string): string => [...text].sort().join("");
  expect(decoded.map(sorted)).toEqual(expected.map(sorted));
  expect(decoded.filter((text, i) => text === expected[i]).length).toBeGreaterThan(50);
  expect(found.psm).toBeGreaterThan(5);
  expect(found.spm).toBeGreaterThan(5);
  expect(sources[0]?.fimDocuments).toBe(found.psm + found.spm);
});

test("tokens that join punctuation and line breaks are split at the rate, with the same text", async () => {
  const text = `${"f()\n".repeat(400)}`;
  for (const name of ["a", "b", "c"]) write(`in/${name}.txt`, name + text);
  const joint = tokenizer.encode(")\n")[0];
  const count = (data: PreparedData): number => [...data.streams[0]!.document(0)].filter((id) => id === joint).length;
  const run = async (rate: number): Promise<number> => {
    await prepare([join(folder, "in")], { punctuationSplitRate: rate, validationFraction: 0 });
    using data = new PreparedData(join(folder, "out"));
    expect(texts(data.streams[0]!)[0]?.slice(1)).toBe(text);
    return count(data);
  };
  expect(await run(0)).toBe(400);
  expect(await run(1)).toBe(0);
  const left = await run(0.25);
  expect(left).toBeGreaterThan(265); // 300 +- 4 standard deviations of 8.7
  expect(left).toBeLessThan(335);
});

test("what is prepared is kept until tokenizer, settings or files change", async () => {
  const file = write(
    "a.jsonl",
    many(9)
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join(""),
  );
  const first = await prepare([file]);
  const time = statSync(join(folder, "out/data.json")).mtimeMs;
  expect(await prepare([file])).toEqual(first);
  expect(statSync(join(folder, "out/data.json")).mtimeMs).toBe(time);
  utimesSync(file, 1, 1);
  const touched = await prepare([file]);
  expect(touched.key).not.toBe(first.key);
  expect(touched.contentKey).toBe(first.contentKey);
  const rearranged = { fim: { rate: 1 } };
  expect((await prepare([file], rearranged)).contentKey).not.toBe(first.contentKey);
  expect((await prepare([file], { seed: 2 })).key).not.toBe(touched.key);
  write("a.jsonl", `${readFileSync(file, "utf8")}{"text":"more"}\n`);
  const later = await prepare([file]);
  expect(later.key).not.toBe(first.key);
  expect(later.sources[0]!.documents + later.validation.documents).toBe(10);
});

test("two sources keep their documents apart, and a document in both counts for the first", async () => {
  write(
    "a.jsonl",
    many(30)
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join(""),
  );
  write("b.jsonl", ["new", "other", "third", ...many(3)].map((text) => `${JSON.stringify({ text })}\n`).join(""));
  const data = [`a=${join(folder, "a.jsonl")}:3`, `b=${join(folder, "b.jsonl")}:1`];
  const { sources, validation } = await prepare(data, { validationFraction: 0.2 });
  expect(sources.map(({ name, weight, duplicates }) => [name, weight, duplicates])).toEqual([
    ["a", 3, 0],
    ["b", 1, 3],
  ]);
  expect(new Set(validation.files.map(({ source }) => source)).size).toBe(2);
});

test("data without text is refused, and a failed run leaves no data.json", async () => {
  write("in/a.bin", Uint8Array.of(0, 1));
  write("in/b.txt", "");
  await expect(prepare([join(folder, "in")])).rejects.toThrow(
    `data "data" (${join(folder, "in/a.bin")}, …): no text in 2 files: 1 binary, 0 with invalid UTF-8, 1 empty`,
  );
  await expect(prepare([])).rejects.toThrow("no data");
  await expect(prepare([write("one.txt", "short")])).rejects.toThrow("one short document");
  await expect(prepare([write("one.txt", "short")], { fim: { rate: 2 } })).rejects.toThrow("got 2");
  const good = write(
    "good.jsonl",
    many(30)
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join(""),
  );
  await prepare([good]);
  const abort = new AbortController();
  const onProgress = ({ phase }: { phase: string }): void => {
    if (phase === "encode") abort.abort(new Error("stopped"));
  };
  await expect(prepare([good], { seed: 3, onProgress, signal: abort.signal })).rejects.toThrow("stopped");
  expect(() => new PreparedData(join(folder, "out"))).toThrow("no data.json");
});

test("a damaged data.json is refused by file and key", async () => {
  await prepare([
    write(
      "a.jsonl",
      many(9)
        .map((text) => `${JSON.stringify({ text })}\n`)
        .join(""),
    ),
  ]);
  const path = join(folder, "out/data.json");
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace(/"tokens": \d+/, '"tokens": -1'));
  expect(() => new PreparedData(join(folder, "out"))).toThrow("data.json: sources[0].tokens: expected a count, got -1");
  writeFileSync(path, text.replace(/"tokens": \d+/, '"tokens": 7'));
  expect(() => new PreparedData(join(folder, "out"))).toThrow('source "data" has');
  writeFileSync(path, text.replaceAll("train-0-00000.tokens", "../train-0-00000.tokens"));
  expect(() => new PreparedData(join(folder, "out"))).toThrow("not a plain file name");
  writeFileSync(path, text.slice(0, 100));
  expect(() => new PreparedData(join(folder, "out"))).toThrow("data.json: not valid JSON");
  writeFileSync(path, text);
  write("out/validation.jsonl", "{}\n");
  using data = new PreparedData(join(folder, "out"));
  expect(() => data.validationDocuments()).toThrow("validation.jsonl: sha-256 is");
});

test("a tokenizer can be trained on exactly the training documents", async () => {
  const file = write("a.jsonl", [...many(40), ...many(3)].map((text) => `${JSON.stringify({ text })}\n`).join(""));
  const text = new TextData(parseDataSources([file]), { validationFraction: 0.2 });
  await prepareData({ sources: text, tokenizer, outDir: join(folder, "out"), seed: 1, fim: { rate: 0 } });
  using data = new PreparedData(join(folder, "out"));
  const found: string[] = [];
  for await (const content of text.trainingTexts()) found.push(Buffer.from(content).toString());
  expect(found).toEqual(texts(data.streams[0]!));
});

test("files that change between the two looks are refused", async () => {
  const file = write(
    "a.jsonl",
    many(40)
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join(""),
  );
  const text = new TextData(parseDataSources([file]));
  await text.scan();
  const run = (): Promise<unknown> => prepareData({ sources: text, tokenizer, outDir: join(folder, "out"), seed: 1 });
  write("a.jsonl", '{"text":"another"}\n');
  await expect(run()).rejects.toThrow("a.jsonl: changed while the data was read");
  write(
    "a.jsonl",
    many(39)
      .map((content) => `${JSON.stringify({ text: content })}\n`)
      .join(""),
  );
  await expect(run()).rejects.toThrow("a.jsonl: changed while the data was read");
  write(
    "a.jsonl",
    many(40)
      .map((content) => `${JSON.stringify({ text: `${content}.` })}\n`)
      .join(""),
  );
  await expect(run()).rejects.toThrow("a.jsonl: changed while the data was read");
  const options = { sources: text, tokenizer, outDir: join(folder, "out"), seed: 1, validationFraction: 0.5 };
  await expect(prepareData(options)).rejects.toThrow("validationFraction belongs to the TextData");
});
