/** Reads, checks and compiles what the interpreters of a sandbox process are made of, once; its threads share the result. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { ProcessSetup, WorkerSetup } from "./guestTask.js";
import { readLibrary, type WasiShim } from "./pythonGuest.js";
import { withMemoryMaximum } from "./wasmMemory.js";

export type Parts = Pick<WorkerSetup, "python" | "javascript">;

/** @throws RangeError if python.wasm is not the file with the pinned hash */
export async function loadParts({
  python,
  javascript,
  memoryBytes,
  outputBytes,
}: Omit<ProcessSetup, "workerFile">): Promise<Parts> {
  const parts: { python: Parts["python"]; javascript: Parts["javascript"] } = { python: null, javascript: null };
  if (python !== null) {
    const bytes = await readFile(python.wasmFile);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    if (sha256 !== python.sha256) {
      throw new RangeError(
        `${python.wasmFile}: SHA-256 is ${sha256}, expected ${python.sha256}: not the file this was tested with`,
      );
    }
    const module = await WebAssembly.compile(withMemoryMaximum(bytes, memoryBytes));
    const shim = (await import(python.shimUrl)) as WasiShim;
    const library = await readLibrary(shim, module, {
      memoryBytes,
      outputBytes,
      onStarted: () => {},
      onSlept: () => {},
    });
    parts.python = { module, library, shimUrl: python.shimUrl };
  }
  if (javascript !== null) {
    const module = await WebAssembly.compile(await readFile(javascript.wasmFile));
    parts.javascript = { module, quickjsUrl: javascript.quickjsUrl };
  }
  return parts;
}
