import { afterEach, expect, test, vi } from "vitest";
import { native } from "../../src/tensor/native.js";
import { expectClose, isas, onEveryIsa } from "../kernels/memory.js";
import { runCall, valuesOf } from "./calls.js";
import { workedCalls } from "./driver.js";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetModules();
});

/** native() as a process that starts now would see it. */
async function freshNative(isa: string): Promise<string> {
  vi.stubEnv("FATHOM_ISA", isa);
  vi.resetModules();
  const module = await import("../../src/tensor/native.js");
  return module.native().isa();
}

test("native() runs the instruction set that FATHOM_ISA names, and the best of this machine without it", () => {
  expect(native().isa()).toBe(process.env.FATHOM_ISA || isas[0]);
});

test.each(isas)("FATHOM_ISA=%s is followed", async (isa) => {
  const before = native().isa();
  try {
    expect(await freshNative(isa)).toBe(isa);
  } finally {
    native().selectIsa(before);
  }
});

test("a FATHOM_ISA that this machine lacks is refused with what it has", async () => {
  await expect(freshNative("sse9")).rejects.toThrow(`FATHOM_ISA=sse9: this machine runs ${isas.join(", ")}`);
});

test("the worked examples come out on every instruction set", () => {
  onEveryIsa((isa) => {
    for (const call of workedCalls()) {
      for (const [operand, bytes] of runCall(call)) {
        if (operand.role !== "output") continue;
        const actual = valuesOf({ ...operand, expected: bytes });
        expectClose(actual, valuesOf(operand), operand.absolute, operand.relative, `${call.kernel} ${isa}`);
      }
    }
  });
});
