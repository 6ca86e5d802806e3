/**
 * A run of an adapter against PEFT: logits of its base with the adapter, here and there, in float32.
 *
 *     npm run build && node test/parity/check_adapter.mjs RUN [PYTHON]      (default python3; needs torch, transformers, peft)
 *
 * The adapter is one over attention: PEFT 0.21 over transformers 5 loses those of single experts (docs/lora.md).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { findModel } from "../../dist/checkpoint/modelSource.js";
import { openCheckpoint } from "../../dist/checkpoint/openCheckpoint.js";
import { scoringBatch } from "../../dist/model/batch.js";
import { Tape } from "../../dist/tensor/tape.js";
import { randomTokens } from "../../dist/train/measure.js";

const [run, python = "python3"] = process.argv.slice(2);
if (run === undefined) throw new Error("usage: check_adapter.mjs RUN [PYTHON]");
const length = 48;
const { directory, adapter } = await findModel(run);
if (adapter === null) throw new Error(`${run}: no adapter`);

async function logitsOf(over) {
  const { model, config } = openCheckpoint(directory, { dtype: "float32", adapter: over });
  const ids = Array.from(randomTokens(length, config.vocabSize, 1));
  const batch = scoringBatch(model.arena, [ids], 0);
  const tape = new Tape(model.arena, { hasGrad: false });
  const context = { kind: "prefill", batch, cache: null };
  const { normed } = await model.hidden(tape, batch.ids, context, batch.maxSequenceLength);
  const logits = model.logits(tape, normed).toFloats();
  model.free();
  return { ids, logits: Array.from(logits) };
}

const folder = mkdtempSync(join(tmpdir(), "fathom-check-adapter-"));
const file = join(folder, "logits.json");
try {
  const { ids, logits } = await logitsOf(adapter);
  writeFileSync(file, JSON.stringify({ ids, logits, plain: (await logitsOf(null)).logits }));
  const script = join(dirname(fileURLToPath(import.meta.url)), "check_adapter.py");
  const { status } = spawnSync(python, [script, resolve(directory), resolve(adapter), file], { stdio: "inherit" });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
