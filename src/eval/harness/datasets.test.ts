import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Datasets, hubCacheOf } from "./datasets.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-datasets-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, content: string | Uint8Array = `{"from":${JSON.stringify(path)}}\n`): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

const open = (): Datasets => new Datasets({ dataDir: join(folder, "data"), hubCache: join(folder, "hub") });

async function found(path: string, name: string | null, split: string): Promise<unknown[]> {
  return (await open().rows({ path, name }, split, "my_task")).rows.map(({ from }) => from);
}

test("a split is found by file or folder, its shards in order, whatever the layout", async () => {
  put("data/own/sharded/data/test-00000-of-00002.jsonl");
  put("data/own/sharded/data/test-00001-of-00002.jsonl");
  put("data/own/sharded/data/train-00000-of-00001.jsonl");
  put("data/own--flat/test.jsonl");
  put("data/own--flat/test_hard.jsonl");
  put("data/deep/validation/0000.jsonl");
  put("data/my_task/test.json", '[{"from":"list"}]');
  expect(await found("own/sharded", null, "test")).toEqual([
    "data/own/sharded/data/test-00000-of-00002.jsonl",
    "data/own/sharded/data/test-00001-of-00002.jsonl",
  ]);
  expect(await found("own/flat", null, "test")).toEqual(["data/own--flat/test.jsonl"]);
  expect(await found("own/deep", null, "validation")).toEqual(["data/deep/validation/0000.jsonl"]);
  expect(await found("own/other", null, "test")).toEqual(["list"]);
});

test("a configuration is a folder, or stands at an end of the file's name", async () => {
  put("data/a/b/anatomy/dev-00000-of-00001.jsonl");
  put("data/a/b/anatomy/test-00000-of-00001.jsonl");
  put("data/a/b/astronomy/test-00000-of-00001.jsonl");
  put("data/a/c/test/anatomy_test.csv", "from\nx\n");
  put("data/a/c/test/human_anatomy_test.csv", "from\ny\n");
  put("data/a/d/test/mmlu_ZH-CN.csv", "from\nzh\n");
  put("data/a/e/test.jsonl");
  expect(await found("a/b", "anatomy", "test")).toEqual(["data/a/b/anatomy/test-00000-of-00001.jsonl"]);
  expect(await found("a/c", "anatomy", "test")).toEqual(["x"]);
  expect(await found("a/d", "ZH_CN", "test")).toEqual(["zh"]);
  expect(await found("a/e", "main", "test")).toEqual(["data/a/e/test.jsonl"]);
  await expect(found("a/b", "virology", "test")).rejects.toThrow("task my_task: no data: a/b (virology)");
});

test("the hub's cache is read as it lies, links and all, the commit of main first", async () => {
  put("hub/datasets--org--set/blobs/aa", '{"from":"main"}\n');
  put("hub/datasets--org--set/refs/main", "c0ffee");
  put("hub/datasets--org--set/snapshots/abc/data/test.jsonl", '{"from":"old"}\n');
  mkdirSync(join(folder, "hub/datasets--org--set/snapshots/c0ffee/data"), { recursive: true });
  symlinkSync("../../../blobs/aa", join(folder, "hub/datasets--org--set/snapshots/c0ffee/data/test.jsonl"));
  expect(await found("org/set", null, "test")).toEqual(["main"]);
  put("hub/datasets--old/snapshots/a1/test.jsonl", '{"from":"without owner"}\n');
  expect(await found("old", null, "test")).toEqual(["without owner"]);
});

test("missing data says where it is published and where it was looked for", async () => {
  mkdirSync(join(folder, "data/org/set"), { recursive: true });
  await expect(found("org/set", null, "test")).rejects.toThrow(
    `task my_task: no data: org/set, split "test"; looked in ${join(folder, "data/org/set")}`,
  );
  await expect(found("org/set", null, "test")).rejects.toThrow("hf download org/set --repo-type dataset");
  await expect(found(join(folder, "nowhere"), null, "test")).rejects.toThrow("no data");
});

test("rows that the hub does not have are asked for with what is said of their source", async () => {
  const ref = { path: "contests/replays", name: null, source: "Rows are prepared from contests by hand" };
  await expect(open().rows(ref, "test", "my_task")).rejects.toThrow(
    `no data: contests/replays, split "test". Rows are prepared from contests by hand: put the rows into ${join(folder, "data")}, as ` +
      "contests/replays/test.jsonl",
  );
});

test("files of a split can be named, a star within a folder", async () => {
  put("set/a-1.jsonl.gz", gzipSync('{"from":"zipped"}\n{"from":"second"}\n'));
  put("set/b-1.jsonl");
  const ref = { path: join(folder, "set"), name: null, dataFiles: { test: "a-*.jsonl.gz" } };
  const { rows, files } = await open().rows(ref, "test", "my_task");
  expect(rows).toEqual([{ from: "zipped" }, { from: "second" }]);
  expect(files.map(({ sha256 }) => sha256.length)).toEqual([64]);
});

test("rows that are none are refused with file and line", async () => {
  put("set/test.jsonl", '{"a":1}\n[2]\n');
  put("bad/test.jsonl", '{"a":1}\n{"a":\n');
  const rows = (name: string): Promise<unknown> => open().rows({ path: join(folder, name), name: null }, "test", "t");
  await expect(rows("set")).rejects.toThrow("test.jsonl:2: expected an object, got a list");
  await expect(rows("bad")).rejects.toThrow("test.jsonl:2: malformed JSON");
});

test("the hub's cache is where its own tools have it", () => {
  expect(hubCacheOf({ HF_HUB_CACHE: "/x" })).toBe("/x");
  expect(hubCacheOf({ HF_HOME: "/y" })).toBe("/y/hub");
  expect(hubCacheOf({ XDG_CACHE_HOME: "/z" })).toBe("/z/huggingface/hub");
});
