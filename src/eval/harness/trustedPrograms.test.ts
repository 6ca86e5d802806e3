import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { missingTool, runTrusted } from "./trustedPrograms.js";

test("a program's output, errors and exit code come back", async () => {
  const source = "tr a-z A-Z; echo e >&2; exit 3";
  const result = await runTrusted({ language: "bash", source, stdin: "in", timeoutSeconds: 20 });
  expect(result).toEqual({ status: "exit", exitCode: 3, stdout: "IN", stderr: "e\n" });
});

test("one that does not end is ended, with what it started, and its folder goes", async () => {
  const source = "pwd; sleep 100 & sleep 100";
  const result = await runTrusted({ language: "bash", source, timeoutSeconds: 0.5 });
  expect([result.status, result.exitCode]).toEqual(["timeout", null]);
  expect(result.stdout).toMatch(/fathom-program-/);
  expect(existsSync(result.stdout.trim())).toBe(false);
});

test("output beyond 64 KiB is not kept", async () => {
  const result = await runTrusted({
    language: "bash",
    source: "head -c 200000 /dev/zero | tr '\\0' x",
    timeoutSeconds: 20,
  });
  expect([result.status, result.stdout.length]).toEqual(["exit", 65536]);
});

test("a language without its tools is refused by name", async () => {
  await expect(runTrusted({ language: "php", source: "", timeoutSeconds: 1 }, "/nowhere")).rejects.toThrow(
    "programs in php need php, which is not on this machine",
  );
  expect(missingTool("php", "/nowhere")).toBe("php");
  expect(missingTool("bash", process.env.PATH)).toBe(null);
});
