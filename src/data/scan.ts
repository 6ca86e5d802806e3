/**
 * The first look at a source: which documents are exact duplicates, and which are held out. A text that is too large a part of the data
 * to be held out or kept whole (one long file, say) is cut into pieces for this, so that there is always something to validate on.
 */
import { createHash } from "node:crypto";
import { type ReadOptions, readDocuments, type SkipReason } from "./documents.js";
import type { SkippedCounts } from "./preparedData.js";
import type { DataFile } from "./sources.js";
import { heldOutGroups, type SplitOptions } from "./split.js";

export type Held = "training" | "validation" | "left out";

export interface ScannedSource {
  /** How to read it the second time: documents come as they did here. */
  readonly read: ReadOptions;
  /** [documents] in the order of reading */
  readonly sides: readonly Held[];
  /** [documents] bytes */
  readonly lengths: readonly number[];
  readonly trainDocuments: number;
  readonly heldDocuments: number;
  /** Without duplicates, both sides. */
  readonly bytes: number;
  readonly heldBytes: number;
  readonly duplicates: number;
  readonly skipped: SkippedCounts;
  readonly skippedFiles: readonly string[];
}

export interface ScanOptions {
  readonly read: ReadOptions;
  readonly split: SplitOptions;
  /** Hashes of documents of earlier sources; this one's are added. */
  readonly seen: Set<string>;
  readonly signal: AbortSignal | null;
  readonly onDocument: (documents: number, bytes: number) => void;
}

/** @throws RangeError if the source has no text */
export async function scanSource(
  name: string,
  files: readonly DataFile[],
  options: ScanOptions,
): Promise<ScannedSource> {
  let look = await readAll(files, options.read, options);
  if (look.bytes === 0) throw noText(name, files, look);
  let held = holdOut(look, options.split);
  const limit = Math.min(options.split.fraction * look.bytes, options.split.maxBytes);
  const smaller = Math.max(1024, Math.ceil(look.bytes / 32));
  if (limit > 0 && (held.documents === 0 || held.bytes > 2 * limit) && smaller < options.read.maxDocumentBytes) {
    look = await readAll(files, { ...options.read, maxDocumentBytes: smaller }, options);
    held = holdOut(look, options.split);
  }
  for (const hash of look.hashes) options.seen.add(hash);
  const sides = look.groups.map(
    (group): Held => (group === null ? "left out" : held.groups.has(group) ? "validation" : "training"),
  );
  return {
    read: look.read,
    sides,
    lengths: look.lengths,
    trainDocuments: sides.filter((side) => side === "training").length,
    heldDocuments: held.documents,
    bytes: look.bytes,
    heldBytes: held.bytes,
    duplicates: look.duplicates,
    skipped: look.skipped,
    skippedFiles: look.skippedFiles,
  };
}

interface Look {
  readonly read: ReadOptions;
  /** [documents] key of the group, null for a duplicate */
  readonly groups: (string | null)[];
  readonly lengths: number[];
  readonly hashes: Set<string>;
  readonly skipped: Record<SkipReason, number>;
  readonly skippedFiles: string[];
  bytes: number;
  duplicates: number;
}

async function readAll(files: readonly DataFile[], read: ReadOptions, options: ScanOptions): Promise<Look> {
  const look: Look = {
    read,
    groups: [],
    lengths: [],
    hashes: new Set(),
    skipped: { binary: 0, invalidUtf8: 0, empty: 0 },
    skippedFiles: [],
    bytes: 0,
    duplicates: 0,
  };
  const onSkip = (path: string, reason: SkipReason): void => {
    look.skipped[reason]++;
    if (look.skippedFiles.length < mostNamed && look.skippedFiles.at(-1) !== path) look.skippedFiles.push(path);
  };
  let readBytes = 0;
  for (const file of files) {
    for await (const { content } of readDocuments(file, read, onSkip)) {
      options.signal?.throwIfAborted();
      const hash = createHash("sha256").update(content).digest("base64").slice(0, 24); // 144 bits
      const isDuplicate = look.hashes.has(hash) || options.seen.has(hash);
      look.hashes.add(hash);
      look.lengths.push(content.length);
      look.groups.push(isDuplicate ? null : (file.group ?? hash));
      if (isDuplicate) look.duplicates++;
      else look.bytes += content.length;
      readBytes += content.length;
      options.onDocument(look.groups.length, readBytes);
    }
  }
  // A source that is one package is split by documents.
  const named = new Set(look.groups.filter((group) => group !== null));
  if (named.size === 1) {
    look.groups.forEach((group, i) => {
      if (group !== null) look.groups[i] = `${group} ${i}`;
    });
  }
  return look;
}

const mostNamed = 20;

function holdOut(
  { groups, lengths }: Look,
  split: SplitOptions,
): { readonly groups: Set<string>; readonly documents: number; readonly bytes: number } {
  const bytesOf = new Map<string, number>();
  groups.forEach((group, i) => {
    if (group !== null) bytesOf.set(group, (bytesOf.get(group) ?? 0) + (lengths[i] ?? 0));
  });
  const list = [...bytesOf].map(([key, bytes]) => ({ key, bytes }));
  const held = new Set([...heldOutGroups(list, split)].map((index) => list[index]?.key ?? ""));
  let documents = 0;
  let bytes = 0;
  groups.forEach((group, i) => {
    if (group === null || !held.has(group)) return;
    documents++;
    bytes += lengths[i] ?? 0;
  });
  return { groups: held, documents, bytes };
}

function noText(name: string, files: readonly DataFile[], { skipped, duplicates }: Look): RangeError {
  const { binary, invalidUtf8, empty } = skipped;
  const found = `${files.length} files: ${binary} binary, ${invalidUtf8} with invalid UTF-8, ${empty} empty`;
  return new RangeError(
    `data "${name}" (${files[0]?.path ?? "no file"}${files.length > 1 ? ", …" : ""}): no text in ${found}, ${duplicates} documents seen before`,
  );
}
