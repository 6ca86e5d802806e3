/**
 * Exports a model as GGUF and compares it with llama.cpp, teacher-forced over the tokens of a text.
 *
 *   npm install --prefix /tmp/llama --ignore-scripts node-llama-cpp
 *   node test/parity/check_gguf.mjs MODEL_DIR TEXT_FILE bf16 /tmp/llama/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64
 *
 * Fails unless the most likely token agrees at 99 % of the positions and the log-probabilities differ by 0.01 on average at most.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openModel } from "../../dist/cli/models.js";
import { scoringBatch } from "../../dist/model/batch.js";
import { Tape } from "../../dist/tensor/tape.js";

const [modelPath, textFile, type = "bf16", libraries] = process.argv.slice(2);
if (!libraries) throw new Error("usage: check_gguf.mjs MODEL_DIR TEXT_FILE f16|bf16|q8_0 LIBRARY_DIR");
const wanted = 1000; // positions
const here = fileURLToPath(new URL(".", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "fathom-gguf-"));
const run = (command, args, input) => {
  const result = spawnSync(command, args, { input, encoding: "utf8", maxBuffer: 1 << 28 });
  if (result.status !== 0) throw new Error(`${command}: ${result.stderr}`);
  return result.stdout;
};
try {
  const gguf = join(work, "model.gguf");
  run(process.execPath, [
    join(here, "../../dist/cli/main.js"),
    "convert",
    "--model",
    modelPath,
    "--to",
    "gguf",
    "--gguf",
    type,
    "--out",
    gguf,
  ]);
  const program = join(work, "llama_logits");
  run("c++", ["-O2", "-o", program, join(here, "llama_logits.cpp"), "-ldl"]);

  // Beside quantised weights ours are the same values: groups of 32 in int8.
  const { model, tokenizer } = await openModel(modelPath, type === "q8_0" ? { weights: "int8" } : { dtype: "float32" });
  const library = (prefix) =>
    join(
      libraries,
      readdirSync(libraries).find((name) => name.startsWith(prefix) && !name.includes("-")),
    );
  const vocab = model.config.vocabSize;
  const text = tokenizer.encode(readFileSync(textFile, "utf8"));
  const length = Math.min(model.config.maxPositionEmbeddings - 1, wanted);
  let [positions, agreed, difference, largest] = [0, 0, 0, 0];
  for (let at = 0; positions < wanted && at + 1 < text.length; at += length) {
    const ids = [tokenizer.bosTokenId, ...text.slice(at, at + length)];
    const batch = scoringBatch(model.arena, [ids], 0);
    const tape = new Tape(model.arena, { hasGrad: false });
    const { normed } = await model.hidden(tape, batch.ids, { kind: "prefill", batch, onLatent: null }, ids.length);
    const logits = model.logits(tape, normed).floats();
    const input = `${ids.length} ${ids.join(" ")}`;
    const lines = run(program, [library("libllama"), library("libggml"), libraries, gguf], input)
      .trim()
      .split("\n");
    lines.forEach((line, i) => {
      const [best, logProbability] = line.split(" ").map(Number);
      const row = logits.subarray(i * vocab, (i + 1) * vocab);
      const ours = row.indexOf(row.reduce((a, b) => Math.max(a, b)));
      const total = row.reduce((sum, logit) => sum + Math.exp(logit - row[ours]), 0);
      const apart = Math.abs(row[ids[i + 1]] - row[ours] - Math.log(total) - logProbability);
      agreed += ours === best;
      difference += apart;
      largest = Math.max(largest, apart);
    });
    positions += lines.length;
    tape[Symbol.dispose]();
    batch[Symbol.dispose]();
  }
  const result = {
    type,
    positions,
    top1: agreed / positions,
    meanDifference: difference / positions,
    largestDifference: largest,
  };
  console.log(JSON.stringify(result));
  process.exitCode = result.top1 >= 0.99 && result.meanDifference <= 0.01 ? 0 : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
