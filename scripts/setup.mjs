/**
 * What every other script needs first: Node of the right age, npm packages, the native addon, compiled TypeScript.
 * Each step does nothing when its result is already newer than its sources, so any script may call it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command in the repository root; ends this process with the command's code if it fails. */
export function run(command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
  if (result.error) fail(`cannot start ${command}: ${result.error.message}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

export function fail(message) {
  console.error(`fathom: ${message}`);
  process.exit(1);
}

/** Newest modification time of the files under `path` that `keep` accepts, in ms; 0 if there are none. */
export function newest(path, keep = () => true) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return keep(path) ? stat.mtimeMs : 0;
  let latest = 0;
  for (const name of readdirSync(path)) latest = Math.max(latest, newest(join(path, name), keep));
  return latest;
}

export function ensureNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node ${process.versions.node} is too old, 20.19 or later is needed`);
}

export function ensurePackages() {
  ensureNode();
  const stamp = join(root, "node_modules", ".package-lock.json");
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs - 1000) return;
  console.error("fathom: installing packages (npm ci)");
  const { status, error, stdout, stderr } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (error) fail(`cannot start npm: ${error.message}`);
  if (status !== 0) fail(`npm ci failed:\n${stdout}${stderr}`);
}

/** The addon: rebuilt by scripts/build-native.mjs, which decides by content what is out of date. */
export function ensureNative() {
  run(process.execPath, [join(root, "scripts", "build-native.mjs")]);
}

export function ensureTypeScript() {
  const isSource = (path) => path.endsWith(".ts") && !path.endsWith(".test.ts");
  const built = join(root, "dist", "cli", "main.js");
  const stamp = join(root, "build", "tsconfig.build.tsbuildinfo");
  const sources = Math.max(newest(join(root, "src"), isSource), newest(join(root, "tsconfig.build.json")));
  if (existsSync(built) && existsSync(stamp) && statSync(stamp).mtimeMs > sources) return;
  if (!existsSync(built)) rmSync(stamp, { force: true });
  console.error("fathom: compiling TypeScript");
  run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"]);
}

/** The web page in dist/web, with the few pure files of src that it shares with the server. */
export function ensureWeb() {
  const shared = ["src/serve/runEvents.ts", "src/report/chart.ts"].map((path) => newest(join(root, path)));
  const isSource = (path) => !path.endsWith(".test.ts");
  const sources = Math.max(newest(join(root, "web"), isSource), ...shared);
  const built = join(root, "dist", "web", "index.html");
  if (existsSync(built) && statSync(built).mtimeMs > sources) return;
  console.error("fathom: building the web page");
  const vite = join(root, "node_modules", "vite", "bin", "vite.js");
  run(process.execPath, [vite, "build", "--config", join("web", "vite.config.ts"), "--logLevel", "warn"]);
}

export function ensureBuilt() {
  // A package that npm has installed lacks the addon alone.
  if (!existsSync(join(root, "src"))) {
    ensureNode();
    ensureNative();
    return;
  }
  ensurePackages();
  ensureNative();
  ensureTypeScript();
  ensureWeb();
}
