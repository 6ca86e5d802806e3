/**
 * Writes fixtures/lora: an adapter of ours over fixtures/v3-groups, and what lora.py makes of it with PEFT, beside an adapter of PEFT's
 * own.
 *
 *     npm run build && node test/parity/lora.mjs [PYTHON]      (default python3; needs torch, transformers, peft)
 *
 * lora.test.ts makes the same adapter again, to the byte, and compares.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { attachAdapter, saveAdapter } from "../../dist/checkpoint/adapter.js";
import { openCheckpoint } from "../../dist/checkpoint/openCheckpoint.js";
import { defaultAdapter } from "../../dist/model/adapterConfig.js";

const here = dirname(fileURLToPath(import.meta.url));
const base = join(here, "fixtures", "v3-groups");
const fixtures = join(here, "fixtures", "lora");

process.chdir(here);
const { model } = openCheckpoint(base);
const config = {
  ...defaultAdapter,
  baseModelNameOrPath: join("fixtures", "v3-groups"),
  targetModules: "all",
  r: 2,
  loraAlpha: 5,
  rankPattern: { "layers.1.self_attn.kv_b_proj": 4, "experts.[0-9]+.up_proj": 3 },
  alphaPattern: { o_proj: 3 },
};
attachAdapter(model, config, 7);
for (const { adapter } of model.adapter?.parts ?? []) {
  const b = adapter.b.data.floats();
  for (let i = 0; i < b.length; i++) b[i] = 0.1 * Math.sin(3 * i + 1);
}
saveAdapter(model, join(fixtures, "ours"));
const python = process.argv[2] ?? "python3";
const { status } = spawnSync(python, [join(here, "lora.py"), base, fixtures], { stdio: "inherit" });
if (status !== 0) throw new Error(`${python} lora.py: exit ${status}`);
