/**
 * The standard library as files, and our own Python beside it, compiled. The library lies in the module as a zip archive, whose directory
 * the interpreter reads anew, in Python, at each start: half of the time a start takes (55 ms of processor time against 29 measured);
 * compiling our code takes another 20. So one interpreter unpacks and compiles, once per process, and all others find the result in
 * a folder that cannot be written.
 */

import type { WasiShim } from "./pythonGuest.js";
import { pythonJudge } from "./pythonJudge.js";
import { pythonGuest, pythonMain } from "./pythonProgram.js";

export interface LibraryFiles {
  /** Content of all files, one after the other. */
  readonly bytes: SharedArrayBuffer;
  /** Path below the folder, first byte, length. */
  readonly index: readonly (readonly [string, number, number])[];
}

/** Where guests find it; `PYTHONPATH`. */
export const libraryFolder = "/lib";

/** Modules of ours. Importing one does its work. */
const modules = { fathom_main: pythonMain, fathom_guest: pythonGuest, fathom_judge: pythonJudge } as const;
export type PythonModule = keyof typeof modules;

/**
 * Writes each file of the archive and each module to standard output, with a line of name and length before it. A compiled file begins with
 * a magic number and 12 bytes that are zero where no source is to be compared.
 */
export const unpackLibrary = String.raw`
import marshal, posix, sys
from _frozen_importlib_external import MAGIC_NUMBER
archive = next(p for p in sys.path if p.endswith(".zip"))
importer = sys.path_importer_cache[archive]
def put(name, data):
    posix.write(1, ("%s %d\n" % (name, len(data))).encode())
    while data:
        data = data[posix.write(1, data):]
for name in importer._files:
    put(name, importer.get_data(archive + "/" + name))
${Object.entries(modules)
  .map(
    ([name, source]) =>
      `put("${name}.pyc", MAGIC_NUMBER + bytes(12) + marshal.dumps(compile(${pythonText(source)}, "${name}", "exec")))`,
  )
  .join("\n")}
`;

function pythonText(ascii: string): string {
  return JSON.stringify(ascii);
}

/** @throws RangeError if that is not what `unpackLibrary` wrote */
export function parseLibrary(written: Uint8Array): LibraryFiles {
  const bytes = new SharedArrayBuffer(written.length);
  new Uint8Array(bytes).set(written);
  const index: [string, number, number][] = [];
  for (let at = 0; at < written.length; ) {
    const lineEnd = written.indexOf(10, at);
    const [, name, length] = /^(\S+) (\d+)$/.exec(Buffer.from(written.subarray(at, lineEnd)).toString("latin1")) ?? [];
    if (lineEnd < 0 || name === undefined || lineEnd + 1 + Number(length) > written.length) {
      throw new RangeError(`python.wasm: its library does not unpack (byte ${at} of ${written.length})`);
    }
    index.push([name, lineEnd + 1, Number(length)]);
    at = lineEnd + 1 + Number(length);
  }
  if (!index.some(([name]) => name === "encodings/__init__.pyc")) {
    throw new RangeError(`python.wasm: its library has ${index.length} files, and no encodings/__init__.pyc`);
  }
  return { bytes, index };
}

/** The folder, opened for one guest; the objects are its own, the bytes are shared. */
export function openLibrary(
  shim: WasiShim,
  { bytes, index }: LibraryFiles,
): InstanceType<WasiShim["PreopenDirectory"]> {
  const root = new Map<string, InstanceType<WasiShim["Inode"]>>();
  for (const [path, start, length] of index) {
    let folder = root;
    const names = path.split("/");
    const last = names.pop() ?? "";
    for (const name of names) {
      let inner = folder.get(name);
      if (inner === undefined) {
        inner = new shim.Directory(new Map());
        folder.set(name, inner);
      }
      folder = (inner as InstanceType<WasiShim["Directory"]>).contents;
    }
    folder.set(last, new shim.File(new Uint8Array(bytes, start, length), { readonly: true }));
  }
  return new shim.PreopenDirectory(libraryFolder, root);
}
