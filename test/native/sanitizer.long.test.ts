import { beforeAll, describe, expect, test } from "vitest";
import { isas } from "../kernels/memory.js";
import { type KernelCall, output } from "./calls.js";
import { buildDriver, runCommand, withCallFile, workedCalls } from "./driver.js";
import { recordKernelCalls } from "./kernelCalls.js";

// The driver gives every buffer exactly its size, so that the address sanitizer sees one element too many; inside Node it would not.

let calls: readonly KernelCall[] = [];
beforeAll(() => {
  calls = [...recordKernelCalls().calls, ...workedCalls()];
});

describe("address and undefined-behaviour sanitizers", () => {
  let driver = "";
  beforeAll(() => {
    driver = buildDriver("address");
  }, 600_000);
  const run = (list: readonly KernelCall[], isa: string): string =>
    withCallFile(list, (path) => runCommand([driver, "calls", path, isa, "1", "3"]));

  test.each(isas)(
    "have nothing to say about the kernels of %s, whose results are those of the portable path",
    (isa) => {
      expect(run(calls, isa)).toContain(`${calls.length} calls, 0 wrong`);
    },
  );

  test("have nothing to say about the thread pool", () => {
    expect(runCommand([driver, "pool"])).toContain("every chunk exactly once");
  });

  test("see a write one element past the end", () => {
    const y = output([1, 2, 3], "f32", 0, 0);
    y.expected = y.initial;
    expect(() => run([{ kernel: "fill", args: [y, 1, 4] }], "portable")).toThrow("heap-buffer-overflow");
  });
});

describe("thread sanitizer", () => {
  let driver = "";
  beforeAll(() => {
    driver = buildDriver("thread");
  }, 600_000);

  test("has nothing to say about the thread pool", () => {
    expect(runCommand([driver, "pool"])).toContain("every chunk exactly once");
  });

  test("has nothing to say about the kernels on three threads", () => {
    const printed = withCallFile(calls, (path) => runCommand([driver, "calls", path, "portable", "3"]));
    expect(printed).toContain(`${calls.length} calls, 0 wrong`);
  });
});
