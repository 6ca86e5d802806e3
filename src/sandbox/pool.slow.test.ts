import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { compiledFolder } from "../files/compiledFolder.js";
import { findInstalled } from "./installed.js";
import { openSandbox } from "./sandbox.js";

const good = {
  language: "python",
  program: "def f(x):\n    return x + 1",
  tests: { kind: "asserts", tests: ["assert f(1) == 2"] },
} as const;

function isAlive(pid: number): boolean {
  try {
    // A process that has ended and was not waited for is a zombie: state Z in its status.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("a hundred programs at once, good and hostile, get their verdicts from two processes", async () => {
  const sandbox = await openSandbox({ runUnsafeCode: true, processes: 2 });
  const kinds = [
    { run: good, outcome: "passed" },
    { run: { ...good, program: "import os\nos._exit(3)" }, outcome: "failed" },
    {
      run: {
        ...good,
        language: "javascript",
        program: "const f = (x) => x + 1;",
        tests: { kind: "asserts", tests: ["assert(f(1) === 2)"] },
      },
      outcome: "passed",
    },
    { run: { ...good, program: "def f(x):\n    return x" }, outcome: "failed" },
    { run: { ...good, program: "while True: pass", timeoutMs: 200 }, outcome: "timeout" },
  ] as const;
  const runs = Array.from({ length: 100 }, (_, i) => kinds[i % kinds.length] ?? kinds[0]);
  const results = await Promise.all(runs.map(({ run }) => sandbox.run(run)));
  expect(results.map(({ outcome }) => outcome)).toEqual(runs.map(({ outcome }) => outcome));
  expect(sandbox.pids()).toHaveLength(2);
  await sandbox.close();
});

test("a process that is killed fails its run as crashed, and another one takes its place", async () => {
  const sandbox = await openSandbox({ runUnsafeCode: true, processes: 1, languages: ["python"] });
  expect(await sandbox.run(good)).toMatchObject({ outcome: "passed" });
  const [pid = 0] = sandbox.pids();
  const doomed = sandbox.run({ ...good, program: "while True: pass", timeoutMs: 60_000 });
  await sleep(300);
  process.kill(pid, "SIGKILL");
  expect(await doomed).toMatchObject({
    outcome: "crashed",
    message: "the sandbox's process ended with SIGKILL",
    passedTests: 0,
    numTests: 1,
  });
  expect(await sandbox.run(good)).toMatchObject({ outcome: "passed" });
  expect(sandbox.pids()).toHaveLength(1);
  expect(sandbox.pids()).not.toContain(pid);
  await sandbox.close();
});

test("after close nothing is left: no process, no file, and runs that had not ended have failed", async () => {
  // Other tests have sandboxes too: this one's files lie apart.
  const folder = mkdtempSync(join(tmpdir(), "fathom-pool-"));
  const usual = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  const sandbox = await openSandbox({ runUnsafeCode: true, processes: 2, languages: ["python"] });
  await Promise.all([sandbox.run(good), sandbox.run(good)]);
  expect(readdirSync(folder)).toHaveLength(1);
  const pids = sandbox.pids();
  expect(pids.map(isAlive)).toEqual([true, true]);
  const running = [1, 2, 3].map(() => sandbox.run({ ...good, program: "while True: pass", timeoutMs: 60_000 }));
  const ends = Promise.allSettled(running);
  await sleep(200);
  await sandbox.close();
  expect((await ends).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  expect(pids.map(isAlive)).toEqual([false, false]);
  expect(readdirSync(folder)).toEqual([]);
  if (usual === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = usual;
  rmSync(folder, { recursive: true });
  await expect(sandbox.run(good)).rejects.toThrow("the sandbox is closed");
});

test("a program of a user's that closes its sandbox, or forgets to, ends by itself and leaves no process", async () => {
  // As it is installed: compiled files beside each other, packages in node_modules.
  const { folder, remove } = await compiledFolder(new URL("./sandbox.ts", import.meta.url).href, "fathom-user-");
  const files = await compiledFolder(new URL("../files/compiledFolder.ts", import.meta.url).href, "fathom-user-");
  try {
    cpSync(files.folder, join(folder, "../files"), { recursive: true });
    symlinkSync(findInstalled(["python"]).folders[0] ?? "", join(folder, "../node_modules"));
    for (const end of ["await sandbox.close();", ""]) {
      const script = `
        const { openSandbox } = await import(${JSON.stringify(pathToFileURL(join(folder, "sandbox.js")).href)});
        const sandbox = await openSandbox({ runUnsafeCode: true, processes: 1, languages: ["javascript"] });
        const { outcome } = await sandbox.run({ language: "javascript", program: "1" });
        console.log(outcome, sandbox.pids().join());
        ${end}
        console.log("closed");`;
      const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
        encoding: "utf8",
      });
      const [, outcome, pid, last] = /^(\w+) (\d+)\n(\w+)\n$/.exec(stdout) ?? [];
      expect({ outcome, last, status }).toEqual({ outcome: "passed", last: "closed", status: 0 });
      for (let i = 0; i < 100 && isAlive(Number(pid)); i++) await sleep(50);
      expect(isAlive(Number(pid))).toBe(false);
    }
  } finally {
    remove();
    files.remove();
  }
});

test("memory does not grow with the number of programs", async () => {
  const sandbox = await openSandbox({ runUnsafeCode: true, processes: 1 });
  const rss = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${sandbox.pids()[0]}/status`, "utf8"))?.[1]) / 1024;
  const script = {
    ...good,
    language: "javascript",
    program: "const f = (x) => x + 1;",
    tests: { kind: "asserts", tests: ["assert(f(1) === 2)"] },
  } as const;
  for (let i = 0; i < 100; i++) await sandbox.run(i % 2 ? good : script);
  const early = rss();
  for (let i = 0; i < 100; i++) await sandbox.run(i % 2 ? good : script);
  // An instance is 10 MB or more: 200 of them that stay would be 2 GB.
  expect(rss()).toBeLessThan(early + 500);
  await sandbox.close();
});

test("another python.wasm than the one that was pinned is refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fathom-wasm-"));
  const { python } = findInstalled(["python"]);
  const bytes = readFileSync(python?.wasmFile ?? "");
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(
    "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763",
  );
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  const wasmFile = join(folder, "python.wasm");
  writeFileSync(wasmFile, bytes);
  try {
    const { loadParts } = await import("./sandboxParts.js");
    const setup = {
      python: python === null ? null : { ...python, wasmFile },
      javascript: null,
      memoryBytes: 256 << 20,
      outputBytes: 64_000,
    };
    await expect(loadParts(setup)).rejects.toThrow(/python\.wasm: SHA-256 is [0-9a-f]{64}, expected e5dc5a39/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
