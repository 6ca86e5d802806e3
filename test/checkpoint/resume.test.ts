import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadWeights, readConfig } from "../../src/checkpoint/modelFiles.js";
import { createGrid, type ProcessGrid } from "../../src/distributed/grid.js";
import { singleCommunicator } from "../../src/distributed/single.js";
import { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { type ComputeDtype, computeDtypeOf, type TrainPrecision } from "../../src/tensor/dtype.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { defaultSettings } from "../../src/train/settings.js";
import { rowsMicroBatch, type StepResult, Trainer } from "../../src/train/trainer.js";
import { loadTrainingCheckpoint, saveTrainingCheckpoint } from "../../src/train/trainingCheckpoint.js";
import { smallConfig, smallModel, tokenRows } from "../invariance/models.js";

let run = "";
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), "fathom-resume-"));
});
afterEach(() => rmSync(run, { recursive: true, force: true }));

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
const config = smallConfig();

function createTrainer(grid: ProcessGrid, dtype: TrainPrecision, momentDtype: ComputeDtype): Trainer {
  const defaults = defaultSettings(config);
  const settings = { ...defaults, dtype, emaDecay: 0.9, adamw: { ...defaults.adamw, momentDtype } };
  const trainer = new Trainer(
    smallModel(config, 4, computeDtypeOf(dtype), dtype === "fp8" ? settings.fp8 : null),
    settings,
    grid,
  );
  trainer.optimizer.adoptWeights();
  trainer.ema?.adoptWeights();
  return trainer;
}

function step(trainer: Trainer, index: number): Promise<StepResult> {
  const tokens = tokenRows(2, 12, config.vocabSize, 100 + index);
  return trainer.step([rowsMicroBatch(tokens, 12)], { learningRate: 0.01, gamma: 0.01, alpha: 1e-3, lambda: 0.3 });
}

/** Hashes of every array that the next step depends on. */
function bits(trainer: Trainer): Map<string, string> {
  const { model, optimizer, ema } = trainer;
  const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  const result = new Map(model.parameters.map(({ name, data }) => [name, hash(data.bytes())]));
  optimizer.shards.forEach(({ parameter, master, m, v }, i) => {
    for (const [kind, tensor] of Object.entries({ master, m, v, ema: ema?.averages[i] })) {
      if (tensor) result.set(`${kind}/${parameter.name}`, hash(tensor.bytes()));
    }
  });
  return result;
}

test.each<[TrainPrecision, ComputeDtype]>([
  ["float32", "float32"],
  ["bfloat16", "float32"],
  ["bfloat16", "bfloat16"],
  ["fp8", "bfloat16"],
])("a resumed run makes the same bits as one that went on: weights %s, moments %s", async (dtype, momentDtype) => {
  const grid = await createGrid(singleCommunicator());
  const straight = createTrainer(grid, dtype, momentDtype);
  for (const index of [0, 1, 2]) await step(straight, index);
  const loader = { version: 1, seed: 0, sequenceLength: 12, dataKey: "k", rows: { a: 6 }, tokens: { a: 72 } } as const;
  const state = { stage: "pretrain", step: 3, tokens: 72, loader };
  const path = await saveTrainingCheckpoint(run, straight, grid, {
    state: { ...state, shares: [] },
    tokenizer,
    keepLast: 2,
  });
  const saved = bits(straight);
  const resumed = createTrainer(grid, dtype, momentDtype);
  expect(await loadTrainingCheckpoint(path, resumed, grid)).toEqual(state);
  expect(resumed.optimizer.stepsApplied).toBe(3);
  expect(bits(resumed)).toEqual(saved);
  for (const index of [3, 4]) {
    const [a, b] = [await step(straight, index), await step(resumed, index)];
    // The first step makes tables that stay: its memory is not what a later one takes.
    expect({ ...b, seconds: 0, activationBytes: 0 }).toEqual({ ...a, seconds: 0, activationBytes: 0 });
  }
  expect(bits(resumed)).toEqual(bits(straight));
  expect(readdirSync(path).sort()).toEqual([
    "config.json",
    "manifest.json",
    "model.safetensors",
    "optimizer-00000-of-00001.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "trainer.json",
  ]);
  const model = new DeepseekV3(readConfig(path), computeDtypeOf(dtype), singleCommunicator());
  expect(loadWeights(model, path).unexpected).toEqual([]);
});
