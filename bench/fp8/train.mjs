/**
 * One run of a precision pair (recipes/fp8.sh): trains a preset on prepared tokens and stores the loss of every step. Runs of one seed see the
 * same weights and the same rows in the same order.
 *
 *   node bench/fp8/train.mjs --out FILE --data DIR --precision bfloat16|fp8 --seed N --steps N
 *                            [--preset tiny] [--length 128] [--batch 16] [--learning-rate 5e-4] [--gradient-blocks] [--perturb SEED]
 *
 * --perturb adds normal noise of 1e-6 to every initial float32 weight: how far two runs of one precision drift apart by themselves.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { PreparedData } from "../../dist/data/preparedData.js";
import { PretrainLoader } from "../../dist/data/pretrainLoader.js";
import { singleCommunicator } from "../../dist/distributed/single.js";
import { defaultFp8 } from "../../dist/model/fp8.js";
import { initialize } from "../../dist/model/init.js";
import { loadPreset } from "../../dist/model/presets.js";
import { native } from "../../dist/tensor/native.js";
import { Tensor } from "../../dist/tensor/tensor.js";
import { median } from "../../dist/train/measure.js";
import { createTrainable } from "../../dist/train/pretrain.js";
import { learningRateAt, scaledSchedule, valueAt } from "../../dist/train/schedule.js";
import { defaultSettings } from "../../dist/train/settings.js";
import { Trainer } from "../../dist/train/trainer.js";

const text = (value) => ({ type: "string", default: value });
const { values: flags } = parseArgs({
  options: {
    out: text(),
    data: text(),
    precision: text("bfloat16"),
    seed: text("1"),
    steps: text("400"),
    preset: text("tiny"),
    length: text("128"),
    batch: text("16"),
    "learning-rate": text("5e-4"),
    threads: text(String(availableParallelism())),
    "gradient-blocks": { type: "boolean", default: false },
    perturb: text(),
  },
});
const [steps, length, batch, seed] = [flags.steps, flags.length, flags.batch, flags.seed].map(Number);
const learningRate = Number(flags["learning-rate"]);
const config = loadPreset(flags.preset);
const defaults = defaultSettings(config);
const fp8 = { ...defaultFp8, gradientBlocks: flags["gradient-blocks"] };
const settings = {
  ...defaults,
  dtype: flags.precision,
  fp8,
  // The report's recipe has bf16 moments; both precisions get them.
  adamw: { ...defaults.adamw, momentDtype: "bfloat16" },
  schedule: {
    ...defaults.schedule,
    learningRate,
    minLearningRate: learningRate / 10,
    batchSize: batch,
    initialBatchSize: batch,
    warmupSteps: Math.min(50, steps >> 2),
  },
};
native().setThreads(Number(flags.threads));
const single = singleCommunicator();
const model = createTrainable(config, settings, single);
initialize(model, seed);
const trainer = new Trainer(model, settings, { world: single, dense: single, experts: single });
trainer.optimizer.adoptWeights();
if (flags.perturb !== undefined) await perturb(Number(flags.perturb));

const schedule = scaledSchedule({ ...settings.schedule, totalTokens: steps * batch * length, multipleOf: 1 });
const loader = new PretrainLoader(new PreparedData(flags.data), { sequenceLength: length, seed });
const losses = [];
const seconds = [];
let activationBytes = 0;
for (let step = 0, tokens = 0; step < steps; step++, tokens += batch * length) {
  const begun = performance.now();
  const result = await trainer.step([{ tokens: loader.next(batch), length }], {
    learningRate: learningRateAt(schedule.learningRate, step + 1, tokens),
    gamma: valueAt(schedule.gamma, tokens),
    alpha: valueAt(schedule.alpha, tokens),
    lambda: valueAt(schedule.lambda, tokens),
  });
  seconds.push((performance.now() - begun) / 1000);
  losses.push(Number(result.loss.toPrecision(8)));
  activationBytes = Math.max(activationBytes, result.activationBytes);
  if ((step + 1) % 50 === 0) console.error(`${flags.out}: step ${step + 1} loss ${result.loss.toFixed(4)}`);
}
const record = {
  precision: flags.precision,
  fp8: flags.precision === "fp8" ? fp8 : null,
  preset: flags.preset,
  seed,
  perturbation: flags.perturb === undefined ? null : { seed: Number(flags.perturb), std: 1e-6 },
  steps,
  length,
  batch,
  learningRate,
  isa: native().isa(),
  threads: Number(flags.threads),
  tokensPerSecond: Math.round((batch * length) / median(seconds)),
  activationBytes,
  losses,
};
mkdirSync(dirname(flags.out), { recursive: true });
writeFileSync(flags.out, `${JSON.stringify(record)}\n`);

/** Moves the masters of all trained matrices and the weights that are computed with. */
async function perturb(noiseSeed) {
  for (const [i, { parameter, master, length: size }] of trainer.optimizer.shards.entries()) {
    if (parameter.shape.length < 2) continue;
    const noise = Tensor.empty(model.arena, [size], "float32");
    native().randomNormal(noise.address, size, noiseSeed, i, 0, 1e-6);
    native().addScaled(master.address, noise.address, 1, size, 0);
    noise.free();
    const { data } = parameter;
    if (!parameter.fp8 && master.address !== data.address)
      native().convert(data.address, master.address, size, data.code, 0);
  }
  await trainer.optimizer.publishMasters();
}
