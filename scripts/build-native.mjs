/**
 * Builds the native addon with the system's C++ compiler: each kernel file once per instruction set, everything else once, one shared
 * library. An object is rebuilt when the hash of its sources, flags and compiler differs from the one stored beside it, so a second call
 * takes a fraction of a second. CXX picks the compiler; FATHOM_SANITIZE=address,undefined builds build/native-sanitize instead.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { basename, join } from "node:path";
import { buildComm } from "./build-comm.mjs";
import { fail, root } from "./setup.mjs";

const native = join(root, "native");
const sanitize = process.env.FATHOM_SANITIZE ?? "";
const output = join(root, "build", sanitize ? "native-sanitize" : "native");
mkdirSync(output, { recursive: true });

function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ["c++", "g++", "clang++"];
  for (const name of candidates) {
    const result = spawnSync(name, ["--version"], { encoding: "utf8" });
    if (result.status === 0) return { name, version: result.stdout.split("\n")[0] };
  }
  fail(
    `no C++ compiler found (tried ${candidates.join(", ")}); install one: apt-get install g++, dnf install gcc-c++, apk add g++, or xcode-select --install`,
  );
}

const compiler = findCompiler();
const headers = join(createRequire(import.meta.url).resolve("node-api-headers/package.json"), "..", "include");
const common = [
  "-std=c++17",
  sanitize ? "-O1" : "-O3",
  "-g1",
  "-fPIC",
  "-fvisibility=hidden",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-ffp-contract=off",
  "-Wall",
  "-Wextra",
  "-Wno-psabi",
  "-Wno-unknown-pragmas",
  ...(sanitize ? [`-fsanitize=${sanitize}`, "-fno-omit-frame-pointer"] : []),
];
const isas = {
  portable: [],
  ...(process.arch === "x64"
    ? {
        avx2: ["-mavx2", "-mfma", "-mf16c"],
        avx512: [
          "-mavx2",
          "-mfma",
          "-mf16c",
          "-mavx512f",
          "-mavx512bw",
          "-mavx512vl",
          "-mavx512dq",
          "-mavx512bf16",
          "-mavx512vbmi",
          "-mprefer-vector-width=512",
        ],
      }
    : {}),
};

/** Every header is part of every object's hash: few of them, and a wrong object costs more than a rebuild. */
const headerHash = createHash("sha256");
for (const folder of [native, join(native, "kernels")]) {
  for (const name of readdirSync(folder).sort()) {
    if (/\.(h|def)$/.test(name)) headerHash.update(name).update(readFileSync(join(folder, name)));
  }
}
const headerDigest = headerHash.digest("hex");

function job(source, object, flags) {
  const args = [...common, ...flags, `-I${headers}`, `-I${native}`, "-c", source, "-o", object];
  const digest = createHash("sha256")
    .update(readFileSync(source))
    .update(headerDigest)
    .update(JSON.stringify([compiler, args]))
    .digest("hex");
  const stamp = `${object}.sha256`;
  const isFresh = existsSync(object) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest;
  return { source, object, args, digest, stamp, isFresh };
}

const jobs = [];
for (const name of readdirSync(join(native, "kernels")).sort()) {
  if (!name.endsWith(".cpp")) continue;
  for (const [isa, flags] of Object.entries(isas)) {
    const object = join(output, `${basename(name, ".cpp")}.${isa}.o`);
    jobs.push(job(join(native, "kernels", name), object, [...flags, `-DFATHOM_ISA=${isa}`]));
  }
}
for (const name of readdirSync(native).sort()) {
  if (name.endsWith(".cpp")) jobs.push(job(join(native, name), join(output, `${basename(name, ".cpp")}.o`), []));
}

const stale = jobs.filter((j) => !j.isFresh);
const addon = join(output, "fathom.node");
if (stale.length > 0 || !existsSync(addon)) {
  const started = Date.now();
  if (stale.length > 0) console.error(`fathom: compiling ${stale.length} native objects with ${compiler.name}`);
  await runAll(stale);
  const temporary = `${addon}.${process.pid}.tmp`;
  const link = process.platform === "darwin" ? ["-undefined", "dynamic_lookup", "-bundle"] : ["-shared", "-pthread"];
  const flags = [
    ...link,
    ...(sanitize ? [`-fsanitize=${sanitize}`] : []),
    ...jobs.map((j) => j.object),
    "-o",
    temporary,
  ];
  const linked = spawnSync(compiler.name, flags, { stdio: "inherit" });
  if (linked.status !== 0) fail("linking the native addon failed; the compiler's message is above");
  renameSync(temporary, addon);
  console.error(`fathom: native addon built in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

if (!sanitize) buildComm(compiler.name, output);

async function runAll(list) {
  const queue = [...list].sort((a, b) => readFileSync(b.source).length - readFileSync(a.source).length);
  const workers = Array.from({ length: Math.max(1, cpus().length) }, async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await compile(next);
  });
  await Promise.all(workers);
}

function compile(j) {
  return new Promise((resolve) => {
    const child = spawn(compiler.name, j.args, { stdio: "inherit" });
    child.on("error", (error) => fail(`cannot start ${compiler.name}: ${error.message}`));
    child.on("close", (code) => {
      if (code !== 0) fail(`compiling ${j.source} failed; the compiler's message is above`);
      writeFileSync(j.stamp, j.digest);
      resolve();
    });
  });
}
