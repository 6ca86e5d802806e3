/**
 * Training text that every machine with this repository has: the TypeScript and JavaScript files that npm installed. Minified and
 * generated files (much text in very long lines), exact copies, and files most of whose lines an already taken file has (the CommonJS and
 * the ESM build of one source, say) are left out. Over the budget, files are drawn by the hash of their content, so that the choice does
 * not depend on where they lie.
 */
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { listFiles } from "./sources.js";

export interface CodeCorpusOptions {
  /** Files and folders; a folder inside node_modules is read whole. */
  readonly roots: readonly string[];
  /** Most bytes to take. */
  readonly maxBytes: number;
  /** Larger files are left out. Default 16 MB. */
  readonly maxFileBytes?: number;
}

export interface CodeCorpus {
  /** Sorted; usable as the paths of a data source. */
  readonly paths: readonly string[];
  readonly bytes: number;
  /** Files left out, by reason. */
  readonly leftOut: Readonly<Record<"size" | "notText" | "minified" | "copy" | "nearCopy" | "budget", number>>;
}

const extensions = /\.[cm]?[jt]s$/;
/** A file is minified if more than this share of its bytes is in lines longer than `longLine`. */
const longShare = 0.2;
const longLine = 500;
/** A file is a near-copy if lines that were seen before hold this share of the bytes of its lines. */
const knownShare = 0.8;
/** Shorter lines (braces, blank ones) say nothing about copies. */
const shortLine = 12;

/** @throws RangeError for a root that is missing, or if nothing is left */
export function codeCorpus(options: CodeCorpusOptions): CodeCorpus {
  const { roots, maxBytes, maxFileBytes = 16e6 } = options;
  const leftOut = { size: 0, notText: 0, minified: 0, copy: 0, nearCopy: 0, budget: 0 };
  const candidates = listFiles(roots).filter(({ path }) => extensions.test(path));
  // The largest first: of two near-copies the fuller one stays.
  candidates.sort((a, b) => b.sizeBytes - a.sizeBytes || (a.path < b.path ? -1 : 1));
  const hashes = new Set<string>();
  const lines = new Set<number>();
  const kept: { readonly path: string; readonly bytes: number; readonly hash: string }[] = [];
  for (const { path, sizeBytes } of candidates) {
    if (sizeBytes === 0 || sizeBytes > maxFileBytes) {
      leftOut.size++;
      continue;
    }
    const content = readFileSync(path);
    const hash = createHash("sha256").update(content).digest("hex");
    if (content.includes(0) || !isUtf8(content)) leftOut.notText++;
    else if (hashes.has(hash)) leftOut.copy++;
    else if (isMinified(content)) leftOut.minified++;
    else if (repeatsLines(content, lines)) leftOut.nearCopy++;
    else kept.push({ path, bytes: content.length, hash });
    hashes.add(hash);
  }
  kept.sort((a, b) => (a.hash < b.hash ? -1 : 1));
  let bytes = 0;
  const taken = kept.filter((file) => {
    if (bytes + file.bytes > maxBytes) return false;
    bytes += file.bytes;
    return true;
  });
  leftOut.budget = kept.length - taken.length;
  if (taken.length === 0) {
    throw new RangeError(`${roots.join(", ")}: no TypeScript or JavaScript files within ${maxBytes} bytes`);
  }
  return { paths: taken.map(({ path }) => path).sort(), bytes, leftOut };
}

function isMinified(content: Uint8Array): boolean {
  let long = 0;
  for (const [from, to] of linesOf(content)) if (to - from > longLine) long += to - from;
  return long > longShare * content.length;
}

/** Does the file bring few new lines? If it does not, its lines become known. */
function repeatsLines(content: Uint8Array, known: Set<number>): boolean {
  const own: number[] = [];
  let bytes = 0;
  let knownBytes = 0;
  for (const [from, to] of linesOf(content)) {
    if (to - from < shortLine) continue;
    let hash = 0x811c9dc5; // FNV-1a
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ (content[i] ?? 0), 0x01000193);
    own.push(hash);
    bytes += to - from;
    if (known.has(hash)) knownBytes += to - from;
  }
  if (bytes > 0 && knownBytes >= knownShare * bytes) return true;
  for (const hash of own) known.add(hash);
  return false;
}

/** Borders of each line without its indentation and line end. */
function* linesOf(content: Uint8Array): Generator<readonly [number, number]> {
  for (let from = 0; from < content.length; ) {
    const next = content.indexOf(10, from);
    let to = next < 0 ? content.length : next;
    const end = to + 1;
    while (from < to && (content[from] === 32 || content[from] === 9)) from++;
    if (to > from && content[to - 1] === 13) to--;
    yield [from, to];
    from = end;
  }
}
