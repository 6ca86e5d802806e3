import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compiledFolder } from "../files/compiledFolder.js";
import { findInstalled } from "./installed.js";
import { openSandbox, type Sandbox } from "./sandbox.js";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ runUnsafeCode: true, processes: 1 });
});
afterAll(() => sandbox.close());

test("nothing runs unless the caller has said so", async () => {
  const off = openSandbox({ runUnsafeCode: false });
  await expect(off).rejects.toThrow("running a model's code is off; switch it on with --confirm-run-unsafe-code");
});

test("a Python and a JavaScript function are called, and their values compared outside", async () => {
  const tests = {
    kind: "calls",
    entryPoint: "f",
    cases: [
      { args: [[3, 1, 2]], expected: [1, 2, 3] },
      { args: [[]], expected: [] },
    ],
  } as const;
  expect(await sandbox.run({ language: "python", program: "def f(x):\n    return sorted(x)", tests })).toMatchObject({
    outcome: "passed",
    passedTests: 2,
    numTests: 2,
    results: [
      { passed: true, message: "" },
      { passed: true, message: "" },
    ],
  });
  expect(
    await sandbox.run({ language: "javascript", program: "const f = (x) => x.toSorted?.() ?? x.sort()", tests }),
  ).toMatchObject({
    outcome: "passed",
    passedTests: 2,
  });
});

test("asserts give a part of the tests where a part holds", async () => {
  const result = await sandbox.run({
    language: "python",
    program: "def f(x):\n    return x * 2",
    tests: { kind: "asserts", tests: ["assert f(2) == 4", "assert f(3) == 9", "assert f(0) == 0"] },
  });
  expect(result).toMatchObject({
    outcome: "failed",
    passedTests: 2,
    numTests: 3,
    message: "AssertionError: assert f(3) == 9",
  });
});

test("a program that never ends is ended by processor time, and the next one runs", async () => {
  const result = await sandbox.run({ language: "python", program: "while True: pass", stdin: "", timeoutMs: 300 });
  expect(result).toMatchObject({ outcome: "timeout", message: "took more than 300 ms of processor time" });
  const next = await sandbox.run({ language: "python", program: "print(input()[::-1])", stdin: "abc" });
  expect(next).toMatchObject({ outcome: "passed", stdout: "cba\n", stderr: "" });
});

test("a deadline counts the program's time, not the start of its interpreters", async () => {
  // A new process starts cold: much more than this deadline goes by before the program is loaded.
  const cold = await openSandbox({ runUnsafeCode: true, processes: 1, languages: ["python"] });
  const tests = { kind: "asserts", tests: ["assert f(1) == 2"] } as const;
  const result = await cold.run({ language: "python", program: "def f(x):\n    return x + 1", tests, timeoutMs: 250 });
  await cold.close();
  expect(result).toMatchObject({ outcome: "passed" });
  expect(result.cpuMs).toBeLessThan(250);
  expect(result.wallMs).toBeGreaterThan(0);
});

test("a run that cannot be meant is refused before anything starts", async () => {
  const refused = async (run: object): Promise<string> =>
    sandbox.run({ language: "python", program: "", ...run } as Parameters<Sandbox["run"]>[0]).then(
      () => "",
      (error: unknown) => (error instanceof RangeError ? error.message : `not a RangeError: ${String(error)}`),
    );
  expect(await refused({ language: "ruby" })).toBe("sandbox: language must be python or javascript, got ruby");
  expect(await refused({ timeoutMs: 0 })).toContain("timeoutMs must be between 0 and 3,600,000, got 0");
  expect(await refused({ stdin: "", tests: { kind: "asserts", tests: ["1"] } })).toContain(
    "either tests or stdin, not both",
  );
  expect(await refused({ tests: { kind: "stdin", cases: [] } })).toContain("there are no tests (kind stdin)");
  const cases = [{ args: [Symbol("x")], expected: 1 }];
  expect(await refused({ tests: { kind: "calls", entryPoint: "f", cases } })).toContain("an argument is a symbol");
  expect(await refused({ tests: { kind: "calls", entryPoint: "f(1)", cases: [{ args: [], expected: 1 }] } })).toContain(
    'entryPoint must be a name or Class.method, got "f(1)"',
  );
  const python = await openSandbox({ runUnsafeCode: true, processes: 1, languages: ["python"] });
  await expect(python.run({ language: "javascript", program: "" })).rejects.toThrow("it was opened without javascript");
  await python.close();
});

test("code that left WebAssembly would still find Node's permissions in its way", async () => {
  // What guestWorker.ts could do if a guest took it over: here it is asked directly.
  const flag = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
  const attempts = {
    read: "require('node:fs').readFileSync('/etc/hostname')",
    write: "require('node:fs').writeFileSync('/tmp/fathom-permission', 'x')",
    run: "require('node:child_process').execSync('true')",
    addon: "process.dlopen({ exports: {} }, '/nothing.node')",
  };
  const body = Object.entries(attempts).map(
    ([name, code]) => `try { ${code}; console.log('${name} worked'); } catch (e) { console.log('${name}', e.code); }`,
  );
  const worker = `new (require('node:worker_threads').Worker)(${JSON.stringify(body.join("\n"))}, { eval: true, env: {} })`;
  const { stdout } = spawnSync(process.execPath, [flag, "--allow-worker", "--no-warnings", "-e", worker], {
    encoding: "utf8",
    env: {},
  });
  expect(stdout.trim().split("\n")).toEqual([
    "read ERR_ACCESS_DENIED",
    "write ERR_ACCESS_DENIED",
    "run ERR_ACCESS_DENIED",
    "addon ERR_DLOPEN_DISABLED",
  ]);
});

test("a missing package is named, with the command that installs it", async () => {
  const found = findInstalled(["python", "javascript"]);
  expect(found.folders.every((path) => path.endsWith("node_modules"))).toBe(true);
  // The same code where nothing is installed.
  const { folder, remove } = await compiledFolder(import.meta.url, "fathom-empty-");
  const empty = mkdtempSync(join(tmpdir(), "fathom-empty-"));
  try {
    const module = pathToFileURL(join(folder, "installed.js")).href;
    const find = `import(${JSON.stringify(module)}).then((m) => m.findInstalled(["javascript"]))`;
    const script = `${find}.catch((e) => console.log(e.name + ": " + e.message))`;
    const { stdout } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8", cwd: empty });
    expect(stdout.trim()).toBe(
      "RangeError: sandbox: programs in javascript need quickjs-emscripten@0.32.0: quickjs-emscripten is not installed." +
        " Run: npm install --ignore-scripts quickjs-emscripten@0.32.0",
    );
    expect(dirname(folder)).toContain(tmpdir());
  } finally {
    remove();
    rmSync(empty, { recursive: true, force: true });
  }
});
