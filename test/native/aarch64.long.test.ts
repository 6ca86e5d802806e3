import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { input, type KernelCall, output, toBytes } from "./calls.js";
import { buildDriver, root, runCommand, withCallFile, workedCalls } from "./driver.js";
import { recordKernelCalls } from "./kernelCalls.js";

// The portable kernels on 64-bit Arm: compiled with the cross compiler, linked statically and run under qemu's user mode.

let driver = "";

beforeAll(() => {
  if (spawnSync("qemu-aarch64", ["--version"]).status !== 0)
    throw new Error("qemu-aarch64 is needed to run the Arm kernels; install it: apt-get install qemu-user");
  driver = buildDriver("aarch64");
}, 300_000);

const run = (calls: readonly KernelCall[], ...threads: string[]): string =>
  withCallFile(calls, (path) => runCommand(["qemu-aarch64", driver, "calls", path, "portable", ...threads]));

test("the driver is a program for aarch64", () => {
  const header = readFileSync(driver).subarray(0, 20);
  expect(header.subarray(1, 4).toString()).toBe("ELF");
  expect(header.readUInt16LE(18)).toBe(183); // EM_AARCH64
});

test("every kernel gives on aarch64 what the portable kernels give here, the same bits on 1 and 3 threads", () => {
  const { calls } = recordKernelCalls();
  expect(run(calls, "1", "3")).toContain(`${calls.length} calls, 0 wrong`);
});

test("the worked examples come out on aarch64", () => {
  const calls = workedCalls();
  expect(run(calls, "2")).toContain(`${calls.length} calls, 0 wrong`);
});

test("the thread pool takes every chunk once on aarch64", () => {
  expect(runCommand(["qemu-aarch64", driver, "pool"])).toContain("every chunk exactly once");
});

test("the driver reports a wrong result, a changed input and a write past the end", () => {
  const becomes = (values: number[], expected: number[]): ReturnType<typeof output> => {
    const operand = output(values, "f32", 0, 0);
    operand.expected = toBytes(expected, "f32");
    return operand;
  };
  expect(() => run([{ kernel: "scale", args: [becomes([1, 2], [2, 5]), 2, 2, 0] }], "1")).toThrow(
    "[1] is 4, expected 5",
  );
  expect(() => run([{ kernel: "scale", args: [input([1, 2]), 2, 2, 0] }], "1")).toThrow("an input was changed");
  expect(() => run([{ kernel: "fill", args: [becomes([1, 2], [3, 3]), 3, 3] }], "1")).toThrow("past the end");
  expect(() => run([{ kernel: "nothing", args: [] }], "1")).toThrow("no kernel is called nothing");
});

test("the recorded calls cover every kernel of kernels.def", () => {
  const list = readFileSync(join(root, "native", "kernels", "kernels.def"), "utf8");
  const names = [...list.matchAll(/^KERNEL\(\w+, (\w+)\)/gm)].map((match) => match[1]);
  const called = new Set(recordKernelCalls().calls.map((call) => call.kernel));
  expect(names.filter((name) => !called.has(name ?? ""))).toEqual([]);
});
