/** What tells one model's answers from another's: its files, and how they are computed with. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Files that change what a model answers and are small enough to be read. */
const readWhole =
  /^(manifest|config|generation_config|tokenizer|tokenizer_config|quantization.*)\.json$|\.index\.json$|\.jinja$/;

/**
 * The weights count by name, size and time; where a manifest has their hashes, by those.
 * @param settings precision and the like; what does not change answers stays out
 */
export function modelId(directory: string, settings: Readonly<Record<string, unknown>>): string {
  const hash = createHash("sha256").update(JSON.stringify(settings));
  const names = readdirSync(directory).sort();
  const hasManifest = names.includes("manifest.json");
  for (const name of names) {
    const path = join(directory, name);
    const stats = statSync(path);
    if (!stats.isFile()) continue;
    if (readWhole.test(name)) hash.update(name).update(readFileSync(path));
    else if (name.endsWith(".safetensors") && !hasManifest) hash.update(`${name} ${stats.size} ${stats.mtimeMs}`);
  }
  return hash.digest("hex");
}
