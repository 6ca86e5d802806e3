/** manifest.json: the size and sha-256 of every file of a checkpoint, written last, checked before anything is believed. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../files/atomic.js";
import { isObject, readJson } from "../files/json.js";

export const manifestName = "manifest.json";

export function writeManifest(directory: string): void {
  const files = Object.fromEntries(
    readdirSync(directory)
      .filter((name) => name !== manifestName)
      .sort()
      .map((name) => [name, { bytes: statSync(join(directory, name)).size, sha256: hashFile(join(directory, name)) }]),
  );
  writeFileAtomic(join(directory, manifestName), `${JSON.stringify({ version: 1, files }, null, 1)}\n`);
}

/** @throws RangeError naming the first file that is missing or not what was written */
export function verifyManifest(directory: string): void {
  const path = join(directory, manifestName);
  const json = readJson(path);
  if (!isObject(json) || json.version !== 1 || !isObject(json.files)) {
    throw new RangeError(`${path}: not a manifest of this program's version`);
  }
  for (const [name, expected] of Object.entries(json.files)) {
    const file = join(directory, name);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!isObject(expected) || !stat) throw new RangeError(`${file}: missing, though ${manifestName} lists it`);
    if (stat.size !== expected.bytes) {
      throw new RangeError(`${file}: ${stat.size} bytes, expected ${String(expected.bytes)}: damaged?`);
    }
    const found = hashFile(file);
    if (found !== expected.sha256) {
      throw new RangeError(`${file}: sha-256 is ${found}, expected ${String(expected.sha256)}: damaged?`);
    }
  }
}

export function hashFile(path: string): string {
  const hash = createHash("sha256");
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.allocUnsafe(4 << 20);
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) hash.update(buffer.subarray(0, read));
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}
