import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { smallConfig, variants } from "../../test/invariance/models.js";
import { singleCommunicator } from "../distributed/single.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { initialize } from "../model/init.js";
import { loadPreset } from "../model/presets.js";
import { loadWeights, readConfig } from "./modelFiles.js";
import { writeRandomModel } from "./randomModel.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-random-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each(Object.entries(variants))(
  "a random checkpoint holds what a model in memory is initialised to: %s",
  (_, changes) => {
    for (const dtype of ["float32", "bfloat16"] as const) {
      const config = smallConfig(changes);
      const written = writeRandomModel(folder, config, { dtype, seed: 11, maxShardBytes: 30_000 });
      const loaded = new DeepseekV3(readConfig(folder), dtype, singleCommunicator());
      expect(loadWeights(loaded, folder)).toEqual({ unexpected: [] });
      const model = new DeepseekV3(config, dtype, singleCommunicator());
      initialize(model, 11);
      model.parameters.forEach(({ name, data }, i) => {
        expect(Buffer.compare(data.bytes(), loaded.parameters[i]!.data.bytes()), name).toBe(0);
      });
      const index = JSON.parse(readFileSync(join(folder, "model.safetensors.index.json"), "utf8"));
      expect(index.metadata.total_size).toBe(written.bytes);
      expect(Object.keys(index.weight_map).length).toBe(written.tensors);
      rmSync(folder, { recursive: true });
    }
  },
);

test("a model larger than the disk is refused before anything is written", () => {
  const config = { ...loadPreset("deepseek-v3"), vocabSize: 2 ** 31 - 1 };
  const directory = join(folder, "new", "model");
  expect(() => writeRandomModel(directory, config, { dtype: "bfloat16", seed: 1, maxShardBytes: 5e9 })).toThrow(
    /model: the model takes \d{13,} bytes, the disk has \d+ left/,
  );
  expect(readdirSync(folder)).toEqual([]);
});
