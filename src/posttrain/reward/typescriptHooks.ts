/**
 * Module hooks for a Node that cannot read TypeScript by itself: files that end in .ts are compiled, each by itself, when they are
 * imported, and `./x.js` finds `./x.ts` as it does for the compiler.
 */
import { readFile } from "node:fs/promises";
import type { InitializeHook, LoadHook, ResolveHook } from "node:module";
import { fileURLToPath } from "node:url";

type TypeScript = typeof import("typescript");
let typescript: TypeScript | null = null;

export const initialize: InitializeHook<{ readonly typescriptUrl: string }> = async ({ typescriptUrl }) => {
  const { default: found } = (await import(typescriptUrl)) as { readonly default: TypeScript };
  typescript = found;
};

export const resolve: ResolveHook = async (specifier, context, next) => {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (!/^\.{1,2}\//.test(specifier)) throw error;
    for (const other of [specifier.replace(/\.js$/, ".ts"), `${specifier}.ts`]) {
      if (other === specifier) continue;
      try {
        return await next(other, context);
      } catch {
        // The first error says what the user wrote.
      }
    }
    throw error;
  }
};

export const load: LoadHook = async (url, context, next) => {
  if (typescript === null || !/^file:.*\.m?ts$/.test(url)) return next(url, context);
  const { ModuleKind, ScriptTarget, transpileModule } = typescript;
  const fileName = fileURLToPath(url);
  const { outputText, diagnostics = [] } = transpileModule(await readFile(fileName, "utf8"), {
    fileName,
    reportDiagnostics: true,
    compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022, inlineSourceMap: true },
  });
  const [first] = diagnostics;
  if (first) {
    const { line } = first.file?.getLineAndCharacterOfPosition(first.start ?? 0) ?? { line: 0 };
    throw new SyntaxError(
      `${fileName}:${line + 1}: ${typescript.flattenDiagnosticMessageText(first.messageText, "\n")}`,
    );
  }
  return { format: "module", source: outputText, shortCircuit: true };
};
