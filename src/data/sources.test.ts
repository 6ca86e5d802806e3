import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listFiles, npmPackage, parseDataSources } from "./sources.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-sources-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(...paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), path);
  }
}

const listed = (...paths: readonly string[]): string[] =>
  listFiles(paths.map((path) => join(folder, path))).map(({ path }) => relative(folder, path));

test("parseDataSources reads paths, names, weights and epochs", () => {
  expect(parseDataSources(["a", "b/c.txt"])).toEqual([
    { name: "data", paths: ["a", "b/c.txt"], weight: null, epochs: null },
  ]);
  expect(parseDataSources(["code=src:0.6", "docs=x:y/z:0.4"])).toEqual([
    { name: "code", paths: ["src"], weight: 0.6, epochs: null },
    { name: "docs", paths: ["x:y/z"], weight: 0.4, epochs: null },
  ]);
  expect(parseDataSources(["code=src:2x", "docs=d"])).toEqual([
    { name: "code", paths: ["src"], weight: null, epochs: 2 },
    { name: "docs", paths: ["d"], weight: null, epochs: null },
  ]);
});

test("parseDataSources refuses weights that don't fit together", () => {
  expect(() => parseDataSources(["a=x:0.5", "b=y"])).toThrow('source "b" has no weight');
  expect(() => parseDataSources(["a=x:0.5", "a=y:0.6"])).toThrow('source "a" has another weight');
  expect(() => parseDataSources(["a=x:0"])).toThrow("must be positive, got 0");
  expect(() => parseDataSources([""])).toThrow("expected a path");
});

test("a folder is listed recursively and sorted, without .git, node_modules and symbolic links", () => {
  write("b.txt", "a/z.ts", "a/B.ts", "a/b.ts", ".git/config", "node_modules/p/index.js", "a/node_modules/q.js", ".env");
  symlinkSync(join(folder, "b.txt"), join(folder, "link.txt"));
  symlinkSync(folder, join(folder, "a/loop"));
  expect(listed("")).toEqual([".env", "a/B.ts", "a/b.ts", "a/z.ts", "b.txt"]);
});

test("a folder inside node_modules is listed whole", () => {
  write("node_modules/p/index.js", "node_modules/p/node_modules/q/index.js");
  expect(listed("node_modules/p")).toEqual(["node_modules/p/index.js", "node_modules/p/node_modules/q/index.js"]);
});

test("a file that two paths lead to is listed once", () => {
  write("a/x", "a/y");
  expect(listed("a/y", "a", "a/x")).toEqual(["a/y", "a/x"]);
});

test("patterns match within a folder and across folders", () => {
  write("a.ts", "a.js", "s/b.ts", "s/t/c.ts", "s/t/d.d.ts", "s/t/(e).ts");
  expect(listed("*.ts")).toEqual(["a.ts"]);
  expect(listed("**/*.ts")).toEqual(["a.ts", "s/b.ts", "s/t/(e).ts", "s/t/c.ts", "s/t/d.d.ts"]);
  expect(listed("s/?.ts")).toEqual(["s/b.ts"]);
  expect(listed("s/**")).toEqual(["s/b.ts", "s/t/(e).ts", "s/t/c.ts", "s/t/d.d.ts"]);
});

test("missing paths, empty folders and patterns without a match are refused by name", () => {
  mkdirSync(join(folder, "empty"));
  expect(() => listed("none")).toThrow(/none: no such file or folder$/);
  expect(() => listed("empty")).toThrow(/empty: the folder has no files$/);
  expect(() => listed("*.nothing")).toThrow("no file matches the pattern");
});

test("files of one npm package, and of a folder with a package of its own, share a group", () => {
  write("a/package.json", "a/src/x.ts", "b/y.ts", "node_modules/@s/p/dist/z.js", "package.json");
  const groups = Object.fromEntries(
    listFiles([folder, join(folder, "node_modules")]).map(({ path, group }) => [relative(folder, path), group]),
  );
  expect(groups).toEqual({
    "a/package.json": join(folder, "a"),
    "a/src/x.ts": join(folder, "a"),
    "b/y.ts": null,
    "package.json": null,
    "node_modules/@s/p/dist/z.js": "npm:@s/p",
  });
});

test("npmPackage names the innermost package", () => {
  expect(npmPackage("/x/node_modules/a/lib/b.js")).toBe("npm:a");
  expect(npmPackage("/x/node_modules/a/node_modules/@s/b/c.js")).toBe("npm:@s/b");
  expect(npmPackage("/x/node_modules/loose.js")).toBe(null);
  expect(npmPackage("/x/src/b.js")).toBe(null);
});
