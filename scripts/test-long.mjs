/** `npm run test:long`: sanitizers, instruction-set matrix, kill points, several processes. */
import { runTests } from "./run-tests.mjs";
import { ensureBuilt } from "./setup.mjs";

ensureBuilt();
runTests("long", process.argv.slice(2));
