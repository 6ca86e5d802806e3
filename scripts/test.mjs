/** `npm test`: every fast and slow test; the first command on a fresh clone, so it installs and builds what is missing. */
import { runTests } from "./run-tests.mjs";
import { ensureBuilt } from "./setup.mjs";

ensureBuilt();
runTests("all", process.argv.slice(2));
