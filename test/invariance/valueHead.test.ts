/** A value head on a model: its scores, and the gradient of a loss of them through head and model, by central differences. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadValueHead, saveValueHead, valueHeadOf } from "../../src/checkpoint/valueHeadFile.js";
import { inferenceBatch } from "../../src/model/batch.js";
import type { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { noBalanceLoss } from "../../src/model/router.js";
import { type Pooling, poolings, ValueHead } from "../../src/model/valueHead.js";
import { Tape } from "../../src/tensor/tape.js";
import { smallConfig, smallModel, zeroGradients } from "./models.js";

const sequences = [5, 9, 1, 7].map((length, r) => Int32Array.from({ length }, (_, i) => (7 * r + 5 * i * i + 3) % 61));

const promptLengths = [2, 3, 0, 7]; // Of the last nothing is left: its last token stands for the answer.

function headOn(model: DeepseekV3, pooling: Pooling = "last"): ValueHead {
  const head = new ValueHead(model, { hasBias: true, pooling });
  head.weight.data.floats().forEach((_, i, values) => {
    values[i] = Math.sin(2 * i + 1);
  });
  head.bias?.data.floats().fill(0.25);
  return head;
}

test.each([
  ["last", [[4], [13], [14], [21]]],
  ["sum", [[2, 3, 4], [8, 9, 10, 11, 12, 13], [14], [21]]],
] as const)(
  "a score is the product of the head with normed states (%s), to float32's rounding",
  async (pooling, rows) => {
    const model = smallModel(smallConfig());
    const head = headOn(model, pooling);
    using batch = inferenceBatch(model.arena, sequences);
    using tape = new Tape(model.arena, { hasGrad: false });
    const context = { kind: "prefill", batch, cache: null } as const;
    const { normed } = await model.hidden(tape, batch.ids, context, batch.maxSequenceLength);
    const states = normed.floats();
    const { hiddenSize } = model.config;
    const valueAt = (row: number): number =>
      Array.from({ length: hiddenSize }, (_, i) => (states[row * hiddenSize + i] ?? 0) * Math.sin(2 * i + 1)).reduce(
        (sum, each) => sum + each,
        0,
      );
    const expected = rows.map((own) => own.reduce((sum, row) => sum + valueAt(row), 0.25));
    const scores = await head.scores({ batch, promptLengths });
    expect(scores).toHaveLength(4);
    scores.forEach((score, i) => {
      expect(score).toBeCloseTo(expected[i] ?? Number.NaN, 5);
    });
    model.free();
  },
);

test.each(poolings)(
  "a score does not depend on what is beside it in the batch, to the bit, and a new head says 0 (%s)",
  async (pooling) => {
    const model = smallModel(smallConfig());
    const head = headOn(model, pooling);
    using batch = inferenceBatch(model.arena, sequences);
    const together = { batch, promptLengths };
    const alone: number[] = [];
    for (const [i, sequence] of sequences.entries()) {
      using own = inferenceBatch(model.arena, [sequence]);
      alone.push(...(await head.scores({ batch: own, promptLengths: promptLengths.slice(i, i + 1) })));
    }
    expect([...(await head.scores(together))]).toEqual(alone);
    expect([...(await new ValueHead(model, { hasBias: true, pooling }).scores(together))]).toEqual([0, 0, 0, 0]);
    model.free();
  },
);

test.each([
  ["last", false],
  ["last", true],
  ["sum", false],
  ["sum", true],
] as const)(
  "the gradient of a loss of the scores is its central difference, in head and model (%s, recompute %s)",
  async (pooling, recompute) => {
    const model = smallModel(smallConfig());
    const head = headOn(model, pooling);
    model.weights.createGrads();
    using batch = inferenceBatch(model.arena, sequences);
    // A loss that binds the scores together, as pairs do.
    const lossOf = (scores: ArrayLike<number>): number => {
      const [a = 0, b = 0, c = 0, d = 0] = Array.from(scores);
      return Math.log1p(Math.exp(b - a)) + c * c + 0.5 * c * d;
    };
    const total = async (): Promise<number> => lossOf(await head.scores({ batch, promptLengths })) / 3;
    zeroGradients(model);
    using tape = new Tape(model.arena, { hasGrad: true, recompute });
    const weights = { globalTargets: 3, globalSequences: 1, mtp: 0, balance: noBalanceLoss };
    const losses = await head.losses(tape, { batch, promptLengths }, weights, (scores) => {
      const [a = 0, b = 0, c = 0, d = 0] = scores;
      const slope = 1 / (1 + Math.exp(a - b));
      return { loss: lossOf(scores), gradients: [-slope, slope, 2 * c + 0.5 * d, 0.5 * c] };
    });
    await tape.backward();
    expect(losses.main / 3).toBeCloseTo(await total(), 6);
    expect(losses.routers.map(({ layer }) => layer)).toEqual([1, 2]);
    const names = ["model.norm.weight", "model.layers.2.mlp.gate.weight", "model.layers.0.self_attn.o_proj.weight"];
    const looked = [...head.parameters, ...model.parameters.filter(({ name }) => names.includes(name))];
    expect(looked).toHaveLength(5);
    for (const { name, data, grad } of looked) {
      const values = data.floats();
      const got = grad?.floats() ?? new Float32Array();
      // Where the gradient is largest, float32 leaves most digits of a difference.
      const at = got.reduce((best, value, i) => (Math.abs(value) > Math.abs(got[best] ?? 0) ? i : best), 0);
      const [value, step] = [values[at] ?? 0, 5e-3];
      values[at] = value + step;
      const above = await total();
      values[at] = value - step;
      const below = await total();
      values[at] = value;
      const difference = (above - below) / (2 * step);
      expect(Math.abs(difference)).toBeGreaterThan(1e-3);
      expect(Math.abs((got[at] ?? 0) - difference), `${name}[${at}]: ${got[at]} and ${difference}`).toBeLessThan(
        5e-3 * Math.abs(difference),
      );
    }
    model.free();
  },
);

test("the head trains and is freed with the model, and is none of its checkpoint's parameters", () => {
  const model = smallModel(smallConfig());
  const head = headOn(model);
  expect(model.parameters).not.toContain(head.weight);
  expect(model.weights.trained).toContain(head.weight);
  model.free();
  expect(head.weight.data.isFreed).toBe(true);
});

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-value-head-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a saved head is read back to the bit; another model's, and a file with another content, are refused", () => {
  const model = smallModel(smallConfig());
  const other = smallModel(smallConfig({ hidden_size: 30 }));
  expect(valueHeadOf(folder)).toBeNull();
  const head = headOn(model);
  saveValueHead(head, folder);
  expect(valueHeadOf(folder)).toEqual({ hasBias: true });
  const read = new ValueHead(model, { hasBias: true });
  loadValueHead(read, folder);
  expect([...read.weight.data.floats()]).toEqual([...head.weight.data.floats()]);
  expect(read.bias?.data.floats()[0]).toBe(0.25);
  expect(() => loadValueHead(new ValueHead(model, { hasBias: false }), folder)).toThrow(
    "holds value_head.weight, value_head.bias, expected value_head.weight",
  );
  expect(() => loadValueHead(new ValueHead(other, { hasBias: true }), folder)).toThrow(
    "value_head.weight is [1, 24], expected [1, 30]",
  );
  writeFileSync(join(folder, "value_head.safetensors"), "no");
  expect(() => valueHeadOf(folder)).toThrow("not a safetensors file");
  model.free();
  other.free();
});
