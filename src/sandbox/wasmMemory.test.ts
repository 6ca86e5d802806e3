import { expect, test } from "vitest";
import { withMemoryMaximum } from "./wasmMemory.js";

/** A module written by hand: a memory, and a function that grows it by its argument and returns what memory.grow returns. */
function growingModule(limits: readonly number[]): Uint8Array {
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f], // type: i32 -> i32
    ...[3, 2, 1, 0], // one function of it
    ...[5, 1 + limits.length, 1, ...limits],
    ...[7, 8, 1, 4, 0x67, 0x72, 0x6f, 0x77, 0, 0], // export "grow"
    ...[10, 8, 1, 6, 0, 0x20, 0, 0x40, 0, 0x0b],
  ]);
}

async function growerOf(bytes: Uint8Array): Promise<(pages: number) => number> {
  const { exports } = await WebAssembly.instantiate(await WebAssembly.compile(bytes), {});
  return exports.grow as (pages: number) => number;
}

test("a memory without a limit gets one, and the engine holds to it", async () => {
  const grow = await growerOf(withMemoryMaximum(growingModule([0, 2]), 300 * 65_536));
  expect(grow(298)).toBe(2);
  expect(grow(1)).toBe(-1);
});

test("a larger limit becomes smaller", async () => {
  const grow = await growerOf(withMemoryMaximum(growingModule([1, 1, 0x80, 0x80, 4]), 5 * 65_536 + 1));
  expect(grow(4)).toBe(1);
  expect(grow(1)).toBe(-1);
});

test("what is no such module is refused", () => {
  const bytes = growingModule([0, 2]);
  expect(() => withMemoryMaximum(bytes, 65_536)).toThrow("the module starts with 2 pages, more than the limit of 1");
  expect(() => withMemoryMaximum(bytes.subarray(0, 16), 1 << 20)).toThrow("the module has no memory section");
  expect(() => withMemoryMaximum(bytes.subarray(1), 1 << 20)).toThrow("not a WebAssembly module");
  expect(() => withMemoryMaximum(growingModule([3, 1, 2]), 1 << 20)).toThrow("expected one memory, not shared");
});
