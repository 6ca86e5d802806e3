import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { attachAdapter } from "../../src/checkpoint/adapter.js";
import { saveModel } from "../../src/checkpoint/modelFiles.js";
import { openCheckpoint } from "../../src/checkpoint/openCheckpoint.js";
import { createGrid, type ProcessGrid } from "../../src/distributed/grid.js";
import { singleCommunicator } from "../../src/distributed/single.js";
import { type AdapterConfig, defaultAdapter } from "../../src/model/adapterConfig.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../src/tokenizer/newTokenizer.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";
import { defaultSettings } from "../../src/train/settings.js";
import { rowsMicroBatch, type StepResult, Trainer } from "../../src/train/trainer.js";
import { loadTrainingCheckpoint, saveTrainingCheckpoint } from "../../src/train/trainingCheckpoint.js";
import { smallConfig, smallModel, tokenRows } from "../invariance/models.js";

const folder = mkdtempSync(join(tmpdir(), "fathom-resume-adapter-"));
afterAll(() => rmSync(folder, { recursive: true }));
const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
const config = smallConfig();
const base = join(folder, "base");
saveModel(base, smallModel(config, 4));
const run = join(folder, "run");

const lora: AdapterConfig = {
  ...defaultAdapter,
  baseModelNameOrPath: base,
  targetModules: "all",
  r: 4,
  loraDropout: 0.1,
  useRslora: true,
};

type Weights = "int8" | "float8_e4m3fn" | undefined;

function createTrainer(grid: ProcessGrid, weights: Weights, changes: Partial<AdapterConfig> = {}): Trainer {
  const { model } = openCheckpoint(base, { dtype: "float32", weights });
  attachAdapter(model, { ...lora, ...changes }, 5);
  const trainer = new Trainer(model, { ...defaultSettings(config), recompute: true }, grid);
  trainer.optimizer.adoptWeights();
  return trainer;
}

/** Two micro-batches, whose dropout differs. */
function step(trainer: Trainer, index: number): Promise<StepResult> {
  const batches = [0, 1].map((i) => rowsMicroBatch(tokenRows(2, 12, config.vocabSize, 100 + 2 * index + i), 12));
  return trainer.step(batches, { learningRate: 0.01, gamma: 0, alpha: 1e-3, lambda: 0.3 });
}

const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function bits({ model, optimizer }: Trainer): Map<string, string> {
  const result = new Map(model.parameters.map(({ name, data }) => [name, hash(data.bytes())]));
  for (const { parameter, master, m, v } of optimizer.shards) {
    for (const [kind, tensor] of Object.entries({ data: parameter.data, master, m, v })) {
      result.set(`${kind}/${parameter.name}`, hash(tensor.bytes()));
    }
  }
  return result;
}

test.each([undefined, "float8_e4m3fn", "int8"] as const)(
  "a resumed adapter run over weights in %s makes the bits of one that went on, from a checkpoint without the base",
  async (weights) => {
    const grid = await createGrid(singleCommunicator());
    const straight = createTrainer(grid, weights);
    const before = straight.model.parameters.map(({ data }) => hash(data.bytes()));
    const { adapter } = straight.model;
    const matrices = adapter?.parts.flatMap(({ adapter: { a, b } }) => [a.name, b.name]) ?? [];
    expect(straight.optimizer.shards.map(({ parameter }) => parameter.name)).toEqual(matrices);
    for (const index of [0, 1, 2]) await step(straight, index);
    const loader = {
      version: 1,
      seed: 0,
      sequenceLength: 12,
      dataKey: "k",
      rows: { a: 6 },
      tokens: { a: 72 },
    } as const;
    const state = { stage: "sft", step: 3, tokens: 72, loader };
    const path = await saveTrainingCheckpoint(join(run, String(weights)), straight, grid, {
      state: { ...state, shares: [] },
      tokenizer,
      keepLast: 2,
    });
    const saved = bits(straight);
    const resumed = createTrainer(grid, weights);
    expect(bits(resumed)).not.toEqual(saved);
    expect(await loadTrainingCheckpoint(path, resumed, grid)).toEqual(state);
    expect(bits(resumed)).toEqual(saved);
    for (const index of [3, 4]) {
      const [a, b] = [await step(straight, index), await step(resumed, index)];
      // The first step makes tables that stay: its memory is not what a later one takes.
      expect({ ...b, seconds: 0, activationBytes: 0 }).toEqual({ ...a, seconds: 0, activationBytes: 0 });
    }
    expect(bits(resumed)).toEqual(bits(straight));
    expect(straight.model.parameters.map(({ data }) => hash(data.bytes()))).toEqual(before);
    expect(readdirSync(path).sort()).toEqual([
      "adapter_config.json",
      "adapter_model.safetensors",
      "manifest.json",
      "optimizer-00000-of-00001.safetensors",
      "special_tokens_map.json",
      "tokenizer.json",
      "tokenizer_config.json",
      "trainer.json",
    ]);
    // Two moments of what the adapter file holds, and no master: the adapter is float32 itself.
    const sizeOf = (name: string): number => {
      const bytes = readFileSync(join(path, name));
      return bytes.length - 8 - Number(bytes.readBigUInt64LE(0));
    };
    expect(sizeOf("optimizer-00000-of-00001.safetensors")).toBe(2 * sizeOf("adapter_model.safetensors"));
    expect(statSync(join(path, "adapter_config.json")).size).toBeLessThan(2000);
  },
);

test("a checkpoint of another adapter is refused with the first difference", async () => {
  const grid = await createGrid(singleCommunicator());
  const path = join(run, "int8", "checkpoints", "step-00000003");
  const other = createTrainer(grid, "int8", { r: 8 });
  await expect(loadTrainingCheckpoint(path, other, grid)).rejects.toThrow(
    /another adapter than the model's: it has model\.layers\.0\.self_attn\.q_a_proj of rank 4 and scale 4/,
  );
});

test("an adapter learns a batch by heart, and the router's bias is not moved", async () => {
  const grid = await createGrid(singleCommunicator());
  const trainer = createTrainer(grid, "int8", { loraDropout: 0 });
  const batch = rowsMicroBatch(tokenRows(2, 12, config.vocabSize), 12);
  const settings = { learningRate: 0.02, gamma: 0, alpha: 0, lambda: 0 };
  const { loss: first } = await trainer.step([batch], settings);
  let loss = first;
  for (let i = 0; i < 60; i++) ({ loss } = await trainer.step([batch], settings));
  expect(first).toBeGreaterThan(3);
  // The frozen head lets a state of norm sqrt(24) reach no less than about 1.
  expect(loss).toBeLessThan(1.4);
  await expect(trainer.step([batch], { ...settings, gamma: 0.001 })).rejects.toThrow("gamma must be 0 over an adapter");
});
