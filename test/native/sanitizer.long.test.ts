import { beforeAll, describe, expect, test } from "vitest";
import { isas } from "../kernels/memory.js";
import { input, type KernelCall, output, placed } from "./calls.js";
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

  test.each([0, 1, 3])("see a write one element past the end of a buffer that begins %i elements late", (elements) => {
    const y = placed(output([1, 2, 3], "f32", 0, 0), elements);
    y.expected = y.initial;
    expect(() => run([{ kernel: "fill", args: [y, 1, 4] }], "portable")).toThrow("heap-buffer-overflow");
  });

  test("leave a write before such a buffer to the driver, which sees it", () => {
    const [y, x] = [placed(output([1, 2, 3], "f32", 0, 0), 1), input([1, 7])];
    y.expected = y.initial;
    // The second of two rows lies one element before the first.
    const call = { kernel: "copyRows", args: [y, x, 2, 1, -1, 1, 4] };
    expect(() => run([call], "portable")).toThrow("byte 4 before the first was written");
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
