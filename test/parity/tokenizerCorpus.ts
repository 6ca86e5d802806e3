/** Source text that is on every machine which runs the tests: what npm installed here. */
import { isUtf8 } from "node:buffer";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../node_modules");

/** JavaScript, TypeScript, JSON and Markdown files of at most 500 kB, by path, until there are `mostBytes`. */
export function readCorpus(mostBytes: number): string[] {
  const texts: string[] = [];
  let bytes = 0;
  const visit = (folder: string): void => {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined || bytes >= mostBytes || name === ".bin") continue;
      if (stat.isDirectory()) visit(path);
      else if (stat.size <= 500_000 && /\.(?:[cm]?[jt]s|json|md)$/.test(name)) {
        const content = readFileSync(path);
        if (!isUtf8(content)) continue;
        texts.push(content.toString("utf8"));
        bytes += content.length;
      }
    }
  };
  visit(root);
  return texts;
}

/** Texts on which tokenizers like to differ, and their pieces as Python `tokenizers` cuts them (made by tokenizer.py). */
export function readAwkwardTexts(): { readonly text: string; readonly pieces: readonly string[] }[] {
  const file = new URL("./fixtures/tokenizerPieces.json", import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as { text: string; pieces: string[] }[];
}
