/**
 * What one training step of an adapter takes, as a row of docs/lora.md: bytes of the frozen weights, of the adapter with its gradient and
 * moments, and of what the forward leaves for the backward. The weights are zeros that are never touched, so that a machine needs little
 * memory for a row; sizes, types and arithmetic are those of the real model, whose weights are mapped from its files.
 *
 *   node bench/lora/memory.mjs [--preset moonlight-16b-a3b] [--weights fp8|int8|int4] [--targets attention] [--rank 16] [--length 256]
 */
import { parseArgs } from "node:util";
import { attachAdapter } from "../../dist/checkpoint/adapter.js";
import { parseTargets } from "../../dist/checkpoint/adapterModules.js";
import { quantizedTo } from "../../dist/checkpoint/modelFiles.js";
import { singleCommunicator } from "../../dist/distributed/single.js";
import { quantDtypes } from "../../dist/generate/precision.js";
import { defaultAdapter } from "../../dist/model/adapterConfig.js";
import { DeepseekV3 } from "../../dist/model/deepseekV3.js";
import { loadPreset } from "../../dist/model/presets.js";
import { bytesPerElement } from "../../dist/tensor/dtype.js";
import { randomTokens } from "../../dist/train/measure.js";
import { defaultSettings } from "../../dist/train/settings.js";
import { rowsMicroBatch, Trainer } from "../../dist/train/trainer.js";

const text = (value) => ({ type: "string", default: value });
const { values: flags } = parseArgs({
  options: {
    preset: text("moonlight-16b-a3b"),
    weights: text("fp8"),
    targets: text("attention"),
    rank: text("16"),
    length: text("256"),
  },
});
const [length, rank] = [Number(flags.length), Number(flags.rank)];
const config = loadPreset(flags.preset);
const single = singleCommunicator();
const quantized = quantizedTo(quantDtypes[flags.weights]);
// FP8 files keep the head in bfloat16.
const storage = (name, shape) => (flags.weights === "fp8" && name === "lm_head.weight" ? null : quantized(name, shape));
const model = new DeepseekV3(config, "bfloat16", single, storage);
const weightBytes = model.parameters.reduce(
  (sum, { data, scales }) => sum + data.size * bytesPerElement[data.dtype] + 4 * (scales?.values.size ?? 0),
  0,
);
const before = model.arena.usedBytes;
attachAdapter(model, { ...defaultAdapter, targetModules: parseTargets(flags.targets), r: rank }, 1);
const defaults = defaultSettings(config);
const settings = { ...defaults, recompute: true, adamw: { ...defaults.adamw, momentDtype: "bfloat16" } };
const trainer = new Trainer(model, settings, { world: single, dense: single, experts: single });
const adapterBytes = model.arena.usedBytes - before;
const parameters = model.weights.trained.reduce((sum, { data }) => sum + data.size, 0);
const tokens = randomTokens(length + 1, config.vocabSize, 1);
const step = await trainer.step([rowsMicroBatch(tokens, length)], {
  learningRate: 1e-4,
  gamma: 0,
  alpha: 0,
  lambda: 0,
});
const peakBytes = weightBytes + model.arena.peakBytes - before;
const gib = (bytes) => (bytes / 2 ** 30).toFixed(2);
console.log(
  `| ${flags.weights} | ${flags.targets} | ${rank} | ${(parameters / 1e6).toFixed(1)}M | ${gib(weightBytes)} | ${gib(adapterBytes)} | ` +
    `${(step.activationBytes / length / 2 ** 20).toFixed(2)} | ${gib(peakBytes)} |`,
);
