/**
 * Two phases of `fathom extend` on a model of 0.1 million parameters and on text that repeats a random key, from every few letters to
 * further apart than the first window: a model that uses the longer window predicts the letters of the second turn, one that does not guesses.
 * What is measured is printed, since the margins are the point.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { extendCommand } from "../../src/cli/extend.js";
import { pretrainCommand } from "../../src/cli/pretrain.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { readEvents } from "../../src/train/runFiles.js";

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig()); // a byte a token
const config = {
  model_type: "deepseek_v3",
  vocab_size: tokenizer.vocabSize,
  hidden_size: 64,
  num_hidden_layers: 2,
  intermediate_size: 128,
  first_k_dense_replace: 2,
  num_attention_heads: 4,
  kv_lora_rank: 32,
  qk_nope_head_dim: 16,
  qk_rope_head_dim: 16,
  v_head_dim: 16,
  max_position_embeddings: 64,
  initializer_range: 0.08,
};

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-extend-"));
  tokenizer.save(join(folder, "tokenizer"));
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  let state = 12345;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0;
    return ((mixed ^ (mixed >>> 12)) >>> 0) / 2 ** 32;
  };
  const lines = Array.from({ length: 2500 }, () => {
    const period = Math.floor(3 * 40 ** random()); // 3 to 119 letters
    const key = Array.from({ length: period }, () => String.fromCharCode(97 + Math.floor(16 * random()))).join("");
    return JSON.stringify({ text: key.repeat(Math.ceil(1100 / period)).slice(0, 1100) });
  });
  writeFileSync(join(folder, "keys.jsonl"), `${lines.join("\n")}\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Row {
  readonly from: number;
  readonly to: number;
  readonly unchanged: { readonly bitsPerByte: number };
  readonly interpolated: { readonly bitsPerByte: number };
  readonly extended: { readonly bitsPerByte: number };
}

interface Extended {
  readonly run: string;
  readonly steps: number;
  readonly report: string;
  readonly positions: {
    readonly window: number;
    readonly windows: number;
    readonly buckets: readonly Row[];
    readonly inside: Row;
    readonly beyond: Row;
  };
}

/** Runs a command in this process. @returns what it prints for scripts */
async function run(command: Command, args: readonly string[]): Promise<unknown> {
  const data = ["--data", join(folder, "keys.jsonl"), "--fim-rate", "0", "--validation-fraction", "0.02"];
  const out = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const progress = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    await command.parseAsync([...args, ...data, "--save-every", "0", "--json"], { from: "user" });
    return JSON.parse(String(out.mock.calls.at(-1)?.[0]));
  } finally {
    out.mockRestore();
    progress.mockRestore();
  }
}

async function phase(
  from: string,
  to: number,
  steps: number,
  name: string,
  more: readonly string[] = [],
): Promise<Extended> {
  const args = ["--model", join(folder, from), "--to", `${to}`, "--steps", `${steps}`, "--out", join(folder, name)];
  const extended = (await run(extendCommand(), [...args, "--learning-rate", "0.001", ...more])) as Extended;
  const { inside, beyond } = extended.positions;
  for (const [where, row] of Object.entries({ inside, beyond })) {
    const [a, b, c] = [row.unchanged, row.interpolated, row.extended].map(({ bitsPerByte }) => bitsPerByte.toFixed(3));
    console.log(`${name}, ${where} the old window: no extension ${a}, interpolation ${b}, extended ${c} bits per byte`);
  }
  return extended;
}

const modelConfig = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(folder, name, "checkpoints", "latest", "config.json"), "utf8")) as Record<
    string,
    unknown
  >;

test("beyond the old window an extended model needs fewer bits than the old one, as it is or interpolated", async () => {
  const base = ["--config", join(folder, "config.json"), "--tokenizer", join(folder, "tokenizer"), "--steps", "1200"];
  const batch = ["--length", "64", "--batch", "32", "--micro-batch", "32", "--learning-rate", "0.006"];
  await run(pretrainCommand(), [
    ...base,
    ...batch,
    "--warmup-steps",
    "30",
    "--validate-every",
    "0",
    "--out",
    join(folder, "base"),
  ]);

  const first = await phase("base", 256, 200, "yarn");
  expect(first.positions.buckets.map(({ from, to }) => [from, to]).slice(3, 5)).toEqual([
    [48, 64],
    [64, 80],
  ]);
  expect(first.positions.beyond.from).toBe(64);
  const { beyond } = first.positions;
  expect(beyond.extended.bitsPerByte).toBeLessThan(beyond.unchanged.bitsPerByte - 0.05);
  expect(beyond.extended.bitsPerByte).toBeLessThan(beyond.interpolated.bitsPerByte - 0.2);
  expect(modelConfig("yarn")).toMatchObject({
    max_position_embeddings: 256,
    rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 64, beta_fast: 32, beta_slow: 1 },
  });
  expect(existsSync(first.report)).toBe(true);
  // As many tokens a step as before, at a constant rate, from the first step on.
  const steps = readEvents(join(folder, "yarn")).filter((event) => event.kind === "step");
  expect(steps.length).toBe(200);
  expect(new Set(steps.map(({ learningRate, batchSize, stage }) => `${stage} ${learningRate} ${batchSize}`))).toEqual(
    new Set(["extend 0.001 8"]),
  );

  // The first step starts from the same weights whatever the optimizer's state; what it does with them differs.
  await phase("base", 256, 3, "kept", ["--optimizer", "kept"]);
  const kept = readEvents(join(folder, "kept")).filter((event) => event.kind === "step");
  expect(kept[0]?.loss).toBe(steps[0]?.loss);
  expect(kept[1]?.loss).not.toBe(steps[1]?.loss);

  const second = await phase("yarn", 1024, 100, "second");
  expect(modelConfig("second")).toMatchObject({
    max_position_embeddings: 1024,
    rope_scaling: { type: "yarn", factor: 16, original_max_position_embeddings: 64 },
  });
  const far = second.positions.beyond;
  expect(far.from).toBe(256);
  expect(far.extended.bitsPerByte).toBeLessThan(far.unchanged.bitsPerByte - 0.1);
  expect(far.extended.bitsPerByte).toBeLessThan(far.interpolated.bitsPerByte - 0.1);
});
