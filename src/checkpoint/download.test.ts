import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DownloadEvent, downloadModel, isWanted, parseRepo } from "./download.js";

/** A hub in this process: one repository, its branch main at one commit. */
const commit = "0123456789abcdef0123456789abcdef01234567";
const repo = "someone/small-model";
const weights = Buffer.alloc(300_000, "safe");
const content: Record<string, Buffer> = {
  "config.json": Buffer.from('{"model_type":"deepseek_v3"}\n'),
  "model.safetensors": weights,
  "tokenizer.json": Buffer.from("{}"),
  "sub/notes.txt": Buffer.from("notes"),
  "pytorch_model.bin": Buffer.from("a pickle"),
  "README.md": Buffer.from("readme"),
};

let folder = "";
let hub = "";
let server: Server;
let requests: string[] = [];
let served: Record<string, Buffer> = {};
let listed: Record<string, Buffer> = {};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fathom-download-"));
  requests = [];
  served = { ...content };
  listed = { ...content };
  server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", hub);
    requests.push(`${request.method} ${url.pathname}${request.headers.range ? ` ${request.headers.range}` : ""}`);
    const json = (value: unknown): void => {
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(value));
    };
    const revision = /^\/api\/models\/someone\/small-model\/revision\/(.+)$/.exec(url.pathname)?.[1];
    if (revision === "main" || revision === commit) return json({ _id: "1", id: repo, sha: commit, tags: [] });
    if (url.pathname === `/api/models/${repo}/tree/${commit}`) return json(Object.keys(listed).map(entryOf));
    const path = url.pathname.startsWith(`/${repo}/resolve/${commit}/`)
      ? url.pathname.slice(`/${repo}/resolve/${commit}/`.length)
      : "";
    const body = served[path];
    if (!body) {
      response.statusCode = 404;
      return json({ error: "not found" });
    }
    response.setHeader("ETag", '"tag"');
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (range) {
      const end = Math.min(body.length - 1, range[2] === "" ? body.length - 1 : Number(range[2]));
      response.statusCode = 206;
      response.setHeader("Content-Range", `bytes ${range[1]}-${end}/${body.length}`);
      response.end(body.subarray(Number(range[1]), end + 1));
    } else response.end(body);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  hub = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
});
afterEach(async () => {
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true, force: true });
});

function entryOf(path: string): object {
  const bytes = listed[path] ?? Buffer.alloc(0);
  const gitHash = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
  const entry = { type: "file", path, size: bytes.length, oid: gitHash };
  if (!path.endsWith(".safetensors")) return entry;
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { ...entry, lfs: { oid: sha256, size: bytes.length, pointerSize: 134 } };
}

const files = (): string[] => readdirSync(folder, { recursive: true }).map(String).sort();

test("a download resolves the branch, takes what a model needs, and keeps what is whole", async () => {
  const events: DownloadEvent[] = [];
  const first = await downloadModel({ repo, directory: folder, hubUrl: hub, onEvent: (event) => events.push(event) });
  expect(first).toMatchObject({ commit, revision: "main", leftOut: 2 });
  expect(first.files.map(({ path, isNew }) => [path, isNew])).toEqual([
    ["config.json", true],
    ["model.safetensors", true],
    ["sub/notes.txt", true],
    ["tokenizer.json", true],
  ]);
  expect(files()).toEqual([
    ".fathom-source.json",
    "config.json",
    "model.safetensors",
    "sub",
    "sub/notes.txt",
    "tokenizer.json",
  ]);
  expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
  expect(events[0]).toMatchObject({ kind: "resolved", commit, files: 4 });
  const progress = events.filter((event) => event.kind === "progress" && event.path === "model.safetensors");
  expect(progress.at(-1)).toMatchObject({ bytes: weights.length, totalBytes: weights.length });

  // One file lost, one damaged: these alone are fetched again.
  rmSync(join(folder, "tokenizer.json"));
  writeFileSync(join(folder, "model.safetensors"), Buffer.alloc(weights.length, "hurt"));
  requests = [];
  const second = await downloadModel({ repo, revision: commit, directory: folder, hubUrl: hub });
  expect(second.files.filter(({ isNew }) => isNew).map(({ path }) => path)).toEqual([
    "model.safetensors",
    "tokenizer.json",
  ]);
  expect(requests.some((line) => line.includes("config.json"))).toBe(false);
  expect(readFileSync(join(folder, "model.safetensors")).equals(weights)).toBe(true);
});

test.each(["model.safetensors", "config.json"])("%s with another hash is refused and leaves nothing", async (path) => {
  const bytes = Buffer.from(content[path] ?? "");
  bytes[5] = (bytes[5] ?? 0) ^ 1;
  served[path] = bytes;
  await expect(downloadModel({ repo, directory: folder, hubUrl: hub })).rejects.toThrow(/hash .* came, expected/);
  expect(existsSync(join(folder, path))).toBe(false);
  expect(files().filter((name) => name.includes(".part"))).toEqual([]);
});

test("a file that ends early is refused, and a second try gets it", async () => {
  served["model.safetensors"] = weights.subarray(0, 1000);
  await expect(downloadModel({ repo, directory: folder, hubUrl: hub })).rejects.toThrow(
    /1000 bytes .* expected 300000/,
  );
  served["model.safetensors"] = weights;
  const result = await downloadModel({ repo, directory: folder, hubUrl: hub });
  expect(result.files.map(({ isNew }) => isNew)).toEqual([false, true, true, true]);
});

test("a directory that holds another model is left alone", async () => {
  writeFileSync(join(folder, ".fathom-source.json"), JSON.stringify({ repo: "someone/other", commit }));
  await expect(downloadModel({ repo, directory: folder, hubUrl: hub })).rejects.toThrow(
    `holds someone/other at ${commit}`,
  );
});

test("a path that leaves the directory is refused before anything is fetched", async () => {
  listed["../outside.json"] = Buffer.from("{}");
  await expect(downloadModel({ repo, directory: folder, hubUrl: hub })).rejects.toThrow(
    'the hub lists "../outside.json", which would lie outside the directory',
  );
  expect(files()).toEqual([]);
});

test("an unknown revision and a hub that is not there are one clear line", async () => {
  await expect(downloadModel({ repo, revision: "v9", directory: folder, hubUrl: hub })).rejects.toThrow(
    new RangeError("someone/small-model@v9: not found (404): no such model or revision"),
  );
  const offline: typeof fetch = () =>
    Promise.reject(
      new TypeError("fetch failed", { cause: Object.assign(new Error("no name"), { code: "ENOTFOUND" }) }),
    );
  await expect(downloadModel({ repo, directory: folder, hubUrl: hub, fetch: offline })).rejects.toThrow(
    new RangeError("someone/small-model@main: the hub cannot be reached (ENOTFOUND); is this machine online?"),
  );
  expect(files()).toEqual([]);
});

test("an aborted download gives its reason and leaves no part", async () => {
  const stop = new AbortController();
  const reason = new RangeError("interrupted");
  const onEvent = (event: DownloadEvent): void => {
    if (event.kind === "progress" && event.path === "model.safetensors") stop.abort(reason);
  };
  const pending = downloadModel({ repo, directory: folder, hubUrl: hub, onEvent, signal: stop.signal });
  await expect(pending).rejects.toBe(reason);
  expect(files().filter((name) => name.includes(".part"))).toEqual([]);
});

test("names are organisation/name with or without a revision", () => {
  expect(parseRepo("a/b")).toEqual({ repo: "a/b", revision: "main" });
  expect(parseRepo("a/b.c-1@refs/pr/1")).toEqual({ repo: "a/b.c-1", revision: "refs/pr/1" });
  for (const bad of ["b", "a/b/c", "../b", "a/b@", "a/b@../../x", "https://a/b"]) {
    expect(() => parseRepo(bad)).toThrow("expected organisation/name");
  }
});

test("weights, configs, tokenizers and templates are wanted, and nothing that runs or unpickles", () => {
  const names =
    `model-00001-of-00002.safetensors config.json chat_template.jinja tokenizer.model merges.txt pytorch_model.bin
    modeling_deepseek.py README.md model.gguf .gitattributes .cache/x.json optimizer.pt`.split(/\s+/);
  expect(names.filter(isWanted)).toEqual(names.slice(0, 5));
});
