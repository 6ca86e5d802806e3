/**
 * Where the compiled form of a folder of sources is. Processes and worker threads are started from files that Node can read; in a build
 * these lie beside the caller. Uncompiled sources (tests) are compiled for them into a temporary folder.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface CompiledFolder {
  readonly folder: string;
  /** Removes what was made for this caller. */
  readonly remove: () => void;
}

/**
 * @param moduleUrl `import.meta.url` of a file in the folder. Files of the folder may import each other, and other folders for their types
 *   alone
 * @param prefix of the temporary folder
 */
export async function compiledFolder(moduleUrl: string, prefix: string): Promise<CompiledFolder> {
  const file = fileURLToPath(moduleUrl);
  const here = dirname(file);
  if (!file.endsWith(".ts")) return { folder: realpathSync(here), remove: () => {} };
  const { default: ts } = await import("typescript");
  const root = realpathSync(mkdtempSync(join(tmpdir(), prefix)));
  const folder = join(root, basename(here));
  mkdirSync(folder);
  writeFileSync(join(root, "package.json"), '{"type": "module"}\n');
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
  for (const name of readdirSync(here)) {
    if (!/(?<!\.test|\.d)\.ts$/.test(name)) continue;
    const { outputText } = ts.transpileModule(readFileSync(join(here, name), "utf8"), { compilerOptions });
    writeFileSync(join(folder, name.replace(/\.ts$/, ".js")), outputText);
  }
  return { folder, remove: () => rmSync(root, { recursive: true, force: true }) };
}
