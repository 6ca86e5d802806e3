import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { codeCorpus } from "./codeCorpus.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-corpus-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, content: string | Uint8Array): void {
  const full = join(folder, "node_modules", path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, content);
}

const lines = (name: string, count: number): string =>
  Array.from({ length: count }, (_, i) => `export const ${name}${i} = "${name} number ${i}";\n`).join("");

test("sources are taken; minified, copied, binary and other files are left out and counted", () => {
  write("a/index.js", lines("a", 20));
  write("a/index.d.mts", lines("declared", 5));
  write("a/readme.md", "# a");
  write("a/copy.cjs", lines("a", 20));
  write("a/near.mjs", `"use strict";\n${lines("a", 19)}  ${lines("other", 2)}`);
  write("b/min.js", `// a comment\n${"x=1;".repeat(300)}\n`);
  write("b/bad.ts", Uint8Array.of(0x61, 0, 0x62));
  write("b/empty.ts", "");
  write("b/node_modules/c/c.ts", lines("c", 3));
  const root = join(folder, "node_modules");
  const corpus = codeCorpus({ roots: [root], maxBytes: 1e6 });
  expect(corpus.paths.map((path) => relative(root, path))).toEqual([
    "a/index.d.mts",
    "a/near.mjs",
    "b/node_modules/c/c.ts",
  ]);
  // index.js and copy.cjs hold 20 lines each, 19 of which the longer near.mjs has.
  expect(corpus.leftOut).toEqual({ size: 1, notText: 1, minified: 1, copy: 1, nearCopy: 1, budget: 0 });
});

test("a budget takes the same files wherever they lie", () => {
  const names = Array.from({ length: 30 }, (_, i) => `f${i}`);
  for (const name of names) write(`x/${name}.ts`, lines(name, 10));
  for (const name of names) write(`moved/${name}/deep.ts`, lines(name, 10));
  const take = (part: string): { names: (string | undefined)[]; bytes: number } => {
    const corpus = codeCorpus({ roots: [join(folder, "node_modules", part)], maxBytes: 4000 });
    return { names: corpus.paths.map((path) => /f\d+/.exec(relative(folder, path))?.[0]).sort(), bytes: corpus.bytes };
  };
  const first = take("x");
  expect(first.bytes).toBeGreaterThan(3500);
  expect(first.bytes).toBeLessThanOrEqual(4000);
  expect(take("moved")).toEqual(first);
});

test("a folder without sources is refused", () => {
  write("a/readme.md", "# a");
  expect(() => codeCorpus({ roots: [join(folder, "node_modules")], maxBytes: 1e6 })).toThrow(
    "no TypeScript or JavaScript",
  );
});
