import { expect, test } from "vitest";
import { decode, prefill, SequenceCache } from "../generate/forward.js";
import { loadPreset } from "../model/presets.js";
import { BatchedCache, decodeTogether, expertsMet } from "./batchedDecode.js";
import { randomModel } from "./weights.js";

const config = loadPreset("tiny");
const sequences = [
  [5, 17, 300],
  [4000, 9, 2],
  [77, 78, 79],
];

/** Logits [rows][vocab] after the last token, all sequences together. */
async function together(
  model: ReturnType<typeof randomModel>,
  rows: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  using cache = new BatchedCache(model, rows.length, 0, 3);
  let logits = new Float32Array();
  for (let step = 0; step < 3; step++) {
    logits = (await decodeTogether(
      model,
      cache,
      Int32Array.from(rows, (ids) => ids[step] ?? 0),
    )) as typeof logits;
  }
  return rows.map((_, row) => logits.slice(row * config.vocabSize, (row + 1) * config.vocabSize));
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? Number.NaN))), 0);
}

test("rows that decode together give what each gives alone, to the bit, and what generation gives", async () => {
  const model = randomModel(config, { dtype: "float32", weights: null });
  const all = await together(model, sequences);
  for (const [row, ids] of sequences.entries()) {
    const [alone] = await together(model, [ids]);
    expect(alone).toEqual(all[row]);
    using cache = new SequenceCache(model, 3);
    await prefill(model, cache, ids.slice(0, 1));
    await decode(model, cache, ids[1] ?? 0);
    const usual = await decode(model, cache, ids[2] ?? 0);
    const scale = usual.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    // The first token passes the naive form of attention there and the absorbed one here: rounding alone.
    expect(largestDifference(usual, all[row] ?? usual) / scale).toBeLessThan(1e-5);
  }
  model.free();
});

test.each(["float8_e4m3fn", "int8", "int4"] as const)(
  "%s weights are close to those they are made of",
  async (weights) => {
    const [plain, narrow] = [
      randomModel(config, { dtype: "float32", weights: null }),
      randomModel(config, { dtype: "float32", weights }),
    ];
    const [a] = await together(plain, sequences);
    const [b] = await together(narrow, sequences);
    const norm = (values: Float32Array): number => Math.hypot(...values);
    const difference = (a ?? []).map((value, i) => value - (b?.[i] ?? Number.NaN)) as Float32Array;
    // Steps of int8 are a few thousandths of a weight, of E4M3 a thirtieth, of int4 an eighth; experts that tip over add to that.
    const most = { int8: 0.1, float8_e4m3fn: 0.3, int4: 0.8 }[weights];
    expect(norm(difference) / norm(a ?? new Float32Array([1]))).toBeLessThan(most);
    plain.free();
    narrow.free();
  },
);

test("expertsMet counts experts once", async () => {
  const model = randomModel(config, { dtype: "float32", weights: null });
  using cache = new BatchedCache(model, 3, 0, 1);
  const met: number[] = [];
  const same = Int32Array.from([7, 7, 7]);
  await decodeTogether(model, cache, same, (_, dispatched) => met.push(expertsMet(dispatched)));
  // Equal rows go to the same experts, in each of the MoE layers.
  expect(met).toEqual(Array(config.numHiddenLayers - config.firstKDenseReplace).fill(config.numExpertsPerTok));
  model.free();
});
