/**
 * Files that are written whole or not at all: a temporary name in the same folder, fsync, rename, fsync of the folder.
 * A reader sees the old content or the new one, also after a power cut; a full disk leaves the old file as it was.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export type FileContent = string | Uint8Array;

/**
 * Replaces `path` by `content` (text as UTF-8), creating the folder when it is missing.
 * @param content one piece, or pieces written one after the other, so that a large file needs no copy in memory
 * @throws the system's error (ENOSPC, EACCES, ...); the temporary file is removed and `path` is untouched
 */
export function writeFileAtomic(path: string, content: FileContent | Iterable<FileContent>): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true });
  const temporary = join(folder, `.${basename(path)}.${process.pid}.tmp`);
  const pieces = typeof content === "string" || content instanceof Uint8Array ? [content] : content;
  const fd = openSync(temporary, "w", 0o644);
  try {
    try {
      for (const piece of pieces) writeAll(fd, typeof piece === "string" ? Buffer.from(piece, "utf8") : piece);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw namingPath(error, path);
  }
  fsyncFolder(folder);
}

/** The system's error with the path in its message: a failed write to an open file (a full disk) has none. */
export function namingPath(error: unknown, path: string): unknown {
  if (error instanceof Error && "code" in error && !("path" in error)) {
    error.message = `${path}: cannot be written (${error.message})`;
  }
  return error;
}

/** Makes renames inside `folder` durable. */
export function fsyncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes every byte; one call of the system may take less than it was given (2 GiB at most). */
export function writeAll(fd: number, bytes: Uint8Array): void {
  const step = 1 << 30;
  for (let done = 0; done < bytes.byteLength; ) {
    done += writeSync(fd, bytes, done, Math.min(step, bytes.byteLength - done));
  }
}
