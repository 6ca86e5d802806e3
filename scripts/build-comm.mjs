/**
 * Builds the MPI addon (build/native/comm.node) from native/comm with the compile and link flags of the MPI wrapper compiler. A machine
 * without MPI gets none, and everything but several processes works there. Rebuilt when its sources, flags or MPI version change.
 * Run by build-native.mjs, or alone. MPICXX picks the wrapper; Open MPI and MPICH are not binary compatible, so the addon belongs to the MPI it was built with.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./setup.mjs";

/** The wrapper's flags: Open MPI spells the question one way, MPICH and its family another (and answers with the compiler first). */
function askWrapper() {
  for (const name of process.env.MPICXX ? [process.env.MPICXX] : ["mpicxx", "mpic++", "mpicc"]) {
    const ask = (...args) => spawnSync(name, args, { encoding: "utf8" });
    const words = (text) => text.trim().split(/\s+/).filter(Boolean);
    const compile = ask("--showme:compile");
    if (compile.status === 0) {
      const version = ask("--showme:version");
      return {
        compile: words(compile.stdout),
        link: words(ask("--showme:link").stdout),
        version: version.stdout + version.stderr,
      };
    }
    const info = ask("-compile_info");
    if (info.status === 0) {
      const flags = (text) => words(text).slice(1);
      return { compile: flags(info.stdout), link: flags(ask("-link_info").stdout), version: ask("-v").stdout };
    }
  }
  return undefined;
}

/** Builds what is out of date; `compiler` is the C++ compiler's name. A failure is told and leaves no addon. */
export function buildComm(compiler, output) {
  const mpi = askWrapper();
  const addon = join(output, "comm.node");
  if (!mpi) return;
  const folder = join(root, "native", "comm");
  const sources = readdirSync(folder).sort();
  const headers = join(createRequire(import.meta.url).resolve("node-api-headers/package.json"), "..", "include");
  const shared = process.platform === "darwin" ? ["-undefined", "dynamic_lookup", "-bundle"] : ["-shared", "-pthread"];
  const args = [
    ...["-std=c++17", "-O3", "-g1", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-Wextra"],
    ...[
      `-I${headers}`,
      ...mpi.compile.flatMap((flag) => (flag.startsWith("-I") ? ["-isystem", flag.slice(2)] : [flag])),
    ],
    ...shared,
    ...sources.filter((name) => name.endsWith(".cpp")).map((name) => join(folder, name)),
    ...mpi.link,
  ];
  const digest = createHash("sha256").update(JSON.stringify([compiler, args, mpi.version]));
  for (const name of sources) digest.update(name).update(readFileSync(join(folder, name)));
  const stamp = `${addon}.sha256`;
  const wanted = digest.digest("hex");
  if (existsSync(addon) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  const started = Date.now();
  const temporary = `${addon}.${process.pid}.tmp`;
  const built = spawnSync(compiler, [...args, "-o", temporary], { stdio: "inherit" });
  if (built.status !== 0) {
    for (const path of [temporary, addon, stamp]) rmSync(path, { force: true });
    console.error("fathom: the MPI addon could not be built (the compiler's message is above); mpirun will not work");
    return;
  }
  renameSync(temporary, addon);
  writeFileSync(stamp, wanted);
  console.error(`fathom: MPI addon built in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const output = join(root, "build", "native");
  mkdirSync(output, { recursive: true });
  buildComm(process.env.CXX ?? "c++", output);
}
