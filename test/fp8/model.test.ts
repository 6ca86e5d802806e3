/** Training in FP8: what lies in memory, and the gradients, against a naive twin of a whole linear. */
import { describe, expect, test } from "vitest";
import { singleCommunicator } from "../../src/distributed/single.js";
import { trainingBatch } from "../../src/model/batch.js";
import { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { defaultFp8, type Fp8Options, fp8Recipe } from "../../src/model/fp8.js";
import { initialize } from "../../src/model/init.js";
import { noBalanceLoss } from "../../src/model/router.js";
import { Arena } from "../../src/tensor/arena.js";
import { native } from "../../src/tensor/native.js";
import { groupedLinear, linear } from "../../src/tensor/ops/linear.js";
import { createFp8, type Fp8Recipe, setExact } from "../../src/tensor/parameter.js";
import { Tape } from "../../src/tensor/tape.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { gradients, pass, smallConfig, smallModel, tokenRows, variants } from "../invariance/models.js";
import { decode, quantize, scaleOf } from "../kernels/fp8.js";
import { bf16Bits, bf16Value, expectClose, noise } from "../kernels/memory.js";

const plainRecipe: Fp8Recipe = {
  inputFormat: "float8_e4m3fn",
  powerOfTwoInput: false,
  powerOfTwoGradient: false,
  gradientBlocks: false,
  accumulationBits: 0,
};

/** Values of a [rows, k] matrix quantised tile by tile; `tileOf` names the tile of a cell. */
function quantized(
  x: ArrayLike<number>,
  k: number,
  tileOf: (row: number, column: number) => string,
  isPowerOfTwo = false,
  format: "e4m3" | "e5m6" = "e4m3",
  floor = 1e-4,
): Float64Array {
  const tiles = new Map<string, number[]>();
  for (let i = 0; i < x.length; i++) {
    const tile = tileOf(Math.floor(i / k), i % k);
    const cells = tiles.get(tile) ?? [];
    cells.push(i);
    tiles.set(tile, cells);
  }
  const result = new Float64Array(x.length);
  for (const cells of tiles.values()) {
    const scale = scaleOf(
      cells.map((cell) => x[cell]!),
      isPowerOfTwo,
      floor,
    );
    for (const cell of cells) result[cell] = decode(quantize(x[cell]!, scale, format), format) * scale;
  }
  return result;
}

const rounded = (values: ArrayLike<number>): Float64Array => Float64Array.from(values, (v) => bf16Value(bf16Bits(v)));
const byRow = (row: number, column: number): string => `${row} ${column >> 7}`;

describe.each([
  ["the report's", plainRecipe],
  ["E5M6 input, powers of two", { ...plainRecipe, inputFormat: "float12_e5m6", powerOfTwoInput: true } as const],
  ["gradients in blocks, powers of two", { ...plainRecipe, gradientBlocks: true, powerOfTwoGradient: true }],
])("a linear with %s quantisation", (_, recipe) => {
  test.each([
    [[0, 150], 70, 129],
    [[0, 3, 3, 140], 33, 200],
  ])("has the straight-through gradients of the naive twin, rows of experts at %j", async (offsets, n, k) => {
    const arena = new Arena();
    const rows = offsets.at(-1)!;
    const experts = offsets.length - 1;
    const expertOf = (r: number): number => offsets.findIndex((begin, e) => begin <= r && r < (offsets[e + 1] ?? 0));
    const tileOf = (r: number): string => `${expertOf(r)} ${(r - offsets[expertOf(r)]!) >> 7}`;
    const shape = experts === 1 ? [n, k] : [experts, n, k];
    const weight = createFp8(arena, "w", shape, recipe);
    const w = noise(1, experts * n * k, 0.2);
    setExact(weight, Tensor.fromFloats(arena, shape, w));
    weight.grad = Tensor.zeros(arena, shape, "float32");
    const [x, dy] = [rounded(noise(2, rows * k, 2)), rounded(noise(3, rows * n, 1e-7))];
    using tape = new Tape(arena, { hasGrad: true });
    const input = Tensor.fromFloats(arena, [rows, k], x, "bfloat16");
    const y =
      experts === 1 ? linear(tape, input, weight) : groupedLinear(tape, input, weight, Tensor.fromInts(arena, offsets));
    input.free(); // the quantised rows are enough
    y.grad = Tensor.fromFloats(arena, [rows, n], dy, "bfloat16");
    const result = y.toFloats();
    await tape.backward();

    const format = recipe.inputFormat === "float12_e5m6" ? "e5m6" : "e4m3";
    const xHat = quantized(x, k, byRow, recipe.powerOfTwoInput, format);
    const wHat = quantized(w, k, (r, c) => `${Math.floor(r / n)} ${(r % n) >> 7} ${c >> 7}`);
    const blocks = (r: number, c: number): string => `${tileOf(r)} ${c >> 7}`;
    const dyRows = quantized(dy, n, recipe.gradientBlocks ? blocks : byRow, recipe.powerOfTwoGradient, "e4m3", 0);
    const columns = (r: number, c: number): string => `${tileOf(r)} ${c}`;
    const dyColumns = quantized(dy, n, columns, recipe.powerOfTwoGradient, "e4m3", 0);
    const xColumns = quantized(Float32Array.from(xHat), k, columns, recipe.powerOfTwoInput);
    const [yTwin, dx, dw] = [rows * n, rows * k, experts * n * k].map((size) => new Float64Array(size)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    for (let r = 0; r < rows; r++)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < k; j++) {
          const at = (expertOf(r) * n + i) * k + j;
          yTwin[r * n + i]! += xHat[r * k + j]! * wHat[at]!;
          dx[r * k + j]! += dyRows[r * n + i]! * wHat[at]!;
          dw[at]! += dyColumns[r * n + i]! * xColumns[r * k + j]!;
        }
    const largest = (values: Float64Array): number => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    expectClose(result, yTwin, 1e-5 * largest(yTwin), 2 ** -8, "y");
    expectClose(input.grad!.toFloats(), dx, 1e-5 * largest(dx), 2 ** -8, "dx");
    expectClose(weight.grad.floats(), dw, 1e-5 * largest(dw), 0, "dw");
  });
});

test("the linears that the report lists are FP8, and nothing else", () => {
  const model = smallModel(smallConfig(), 1, "bfloat16", defaultFp8);
  const fp8 = model.parameters.filter((parameter) => parameter.fp8).map(({ name }) => name);
  const matrices = model.parameters.filter(({ shape }) => shape.length > 1).map(({ name }) => name);
  expect(fp8).toContain("model.layers.3.mlp.experts.down_proj"); // the MTP module's
  expect(matrices.filter((name) => !fp8.includes(name)).sort()).toEqual(
    [
      "lm_head.weight",
      "model.embed_tokens.weight",
      "model.layers.1.mlp.gate.weight",
      "model.layers.2.mlp.gate.weight",
      "model.layers.3.eh_proj.weight",
      "model.layers.3.mlp.gate.weight",
    ].sort(),
  );
  const recipe = (name: string, options: Partial<Fp8Options> = {}) => fp8Recipe(name, { ...defaultFp8, ...options });
  expect(recipe("model.layers.0.self_attn.o_proj.weight")).toMatchObject({
    inputFormat: "float12_e5m6",
    powerOfTwoInput: true,
    powerOfTwoGradient: false,
  });
  expect(recipe("model.layers.1.mlp.experts.gate_up_proj")?.powerOfTwoInput).toBe(true);
  expect(recipe("model.layers.1.mlp.experts.down_proj")?.powerOfTwoGradient).toBe(true);
  expect(recipe("model.layers.0.mlp.gate_up_proj.weight")?.powerOfTwoInput).toBe(false);
  expect(recipe("model.layers.3.eh_proj.weight", { ehProj: true })).not.toBeNull();
  model.free();
});

test("weights are E4M3 of the masters, block by block, after every step", async () => {
  const { rowsMicroBatch, Trainer } = await import("../../src/train/trainer.js");
  const { defaultSettings } = await import("../../src/train/settings.js");
  const config = smallConfig({ hidden_size: 150, moe_intermediate_size: 70 });
  const model = smallModel(config, 3, "bfloat16", defaultFp8);
  const single = singleCommunicator();
  const trainer = new Trainer(model, defaultSettings(config), { world: single, dense: single, experts: single });
  trainer.optimizer.adoptWeights();
  for (const step of [0, 1]) {
    const tokens = tokenRows(2, 12, config.vocabSize, step);
    await trainer.step([rowsMicroBatch(tokens, 12)], { learningRate: 0.01, gamma: 0.001, alpha: 1e-4, lambda: 0.3 });
    for (const { parameter, master } of trainer.optimizer.shards) {
      if (!parameter.fp8) continue;
      const { name, data, shape } = parameter;
      expect(data.dtype).toBe("float8_e4m3fn");
      expect(data.bytes().length).toBe(master.size); // one byte a weight, and no other copy
      const [n = 0, k = 0] = shape.slice(-2);
      const values = master.floats();
      const scales = parameter.fp8.scales.floats();
      const [down, across] = [Math.ceil(n / 128), Math.ceil(k / 128)];
      const most = new Float32Array(scales.length);
      const blockOf = (i: number): number =>
        (Math.floor(i / (n * k)) * down + ((Math.floor(i / k) % n) >> 7)) * across + ((i % k) >> 7);
      values.forEach((value, i) => {
        most[blockOf(i)] = Math.max(most[blockOf(i)]!, Math.abs(value));
      });
      expect([...scales], name).toEqual([...most].map((amax) => Math.fround(amax / 448)));
      const bytes = data.bytes();
      expect(
        values.every((value, i) => bytes[i] === quantize(value, scales[blockOf(i)]!, "e4m3")),
        name,
      ).toBe(true);
    }
  }
  model.free();
});

/** A forward with a tape; what it keeps, and a look at it before it is given back. */
async function kept(model: DeepseekV3, length: number, look: (before: number) => void): Promise<number> {
  const tokens = tokenRows(4, length, model.config.vocabSize);
  using batch = trainingBatch(model.arena, tokens, length, model.mtp.length);
  model.tables(length);
  const before = model.arena.usedBytes;
  using tape = new Tape(model.arena, { hasGrad: true, recompute: model.fp8 !== null });
  const weights = { globalTargets: 4 * length, globalSequences: 4, mtp: 0.3, balance: noBalanceLoss };
  await model.losses(tape, batch, weights);
  look(before);
  return model.arena.usedBytes - before;
}

test("what a forward keeps for the backward is at most 0.6 of bfloat16's", async () => {
  const { loadPreset } = await import("../../src/model/presets.js");
  const config = loadPreset("tiny");
  const sizes: number[] = [];
  for (const fp8 of [null, defaultFp8]) {
    const model = new DeepseekV3(config, "bfloat16", singleCommunicator(), undefined, fp8);
    initialize(model, 1);
    sizes.push(await kept(model, 128, () => {}));
    model.free();
  }
  const [plain = 0, small = 0] = sizes;
  expect(small / plain).toBeLessThanOrEqual(0.6);
});

test("inputs of linears are kept as E4M3 bytes, the attention's output as E5M6, and their values are gone", async () => {
  const arena = new Arena();
  const recipe = fp8Recipe("model.layers.0.self_attn.q_a_proj.weight", defaultFp8)!;
  const [rows, k, n] = [5, 200, 9];
  const values = rounded(noise(4, rows * k));
  const x = Tensor.fromFloats(arena, [rows, k], values, "bfloat16");
  using tape = new Tape(arena, { hasGrad: true, recompute: true });
  const weights = ["q", "kv"].map((name) => createFp8(arena, name, [n, k], recipe));
  for (const weight of weights) linear(tape, x, weight);
  const first = x.quantized;
  expect(first?.data.dtype).toBe("float8_e4m3fn");
  tape.dropUntilBackward([x], () => {
    throw new Error("nobody reads the values again");
  });
  expect(x.isFreed).toBe(true);
  const bytes = first!.data.bytes();
  const scales = first!.scales.floats();
  expect(bytes.length).toBe(rows * k);
  values.forEach((value, i) => {
    expect(bytes[i]).toBe(quantize(value, scales[Math.floor(i / k) * 2 + ((i % k) >> 7)]!, "e4m3"));
  });
  await tape.backward();
  const o = Tensor.fromFloats(arena, [rows, k], values, "bfloat16");
  linear(tape, o, createFp8(arena, "o", [n, k], fp8Recipe("model.layers.0.self_attn.o_proj.weight", defaultFp8)!));
  expect(o.quantized?.data.dtype).toBe("float12_e5m6");
  expect(o.quantized?.data.bytes().length).toBe((rows * k * 3) / 2);
  expect(o.quantized?.isPowerOfTwo).toBe(true);
});

test.each(Object.entries(variants))("%s: losses and gradients are near those of bfloat16", async (_, changes) => {
  // All experts are chosen, so that no choice flips, and std 0.05 keeps attention smooth: what is left is the rounding of FP8.
  const everyExpert = changes.n_routed_experts === 0 ? {} : { num_experts_per_tok: 8, n_group: 1, topk_group: 1 };
  const config = smallConfig({ ...changes, ...everyExpert, hidden_size: 136, initializer_range: 0.05 });
  const [plain, small] = [smallModel(config, 2, "bfloat16"), smallModel(config, 2, "bfloat16", defaultFp8)];
  const tokens = tokenRows(3, 17, config.vocabSize);
  const a = await pass(plain, tokens, 17, { hasGrad: true });
  const b = await pass(small, tokens, 17, { hasGrad: true, recompute: true });
  expect(Math.abs(b.total - a.total) / a.total).toBeLessThan(0.03);
  const [mine, theirs] = [gradients(small), gradients(plain)];
  expect([...mine.keys()]).toEqual([...theirs.keys()]);
  for (const [name, x] of mine) {
    const y = theirs.get(name)!;
    const product = (p: Float32Array, q: Float32Array): number => p.reduce((sum, v, i) => sum + v * (q[i] ?? 0), 0);
    // A gradient without one of its terms, or with one of another row or scale, points elsewhere.
    expect(product(x, y) / Math.sqrt(product(x, x) * product(y, y)), name).toBeGreaterThan(0.95);
  }
  plain.free();
  small.free();
});

test("gradients are as good however many tokens a step divides them by", async () => {
  const config = smallConfig({ hidden_size: 136 });
  const tokens = tokenRows(3, 17, config.vocabSize);
  const of = async (globalTargets: number): Promise<Map<string, Float32Array>> => {
    const model = smallModel(config, 2, "bfloat16", defaultFp8);
    await pass(model, tokens, 17, { hasGrad: true, recompute: true, globalTargets });
    const result = gradients(model);
    model.free();
    return result;
  };
  // A power of two more tokens only moves exponents; with a floor under the tiles' largest values small gradients would be zero.
  const [few, many] = [await of(64), await of(64 * 2 ** 20)];
  for (const [name, gradient] of many) {
    const expected = few.get(name)!.map((value) => value / 2 ** 20);
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expectClose(gradient, expected, 1e-5 * largest, 1e-5, name);
  }
});

test("a step in FP8 makes the same bits on 1, 2 and 3 threads", async () => {
  const config = smallConfig({ hidden_size: 136 });
  const tokens = tokenRows(3, 17, config.vocabSize);
  const results: Map<string, Float32Array>[] = [];
  try {
    for (const threads of [1, 2, 3]) {
      native().setThreads(threads);
      const model = smallModel(config, 2, "bfloat16", defaultFp8);
      await pass(model, tokens, 17, { hasGrad: true, recompute: true });
      results.push(gradients(model));
      model.free();
    }
  } finally {
    native().setThreads(2);
  }
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
});

test("a weight that is not finite stops the step by name", async () => {
  const { rowsMicroBatch, Trainer } = await import("../../src/train/trainer.js");
  const { defaultSettings } = await import("../../src/train/settings.js");
  const config = smallConfig();
  const model = smallModel(config, 3, "bfloat16", defaultFp8);
  const single = singleCommunicator();
  const trainer = new Trainer(model, defaultSettings(config), { world: single, dense: single, experts: single });
  trainer.optimizer.adoptWeights();
  const shard = trainer.optimizer.shards.find(({ parameter }) => parameter.name.endsWith("0.self_attn.o_proj.weight"))!;
  shard.master.floats()[3] = Number.POSITIVE_INFINITY;
  await trainer.optimizer.publishMasters();
  const tokens = tokenRows(2, 12, config.vocabSize);
  const settings = { learningRate: 0.01, gamma: 0, alpha: 0, lambda: 0.3 };
  await expect(trainer.step([rowsMicroBatch(tokens, 12)], settings)).rejects.toThrow("not finite: loss");
  model.free();
});
