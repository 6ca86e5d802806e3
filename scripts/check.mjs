/** `npm run check`: format, lint without warnings, strict types, fast tests (the import table among them). */
import { join } from "node:path";
import { runTests } from "./run-tests.mjs";
import { ensureBuilt, root, run } from "./setup.mjs";

ensureBuilt();
run(process.execPath, [
  join(root, "node_modules", "@biomejs", "biome", "bin", "biome"),
  "check",
  "--error-on-warnings",
  ".",
]);
for (const project of ["tsconfig.json", join("web", "tsconfig.json")]) {
  run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", project]);
}
runTests("fast", process.argv.slice(2));
