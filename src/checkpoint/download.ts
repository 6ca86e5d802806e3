/**
 * Fetches a model's files from a hub: the revision is pinned to a commit first, every file is checked against the hash that the hub lists
 * for that commit (SHA-256 for large files, git's SHA-1 for small ones) before it gets its name, and files that are there and whole are not
 * fetched again. Only what a model is made of is taken: safetensors, JSON, tokenizer and text files; never a pickle.
 */
import { createHash, type Hash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { downloadFile, HubApiError, type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { fsyncFolder, writeAll, writeFileAtomic } from "../files/atomic.js";
import { isObject, readJson } from "../files/json.js";

export interface DownloadOptions {
  /** organisation/name */
  readonly repo: string;
  /** Branch, tag or commit. Default main. */
  readonly revision?: string;
  readonly directory: string;
  readonly hubUrl?: string;
  /** For a hub of one's own, or a test. */
  readonly fetch?: typeof fetch;
  readonly accessToken?: string;
  readonly onEvent?: (event: DownloadEvent) => void;
  readonly signal?: AbortSignal;
}

export type DownloadEvent =
  | { readonly kind: "resolved"; readonly commit: string; readonly files: number; readonly bytes: number }
  | { readonly kind: "progress"; readonly path: string; readonly bytes: number; readonly totalBytes: number }
  | { readonly kind: "file"; readonly path: string; readonly bytes: number; readonly isNew: boolean };

export interface DownloadedFile {
  readonly path: string;
  readonly bytes: number;
  /** False: it was there already. */
  readonly isNew: boolean;
}

export interface DownloadResult {
  readonly directory: string;
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly files: readonly DownloadedFile[];
  readonly bytes: number;
  /** Files of the repository that are of no use here. */
  readonly leftOut: number;
}

/** Where a download says what it holds, for the next one. */
export const sourceName = ".fathom-source.json";

/** org/name or org/name@revision. @throws RangeError for anything else */
export function parseRepo(text: string): { readonly repo: string; readonly revision: string } {
  const match = /^([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?$/.exec(text);
  const [, repo, revision = "main"] = match ?? [];
  if (repo === undefined || revision.split("/").includes("..")) {
    throw new RangeError(`${text}: expected organisation/name or organisation/name@revision`);
  }
  return { repo, revision };
}

/** Whether a model needs the file. */
export function isWanted(path: string): boolean {
  const name = basename(path);
  if (path.split("/").some((part) => part.startsWith("."))) return false;
  return (
    /\.(safetensors|json|txt|jinja)$/.test(name) || /^(tokenizer|vocab|merges)[\w.-]*\.(model|tiktoken)$/.test(name)
  );
}

/**
 * @throws RangeError for a repository or revision that is not there, a hub that cannot be reached, or a file whose hash differs;
 * the abort reason of `signal`
 */
export async function downloadModel(options: DownloadOptions): Promise<DownloadResult> {
  const { repo, revision = "main", directory, onEvent = () => {}, signal } = options;
  const call = {
    fetch: withSignal(options.fetch ?? fetch, signal),
    ...(options.hubUrl === undefined ? {} : { hubUrl: options.hubUrl }),
    ...(options.accessToken === undefined ? {} : { accessToken: options.accessToken }),
  };
  const where = `${repo}@${revision}`;
  const { sha: commit } = await clearly(where, signal, () =>
    modelInfo({ ...call, name: repo, revision, additionalFields: ["sha"] }),
  );
  if (!/^[0-9a-f]{40}$/.test(commit))
    throw new RangeError(`${where}: the hub gave no commit, got ${JSON.stringify(commit)}`);
  checkSource(directory, repo, commit);
  const entries = await clearly(where, signal, async () => {
    const all: ListFileEntry[] = [];
    for await (const entry of listFiles({ ...call, repo, revision: commit, recursive: true })) {
      if (entry.type === "file") all.push(entry);
    }
    return all;
  });
  for (const { path } of entries) checkPath(where, path);
  const wanted = entries.filter(({ path }) => isWanted(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
  if (wanted.length === 0)
    throw new RangeError(`${where}: no safetensors, JSON or tokenizer files among ${entries.length} files`);
  const sizeOf = (entry: ListFileEntry): number => entry.lfs?.size ?? entry.size;
  const bytes = wanted.reduce((sum, entry) => sum + sizeOf(entry), 0);
  onEvent({ kind: "resolved", commit, files: wanted.length, bytes });
  mkdirSync(directory, { recursive: true });
  writeFileAtomic(join(directory, sourceName), `${JSON.stringify({ repo, commit }, null, 1)}\n`);
  const files: DownloadedFile[] = [];
  for (const entry of wanted) {
    const { path } = entry;
    const target = join(directory, path);
    const expected = expectedHash(where, entry);
    const isThere =
      existsSync(target) &&
      statSync(target).size === sizeOf(entry) &&
      (await hashFile(target, expected, signal)) === expected.value;
    if (!isThere) {
      await clearly(`${where}: ${path}`, signal, async () => {
        const blob = await downloadFile({ ...call, repo, revision: commit, path });
        if (!blob) throw new RangeError(`${where}: ${path}: the hub lists it, but does not have it`);
        await receive(blob, target, expected, (done) =>
          onEvent({ kind: "progress", path, bytes: done, totalBytes: sizeOf(entry) }),
        );
      });
    }
    const file = { path, bytes: sizeOf(entry), isNew: !isThere };
    files.push(file);
    onEvent({ kind: "file", ...file });
  }
  return { directory, repo, revision, commit, files, bytes, leftOut: entries.length - wanted.length };
}

/** A directory holds one commit: files of two would not fit together. */
function checkSource(directory: string, repo: string, commit: string): void {
  const path = join(directory, sourceName);
  if (!existsSync(path)) return;
  const value = readJson(path);
  if (!isObject(value) || value.repo !== repo || value.commit !== commit) {
    const held = isObject(value) ? `${String(value.repo)} at ${String(value.commit)}` : "something else";
    throw new RangeError(`${directory}: holds ${held}, not ${repo} at ${commit}; choose another directory`);
  }
}

function checkPath(where: string, path: string): void {
  const parts = path.split(/[\\/]/);
  if (path.startsWith("/") || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new RangeError(`${where}: the hub lists ${JSON.stringify(path)}, which would lie outside the directory`);
  }
}

interface ExpectedHash {
  readonly kind: "sha256" | "git";
  readonly value: string;
  readonly size: number;
}

/** Large files are listed with their SHA-256; others with git's name of their content. */
function expectedHash(where: string, { path, oid, lfs, size }: ListFileEntry): ExpectedHash {
  if (lfs && /^[0-9a-f]{64}$/.test(lfs.oid)) return { kind: "sha256", value: lfs.oid, size: lfs.size };
  if (!lfs && oid !== undefined && /^[0-9a-f]{40}$/.test(oid)) return { kind: "git", value: oid, size };
  throw new RangeError(`${where}: ${path}: the hub lists no hash to check it by`);
}

function newHash({ kind, size }: ExpectedHash): Hash {
  // git names a file by the SHA-1 of its content behind this header.
  return kind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

async function hashFile(path: string, expected: ExpectedHash, signal: AbortSignal | undefined): Promise<string> {
  const hash = newHash(expected);
  for await (const chunk of createReadStream(path)) {
    signal?.throwIfAborted();
    hash.update(chunk as Uint8Array);
  }
  return hash.digest("hex");
}

/** Writes a file under a temporary name, and gives it its own once it is whole and its hash right. */
async function receive(
  blob: Blob,
  target: string,
  expected: ExpectedHash,
  onProgress: (bytes: number) => void,
): Promise<void> {
  const folder = dirname(target);
  mkdirSync(folder, { recursive: true });
  const temporary = join(folder, `.${basename(target)}.${process.pid}.part`);
  const hash = newHash(expected);
  const fd = openSync(temporary, "w", 0o644);
  try {
    let bytes = 0;
    try {
      for await (const chunk of blob.stream()) {
        hash.update(chunk);
        writeAll(fd, chunk);
        bytes += chunk.length;
        onProgress(bytes);
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    const found = hash.digest("hex");
    if (bytes !== expected.size || found !== expected.value) {
      throw new RangeError(
        `${target}: ${bytes} bytes with hash ${found} came, expected ${expected.size} with ${expected.value}; nothing was kept`,
      );
    }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  fsyncFolder(folder);
}

function withSignal(call: typeof fetch, signal: AbortSignal | undefined): typeof fetch {
  return signal ? (input, init) => call(input, { ...init, signal }) : call;
}

/** The hub's and the network's errors as one line. */
async function clearly<T>(what: string, signal: AbortSignal | undefined, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof RangeError) throw error;
    if (error instanceof HubApiError) throw new RangeError(`${what}: ${statusText(error.statusCode)}`);
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = isObject(cause) && typeof cause.code === "string" ? cause.code : null;
    const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
    throw new RangeError(`${what}: the hub cannot be reached (${code ?? reason}); is this machine online?`);
  }
}

function statusText(status: number): string {
  if (status === 401 || status === 403)
    return `the hub refuses (${status}): there is no such public model, or it asks for a token`;
  if (status === 404) return "not found (404): no such model or revision";
  return `the hub answered with status ${status}`;
}
