/** Prints `N passed, N failed` over the result files that the test scripts left, for the end of `.ci/run`. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./setup.mjs";

let passed = 0;
let failed = 0;
for (const speed of ["fast", "all", "long"]) {
  const file = join(root, "build", "test-results", `${speed}.json`);
  if (!existsSync(file)) continue;
  const result = JSON.parse(readFileSync(file, "utf8"));
  passed += result.numPassedTests;
  failed += result.numFailedTests;
}
console.log(`${passed} passed, ${failed} failed`);
