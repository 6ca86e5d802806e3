/**
 * Builds the kernel driver (native/driver) for machines and checks that Node cannot load: `node scripts/build-driver.mjs TARGET`.
 *
 *   aarch64   the portable kernels for 64-bit Arm, linked statically, to run under qemu-aarch64 on any machine
 *   address   every instruction set with the address and undefined-behaviour sanitizers
 *   thread    the portable kernels and the thread pool with the thread sanitizer
 *
 * Results go to build/driver-TARGET/. An object is rebuilt when its source, any header, its flags or the compiler changed.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename, join } from "node:path";
import { fail, root } from "./setup.mjs";

const native = join(root, "native");
const x86 = {
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
};
const hostCompiler = process.env.CXX ?? "c++";
const targets = {
  aarch64: {
    compiler: "aarch64-linux-gnu-g++",
    install: "apt-get install g++-aarch64-linux-gnu",
    flags: ["-O2"],
    link: ["-static"],
    isas: { portable: [] },
  },
  address: {
    compiler: hostCompiler,
    install: "apt-get install g++",
    flags: ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
    link: ["-fsanitize=address,undefined"],
    isas: { portable: [], ...(process.arch === "x64" ? x86 : {}) },
  },
  thread: {
    compiler: hostCompiler,
    install: "apt-get install g++",
    flags: ["-O1", "-fsanitize=thread", "-fno-omit-frame-pointer"],
    link: ["-fsanitize=thread"],
    isas: { portable: [] },
  },
};

const name = process.argv[2] ?? "";
if (!Object.hasOwn(targets, name)) fail(`build-driver takes one of ${Object.keys(targets).join(", ")}, got "${name}"`);
const target = targets[name];
const version = spawnSync(target.compiler, ["--version"], { encoding: "utf8" });
if (version.status !== 0)
  fail(`${target.compiler} is needed for the ${name} driver and was not found; install it: ${target.install}`);
const output = join(root, "build", `driver-${name}`);
mkdirSync(output, { recursive: true });

const common = [
  "-std=c++17",
  "-g1",
  "-pthread",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-ffp-contract=off",
  "-Wall",
  "-Wextra",
  "-Wno-psabi",
  "-Wno-unknown-pragmas",
  ...target.flags,
];
const kernels = join(native, "kernels");
const headers = createHash("sha256").update(version.stdout);
for (const folder of [native, kernels])
  for (const file of readdirSync(folder).sort())
    if (/\.(h|def)$/.test(file)) headers.update(file).update(readFileSync(join(folder, file)));
const headerDigest = headers.digest("hex");

function job(source, object, flags) {
  const args = [...common, ...flags, "-c", source, "-o", object];
  const digest = createHash("sha256")
    .update(readFileSync(source))
    .update(headerDigest)
    .update(JSON.stringify(args))
    .digest("hex");
  const stamp = `${object}.sha256`;
  const isFresh = existsSync(object) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest;
  return { source, object, args, digest, stamp, isFresh };
}

const hasX86 = Object.hasOwn(target.isas, "avx2");
const jobs = [
  job(join(native, "parallel.cpp"), join(output, "parallel.o"), []),
  job(join(native, "driver", "driver.cpp"), join(output, "driver.o"), hasX86 ? ["-DFATHOM_X86_TABLES"] : []),
];
for (const file of readdirSync(kernels).sort()) {
  if (!file.endsWith(".cpp")) continue;
  for (const [isa, flags] of Object.entries(target.isas)) {
    const object = join(output, `${basename(file, ".cpp")}.${isa}.o`);
    jobs.push(job(join(kernels, file), object, [...flags, `-DFATHOM_ISA=${isa}`]));
  }
}

const driver = join(output, "driver");
const stale = jobs.filter((j) => !j.isFresh);
if (stale.length > 0 || !existsSync(driver)) {
  const queue = [...stale].sort((a, b) => readFileSync(b.source).length - readFileSync(a.source).length);
  const workers = Array.from({ length: Math.max(1, cpus().length) }, async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await compile(next);
  });
  await Promise.all(workers);
  const temporary = `${driver}.${process.pid}.tmp`;
  const flags = ["-pthread", ...target.link, ...jobs.map((j) => j.object), "-o", temporary];
  const linked = spawnSync(target.compiler, flags, { stdio: "inherit" });
  if (linked.status !== 0) fail(`linking the ${name} driver failed; the compiler's message is above`);
  renameSync(temporary, driver);
}
console.log(driver);

function compile(j) {
  return new Promise((resolve) => {
    const child = spawn(target.compiler, j.args, { stdio: "inherit" });
    child.on("error", (error) => fail(`cannot start ${target.compiler}: ${error.message}`));
    child.on("close", (code) => {
      if (code !== 0) fail(`compiling ${j.source} failed; the compiler's message is above`);
      writeFileSync(j.stamp, j.digest);
      resolve();
    });
  });
}
