import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadWeights, readConfig, storedAs } from "../checkpoint/modelFiles.js";
import { singleCommunicator } from "../distributed/single.js";
import { prefill, SequenceCache } from "../generate/forward.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { parameterCounts } from "../model/flops.js";
import { loadPreset } from "../model/presets.js";
import { configOfSize, writeFp8Checkpoint } from "./fp8Checkpoint.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-fp8-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("configOfSize gives the Moonlight shape twelve layers for 8 GB", () => {
  const config = configOfSize(loadPreset("moonlight-16b-a3b"), 8e9);
  expect(config.numHiddenLayers).toBe(12);
  const { total, embedding } = parameterCounts(config);
  // A byte for each weight and one more for each of embedding and head.
  expect((total + 2 * embedding) / 8e9).toBeCloseTo(1, 1);
  expect(configOfSize(config, 1).numHiddenLayers).toBe(config.firstKDenseReplace + 1);
});

test("a checkpoint that is made opens with its matrices in FP8 and gives finite, different logits", async () => {
  const written = { ...loadPreset("small"), numHiddenLayers: 3 };
  const { bytes } = writeFp8Checkpoint(folder, written);
  const files = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
  const size = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  expect(size - bytes).toBeGreaterThan(0);
  expect(size - bytes).toBeLessThan(100_000); // the header
  const config = readConfig(folder);
  const model = new DeepseekV3(config, "bfloat16", singleCommunicator(), storedAs(folder, config));
  expect(loadWeights(model, folder).unexpected).toEqual([]);
  const experts = model.parameters.find(({ shape }) => shape.length === 3);
  expect(experts?.data.dtype).toBe("float8_e4m3fn");
  using cache = new SequenceCache(model, 4);
  const logits = await prefill(model, cache, [1, 2, 3, 4]);
  expect(logits.every(Number.isFinite)).toBe(true);
  expect(new Set(logits).size).toBeGreaterThan(100);
  // Mapped, every matrix stays where the file has it, the experts' too, and says the same.
  const mapped = new DeepseekV3(config, "bfloat16", singleCommunicator(), storedAs(folder, config));
  const before = mapped.parameters.filter(({ shape }) => shape.length === 3).map(({ data }) => data.bytes().fill(1));
  loadWeights(mapped, folder, undefined, "mapped");
  // The memory that stood ready for them is given back, to the page; Linux shows it by zeros.
  if (process.platform === "linux")
    for (const bytes of before) expect(bytes.reduce((sum, byte) => sum + byte, 0)).toBeLessThan(2 * 4096);
  expect(mapped.arena.usedBytes).toBeLessThan(0.05 * model.arena.usedBytes);
  using again = new SequenceCache(mapped, 4);
  expect(await prefill(mapped, again, [1, 2, 3, 4])).toEqual(logits);
  model.free();
  expect(() => writeFp8Checkpoint(folder, written)).toThrow("there is a model already");
});
