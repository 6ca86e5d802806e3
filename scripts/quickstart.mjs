/** `npm run quickstart`: installs and builds what is missing, then runs `fathom quickstart` with the arguments given. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureBuilt, root } from "./setup.mjs";

ensureBuilt();
const { status, signal } = spawnSync(
  process.execPath,
  [join(root, "dist", "cli", "main.js"), "quickstart", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
process.exit(signal ? 1 : (status ?? 1));
