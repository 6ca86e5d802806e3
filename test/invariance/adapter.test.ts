/** A model with an adapter against the model without one, against its merged self, and against itself by another way. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { attachAdapter } from "../../src/checkpoint/adapter.js";
import { saveModel } from "../../src/checkpoint/modelFiles.js";
import { openCheckpoint } from "../../src/checkpoint/openCheckpoint.js";
import { decode, prefill, SequenceCache } from "../../src/generate/forward.js";
import { mergeAdapter, unmergeAdapter, withoutAdapter } from "../../src/model/adapter.js";
import { type AdapterConfig, defaultAdapter } from "../../src/model/adapterConfig.js";
import { trainingBatch } from "../../src/model/batch.js";
import type { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { Tape } from "../../src/tensor/tape.js";
import { noise } from "../kernels/memory.js";
import { pass, smallConfig, smallModel, tokenRows, variants } from "./models.js";

const length = 17;
const tokens = tokenRows(2, length, 61);
const folder = mkdtempSync(join(tmpdir(), "fathom-adapter-"));
afterAll(() => rmSync(folder, { recursive: true }));

const all: AdapterConfig = { ...defaultAdapter, targetModules: "all", r: 3, loraAlpha: 6, rankPattern: { o_proj: 5 } };

/** Puts an adapter over the model whose B is not zero, as after some training. */
function adapt(model: DeepseekV3, changes: Partial<AdapterConfig> = {}): DeepseekV3 {
  attachAdapter(model, { ...all, ...changes }, 3);
  randomizeB(model);
  return model;
}

function randomizeB(model: DeepseekV3): void {
  model.adapter?.parts.forEach(({ adapter: { b } }, i) => {
    b.data.floats().set(noise(40 + i, b.data.size, 0.1));
  });
}

async function lossesOf(model: DeepseekV3): Promise<Float32Array[]> {
  using batch = trainingBatch(model.arena, tokens, length, model.mtp.length);
  return await model.tokenLosses(batch);
}

/** Gradients of the adapter, by name. */
async function gradientsOf(
  model: DeepseekV3,
  options: { recompute: boolean; dropoutSeed: number | null },
): Promise<Map<string, Float32Array>> {
  model.weights.createGrads();
  for (const { grad } of model.weights.trained) grad?.fill(0);
  using batch = trainingBatch(model.arena, tokens, length, model.mtp.length);
  using tape = new Tape(model.arena, { hasGrad: true, ...options });
  const balance = { sequence: 0.02, device: 0, communication: 0, counts: "routed" } as const;
  await model.losses(tape, batch, { globalTargets: 2 * length, globalSequences: 2, mtp: 0.3, balance });
  await tape.backward();
  return new Map(model.weights.trained.map(({ name, grad }) => [name, grad?.toFloats() ?? new Float32Array()]));
}

function furthest(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return Math.max(
    ...a.flatMap((values, head) => Array.from(values, (value, i) => Math.abs(value - (b[head]?.[i] ?? 0)))),
  );
}

describe.each(Object.entries(variants))("%s", (_, changes) => {
  test("a fresh adapter changes no bit, and a trained one can be switched off", async () => {
    const model = smallModel(smallConfig(changes));
    const plain = await lossesOf(model);
    attachAdapter(model, all, 3);
    expect(await lossesOf(model)).toEqual(plain);
    randomizeB(model);
    expect(furthest(await lossesOf(model), plain)).toBeGreaterThan(0.01);
    expect(await withoutAdapter(model, () => lossesOf(model))).toEqual(plain);
    expect(furthest(await lossesOf(model), plain)).toBeGreaterThan(0.01);
    model.free();
  });

  test("the gradient of A and B is the slope of the loss along them, and nothing else has one", async () => {
    const model = adapt(smallModel(smallConfig(changes)));
    model.weights.createGrads();
    const { losses } = await pass(model, tokens, length, { hasGrad: true });
    const choices = JSON.stringify(losses.routers);
    expect(model.parameters.filter(({ grad, isTrained }) => grad !== null || isTrained)).toEqual([]);
    for (const { name, data, grad } of model.weights.trained) {
      const slope = grad?.floats() ?? new Float32Array();
      const squares = slope.reduce((sum, value) => sum + value * value, 0);
      expect(squares, `${name} has no gradient`).toBeGreaterThan(0);
      const before = data.floats().slice();
      // Far enough that the loss moves above float32 rounding, but no further than all tokens keep their experts.
      for (let reach = Math.min(1e-4 / squares, 0.005 / Math.sqrt(squares)); ; reach /= 4) {
        const ends: number[] = [];
        let isSmooth = true;
        for (const direction of [1, -1]) {
          data.floats().set(before.map((value, i) => value + direction * reach * (slope[i] ?? 0)));
          const moved = await pass(model, tokens, length);
          ends.push(moved.total);
          isSmooth &&= JSON.stringify(moved.losses.routers) === choices;
        }
        data.floats().set(before);
        if (!isSmooth) continue;
        const [up = 0, down = 0] = ends;
        const predicted = 2 * reach * squares;
        // 2e-6: the rounding of two losses of about 5 in float32.
        expect(Math.abs(up - down - predicted), name).toBeLessThan(0.02 * predicted + 2e-6);
        break;
      }
    }
    model.free();
  });

  test.each(["attention", "attention+shared", "all"] as const)(
    "over %s, recomputing in the backward changes no bit of a gradient, dropout included",
    async (targetModules) => {
      const model = adapt(smallModel(smallConfig(changes)), { targetModules, rankPattern: {}, loraDropout: 0.2 });
      const plain = await gradientsOf(model, { recompute: false, dropoutSeed: 9 });
      expect(await gradientsOf(model, { recompute: true, dropoutSeed: 9 })).toEqual(plain);
      expect(await gradientsOf(model, { recompute: true, dropoutSeed: 10 })).not.toEqual(plain);
      model.free();
    },
  );

  test("merged it gives the losses of the unmerged adapter, and unmerged again the base's", async () => {
    const model = smallModel(smallConfig(changes));
    const base = await lossesOf(model);
    const weights = model.parameters.map(({ data }) => data.toFloats());
    adapt(model);
    const unmerged = await lossesOf(model);
    mergeAdapter(model);
    // Sums in another order, in float32; losses are about 5.
    expect(furthest(await lossesOf(model), unmerged)).toBeLessThan(2e-5);
    unmergeAdapter(model);
    for (const [i, { name, data }] of model.parameters.entries()) {
      const [was = new Float32Array(), is] = [weights[i], data.toFloats()];
      expect(furthest([is], [was]), name).toBeLessThan(2e-7);
    }
    expect(furthest(await lossesOf(model), unmerged)).toBeLessThan(2e-5);
    expect(furthest(await withoutAdapter(model, () => lossesOf(model)), base)).toBeLessThan(2e-5);
    model.free();
  });
});

test.each(["float32", "bfloat16", "fp8", "int8"] as const)(
  "over weights in %s, decoding through the absorbed form gives the logits of a prefill, and so does a merged copy",
  async (weights) => {
    const config = smallConfig({ kv_lora_rank: 32, hidden_size: 32 });
    const directory = join(folder, weights);
    const saved = smallModel(config);
    saveModel(directory, saved, { dtype: weights === "bfloat16" ? "bfloat16" : "float32" });
    saved.free();
    const quantized = ({ float32: undefined, bfloat16: undefined, fp8: "float8_e4m3fn", int8: "int8" } as const)[
      weights
    ];
    const { model } = openCheckpoint(directory, { dtype: "float32", weights: quantized });
    adapt(model);
    const ids = tokenRows(1, 24, 61);
    using cache = new SequenceCache(model, 25);
    let absorbed = await prefill(model, cache, ids.slice(0, 3));
    for (let at = 3; at <= 24; at++) {
      using fresh = new SequenceCache(model, at);
      const naive = await prefill(model, fresh, ids.slice(0, at));
      const size = naive.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(furthest([absorbed], [naive]) / size, `token ${at}`).toBeLessThan(1e-5);
      absorbed = await decode(model, cache, ids[at] ?? 0);
    }
    if (quantized) expect(() => mergeAdapter(model)).toThrow("is quantised");
    model.free();
  },
);

test("frozen experts keep nothing for gradients that nobody takes", async () => {
  const bytes: number[] = [];
  for (const targetModules of ["attention", "all"]) {
    const model = adapt(smallModel(smallConfig()), { targetModules, rankPattern: {} });
    using batch = trainingBatch(model.arena, tokens, length, 1);
    const before = model.arena.usedBytes;
    using tape = new Tape(model.arena, { hasGrad: true, recompute: true });
    const balance = { sequence: 0, device: 0, communication: 0, counts: "top" } as const;
    await model.losses(tape, batch, { globalTargets: 2 * length, globalSequences: 2, mtp: 0.3, balance });
    bytes.push(model.arena.usedBytes - before);
  }
  const [attention = 0, everything = 0] = bytes;
  // What the experts of two MoE layers read: 34 tokens of 24 values to 3 experts each.
  expect(everything - attention).toBeGreaterThanOrEqual(2 * 34 * 3 * 24 * 4);
});
