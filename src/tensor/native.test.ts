import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { native } from "./native.js";

const root = join(import.meta.dirname, "../..");
const header = readFileSync(join(root, "native/kernels/kernels.h"), "utf8");
const mirror = ["products", "layers"].map((name) => readFileSync(join(root, `src/tensor/kernels/${name}.ts`), "utf8"));

const camel = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** name -> argument names, from the C++ declarations. */
function declared(): Map<string, string[]> {
  const kernels = new Map<string, string[]>();
  for (const [, name, args] of header.matchAll(/^void ([a-z0-9_]+)\(([^;]*)\);/gm)) {
    kernels.set(
      camel(name!),
      args!.split(",").map((argument) => camel(/([a-z0-9_]+)\s*$/.exec(argument)![1]!)),
    );
  }
  return kernels;
}

/** name -> argument names, from the interfaces. */
function mirrored(): Map<string, string[]> {
  const kernels = new Map<string, string[]>();
  for (const [, name, args] of mirror.join("").matchAll(/^ {2}([a-zA-Z0-9]+)\(([^)]*)\): void;/gm)) {
    kernels.set(
      name!,
      [...args!.matchAll(/([a-zA-Z0-9]+):/g)].map((match) => match[1]!),
    );
  }
  return kernels;
}

test("kernels/ declares every kernel of kernels.h with the same arguments in the same order", () => {
  expect(Object.fromEntries(mirrored())).toEqual(Object.fromEntries(declared()));
});

test("the addon exports every kernel and refuses a call with missing arguments", () => {
  const addon = native() as unknown as Record<string, unknown>;
  for (const name of declared().keys()) {
    const kernel = addon[name];
    expect(typeof kernel, name).toBe("function");
    expect(() => (kernel as () => void)()).toThrow(/internal: .* takes \d+ arguments, got 0/);
  }
});

test("alloc gives zeroed memory whose address and buffer are the same bytes", () => {
  const block = native().alloc(4096);
  const view = new Float32Array(block.buffer);
  expect(view.every((value) => value === 0)).toBe(true);
  expect(block.address % 64).toBe(0);
  native().fill(block.address + 8, 2.5, 2);
  expect([...view.subarray(0, 5)]).toEqual([0, 0, 2.5, 2.5, 0]);
});

test("mapFile of a missing file names it", () => {
  expect(() => native().mapFile("/no/such/file.safetensors")).toThrow("/no/such/file.safetensors: No such file");
});
