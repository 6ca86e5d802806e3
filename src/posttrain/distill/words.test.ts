import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { evaluationFiles, textsIn } from "./evaluationFiles.js";
import { ngrams, normalised, wordsOf } from "./words.js";

test("words are lower case and apart by white space; characters of unspaced scripts stand alone", () => {
  expect(wordsOf("What  is\n12+7?")).toEqual(["what", "is", "12+7?"]);
  expect(wordsOf("3个Apples。x 是")).toEqual(["3", "个", "apples。x", "是"]);
  expect(wordsOf("")).toEqual([]);
});

test("every run of n words", () => {
  expect(ngrams(["a", "b", "c"], 2)).toEqual(["a b", "b c"]);
  expect(ngrams(["a"], 2)).toEqual([]);
});

test("texts that differ in case and white space alone are the same", () => {
  expect(normalised(" What\tIS  it? \n")).toBe("what is it?");
});

test("all texts of evaluation files count, in rows of any format and in plain files", async () => {
  expect(textsIn({ a: "x", b: ["y", { c: "z", d: 3 }], e: null })).toEqual(["x", "y", "z"]);
  const folder = mkdtempSync(join(tmpdir(), "fathom-evaluation-"));
  try {
    writeFileSync(
      join(folder, "a.jsonl.gz"),
      gzipSync('{"question":"Q?","choices":["one","two"],"label":1}\n{"question":"R?"}\n'),
    );
    writeFileSync(join(folder, "b.txt"), "plain text\n");
    const documents: unknown[] = [];
    for await (const document of evaluationFiles([folder])) documents.push(document);
    expect(documents).toEqual([
      { source: `${join(folder, "a.jsonl.gz")}: row 1`, texts: ["Q?", "one", "two"] },
      { source: `${join(folder, "a.jsonl.gz")}: row 2`, texts: ["R?"] },
      { source: join(folder, "b.txt"), texts: ["plain text\n"] },
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
