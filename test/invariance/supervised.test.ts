/** Batches of post-training: records packed beside each other equal records alone, and scales and temperature do what they say. */
import { expect, test } from "vitest";
import { type SupervisedSequence, supervisedBatch } from "../../src/model/batch.js";
import type { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { noBalanceLoss } from "../../src/model/router.js";
import { Tape } from "../../src/tensor/tape.js";
import { gradients, smallConfig, smallModel, zeroGradients } from "./models.js";

const lengths = [5, 9, 1, 2, 7];
const vocab = smallConfig({}).vocabSize;
/** The first third of each is a prompt. */
const records: readonly SupervisedSequence[] = lengths.map((length, r) => ({
  ids: Int32Array.from({ length }, (_, i) => (7 * r + 5 * i * i + 3) % vocab),
  isTarget: Uint8Array.from({ length }, (_, i) => (3 * i >= length ? 1 : 0)),
}));
const supervised = records
  .map(({ isTarget }) => isTarget as Uint8Array)
  .map((mask) => mask.slice(1).filter(Boolean).length);

/** Losses of every head, row by row. */
async function lossesOf(model: DeepseekV3, sequences: readonly SupervisedSequence[]): Promise<number[][]> {
  using batch = supervisedBatch(model.arena, sequences, model.mtp.length);
  return (await model.tokenLosses(batch)).map((values) => Array.from(values));
}

test("losses of records packed into one row equal those of the records alone to the bit, in every head", async () => {
  const model = smallModel(smallConfig({ num_nextn_predict_layers: 2 }));
  const together = await lossesOf(model, records);
  const alone = await Promise.all(records.map((record) => lossesOf(model, [record])));
  expect(together).toHaveLength(3);
  for (const [head, losses] of together.entries()) expect(losses).toEqual(alone.flatMap((each) => each[head] ?? []));
  model.free();
});

test("targets are the supervised tokens of the same record, one place on for the main head and further for MTP", () => {
  const model = smallModel(smallConfig({ num_nextn_predict_layers: 2 }));
  using batch = supervisedBatch(
    model.arena,
    [
      { ids: [10, 11, 12, 13], isTarget: [0, 0, 1, 1] },
      { ids: [20, 21], isTarget: [1, 1] },
    ],
    2,
  );
  expect([...(batch.targets?.ints() ?? [])]).toEqual([-1, 12, 13, -1, 21, -1]);
  expect(batch.mtp.map(({ ids }) => [...ids.ints()])).toEqual([
    [11, 12, 13, -1, 21, -1],
    [12, 13, -1, -1, -1, -1],
  ]);
  expect(batch.mtp.map(({ targets }) => [...targets.ints()])).toEqual([
    [12, 13, -1, -1, -1, -1],
    [13, -1, -1, -1, -1, -1],
  ]);
  expect([...batch.positions.ints()]).toEqual([0, 1, 2, 3, 0, 1]);
  expect(batch.numTargets).toEqual([3, 2, 1]);
  model.free();
});

test("numTargets counts what is supervised and predicted", () => {
  const model = smallModel(smallConfig({}));
  using batch = supervisedBatch(model.arena, records, 0);
  expect(batch.numTargets).toEqual([supervised.reduce((sum, count) => sum + count, 0)]);
  model.free();
});

test("the gradient with scales and a temperature is that of the scaled sum of the losses, by central differences", async () => {
  const model = smallModel(smallConfig({}));
  model.weights.createGrads();
  const temperature = 0.7;
  const scaled = records.map((record, r) => ({
    ...record,
    scales: Array.from(record.ids, (_, i) => Math.sin(3 * r + i)),
  }));
  const total = async (): Promise<number> => {
    using batch = supervisedBatch(model.arena, scaled, 0);
    const { logprobs } = await model.tokenLogprobs(batch, temperature);
    const scales = batch.scales?.floats() ?? [];
    return -logprobs.reduce((sum, logprob, row) => sum + logprob * (scales[row] ?? Number.NaN), 0) / 5;
  };
  zeroGradients(model);
  using batch = supervisedBatch(model.arena, scaled, 0);
  using tape = new Tape(model.arena, { hasGrad: true });
  const weights = { globalTargets: 5, globalSequences: 1, mtp: 0, balance: noBalanceLoss, temperature };
  const losses = await model.losses(tape, batch, weights);
  await tape.backward();
  expect(losses.main / 5).toBeCloseTo(await total(), 5);
  const gradient = gradients(model);
  for (const name of ["lm_head.weight", "model.norm.weight", "model.layers.0.self_attn.o_proj.weight"]) {
    const parameter = model.parameters.find((each) => each.name === name);
    const values = parameter?.data.floats() ?? new Float32Array();
    const got = gradient.get(name) ?? new Float32Array();
    // Where the gradient is largest, float32 leaves most digits of a difference.
    const at = got.reduce((best, value, i) => (Math.abs(value) > Math.abs(got[best] ?? 0) ? i : best), 0);
    const [value, step] = [values[at] ?? 0, 5e-3];
    values[at] = value + step;
    const above = await total();
    values[at] = value - step;
    const below = await total();
    values[at] = value;
    const difference = (above - below) / (2 * step);
    expect(Math.abs((got[at] ?? 0) - difference), `${name}[${at}]: ${got[at]} and ${difference}`).toBeLessThan(
      5e-3 * Math.abs(difference),
    );
  }
  model.free();
});

test("log-probabilities are the losses with their sign turned, and entropies lie between 0 and that of equal chances", async () => {
  const model = smallModel(smallConfig({}));
  using batch = supervisedBatch(model.arena, records, 0);
  const [losses = new Float32Array()] = await model.tokenLosses(batch);
  const { logprobs, entropies } = await model.tokenLogprobs(batch, 1);
  expect([...logprobs].map((value) => value + 0)).toEqual([...losses].map((value) => -value + 0));
  for (const [row, target] of (batch.targets?.ints() ?? []).entries()) {
    const entropy = entropies[row] ?? Number.NaN;
    expect(entropy).toBeGreaterThanOrEqual(0);
    expect(entropy).toBeLessThanOrEqual(target < 0 ? 0 : Math.log(vocab) + 1e-5);
  }
  model.free();
});
