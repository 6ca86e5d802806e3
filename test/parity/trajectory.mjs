/**
 * Writes fixtures/torchLosses.json: the tokens and settings of trajectoryTokens.ts, a checkpoint from `fathom init`, and the losses
 * PyTorch reaches from them (torch_loss.py).
 *
 *     npm run build && node test/parity/trajectory.mjs [PYTHON]      (default python3; needs torch, numpy, safetensors)
 *
 * trajectory.slow.test.ts then trains ours, from initialize() rather than from the checkpoint, and compares.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const python = process.argv[2] ?? "python3";
const folder = mkdtempSync(join(tmpdir(), "trajectory-"));

/** @param {string} command @param {string[]} args @returns {string} standard output */
function runProgram(command, args) {
  const { status, stdout, error } = spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args[0]}: exit ${status}`);
  return stdout;
}

try {
  const source = readFileSync(join(here, "trajectoryTokens.ts"), "utf8");
  const compiled = join(folder, "trajectoryTokens.mjs");
  writeFileSync(compiled, ts.transpile(source, { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }));
  const { run, torchSettings, trajectoryTokens } = await import(compiled);
  const checkpoint = join(folder, "checkpoint");
  const main = join(root, "dist", "cli", "main.js");
  const init = ["init", run.preset, "--seed", String(run.seed), "--dtype", "float32", "--out", checkpoint];
  runProgram(process.execPath, [main, ...init]);
  const config = JSON.parse(readFileSync(join(checkpoint, "config.json"), "utf8"));
  const tokens = new Uint8Array(trajectoryTokens(config.vocab_size).buffer);
  const settings = torchSettings();
  writeFileSync(join(folder, "tokens.bin"), tokens);
  writeFileSync(join(folder, "settings.json"), JSON.stringify(settings));
  const inputs = [checkpoint, join(folder, "tokens.bin"), join(folder, "settings.json")];
  const { torch, losses } = JSON.parse(runProgram(python, [join(here, "torch_loss.py"), ...inputs]));
  const tokensSha256 = createHash("sha256").update(tokens).digest("hex");
  const fixture = join(here, "fixtures", "torchLosses.json");
  writeFileSync(fixture, `${JSON.stringify({ torch, run, settings, tokensSha256, losses }, null, 1)}\n`);
  console.log(`${fixture}: ${losses.length} losses, ${losses[0]} to ${losses.at(-1)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
