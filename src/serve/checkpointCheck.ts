/** What the thread that checks new checkpoints does: every file against the hash in the manifest, where there is one. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { manifestName, verifyManifest } from "../checkpoint/manifest.js";
import type { Answerer } from "./sideThread.js";

/** @returns takes a directory; answers nothing, or throws a RangeError naming the file */
export function checkpointChecker(): Answerer<string, null> {
  return (directory) => {
    if (existsSync(join(directory, manifestName))) verifyManifest(directory);
    return null;
  };
}
