/** Runs vitest at one speed and leaves the counts in build/test-results/ for the closing line of `.ci/run`. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./setup.mjs";

/** @param {"fast" | "all" | "long"} speed @param {string[]} filters file name filters passed on to vitest */
export function runTests(speed, filters = []) {
  mkdirSync(join(root, "build", "test-results"), { recursive: true });
  run(
    process.execPath,
    [
      join(root, "node_modules", "vitest", "vitest.mjs"),
      "run",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=build/test-results/${speed}.json`,
      ...filters,
    ],
    { FATHOM_TESTS: speed },
  );
}
