import { expect, test } from "vitest";
import { pass, smallConfig, smallModel, tokenRows, variants } from "../../test/invariance/models.js";
import { Arena } from "../tensor/arena.js";
import type { Routing } from "../tensor/ops/router.js";
import { Tape } from "../tensor/tape.js";
import { Tensor } from "../tensor/tensor.js";
import { inferenceBatch, trainingBatch } from "./batch.js";
import type { DeepseekV3 } from "./deepseekV3.js";
import { noBalanceLoss } from "./router.js";
import { dropTokens, isSparedSequence } from "./tokenDropping.js";

const v2 = smallConfig(variants["V2 softmax, group_limited_greedy"]);
const arena = new Arena();

/** Four experts in two groups, two of them for each of four tokens. */
const shape = { ...v2, nRoutedExperts: 4, nGroup: 2, topkGroup: 2, numExpertsPerTok: 2 };
const chosen = [0, 1, 0, 2, 1, 0, 1, 0];
const scores = [
  [0.5, 0.3, 0.1, 0.1],
  [0.6, 0.1, 0.2, 0.1],
  [0.2, 0.4, 0.2, 0.2],
  [0.3, 0.5, 0.1, 0.1],
];

function routing(): Routing {
  const experts = Tensor.empty(arena, [4, 2], "int32");
  experts.ints().set(chosen);
  const affinities = Tensor.empty(arena, [4, 4], "float32");
  affinities.floats().set(scores.flat());
  const weights = Tensor.empty(arena, [4, 2], "float32");
  return { experts, weights, scores: affinities };
}

/** A pair of ids whose sequence is spared, or not. */
function pair(isSpared: boolean): number[] {
  for (let id = 0; ; id++) if (isSparedSequence(Int32Array.of(id, 1)) === isSpared) return [id, 1];
}

test("a group computes its even share, the assignments of highest affinity", () => {
  using batch = inferenceBatch(arena, [pair(false), pair(false)]);
  // Eight assignments, four a group. Group 0 has seven, of affinity .5 .3 .6 .4 .2 .5 .3: of the lower three (.3 .2 .3) all go.
  expect([...dropTokens(routing(), batch, shape, 1)]).toEqual([0, -1, 0, 2, 1, -1, 1, -1]);
  // Six of the seven: the lowest goes.
  expect([...dropTokens(routing(), batch, shape, 1.5)]).toEqual([0, 1, 0, 2, 1, -1, 1, 0]);
  expect([...dropTokens(routing(), batch, shape, 2)]).toEqual(chosen);
});

test("sequences that are spared drop nothing, the others make room for them", () => {
  using batch = inferenceBatch(arena, [pair(true), pair(false)]);
  // The first sequence takes three of the four places of group 0; of .4 .2 .5 .3 the highest stays.
  expect([...dropTokens(routing(), batch, shape, 1)]).toEqual([0, 1, 0, 2, -1, -1, 1, -1]);
});

test("about a tenth of sequences is spared", () => {
  const rows = tokenRows(5000, 7, 4096);
  let spared = 0;
  for (let s = 0; s < 5000; s++) if (isSparedSequence(rows.subarray(s * 8, s * 8 + 8))) spared++;
  expect(spared).toBeGreaterThan(420);
  expect(spared).toBeLessThan(580);
});

const length = 9;
const tokens = tokenRows(4, length, v2.vocabSize);

/** Loss, gradients if asked, and which assignments had an expert. */
async function train(model: DeepseekV3, deviceCapacity: number | null, hasGrad: boolean): Promise<[number, string]> {
  if (hasGrad) model.weights.createGrads();
  using batch = trainingBatch(model.arena, tokens, length, 0);
  using tape = new Tape(model.arena, { hasGrad, recompute: false });
  const weights = { globalTargets: 4 * length, globalSequences: 4, mtp: 0, balance: noBalanceLoss, deviceCapacity };
  const computed: number[][] = [];
  const losses = await model.losses(tape, batch, weights, (_, { order }) => {
    computed.push([...order.slotRow.ints()].map((row) => Math.min(row, 0)));
  });
  if (hasGrad) await tape.backward();
  return [losses.main / (4 * length), JSON.stringify(computed)];
}

test("the gradient with dropped tokens is the slope of the loss, and enough capacity changes no bit", async () => {
  const model = smallModel(v2);
  const [all] = await train(model, null, false);
  expect((await train(model, 4, false))[0]).toBe(all);
  const [loss, drops] = await train(model, 0.7, true);
  expect(drops).toContain("-1");
  expect(loss).not.toBe(all);
  for (const { name, data, grad, isTrained } of model.parameters) {
    if (!isTrained || !grad) continue;
    const slope = grad.floats();
    const squares = slope.reduce((sum, value) => sum + value * value, 0);
    const before = data.floats().slice();
    for (let reach = Math.min(1e-4 / squares, 0.005 / Math.sqrt(squares)); ; reach /= 4) {
      const ends: (readonly [number, string])[] = [];
      for (const direction of [1, -1]) {
        data.floats().set(before.map((value, i) => value + direction * reach * (slope[i] ?? 0)));
        ends.push(await train(model, 0.7, false));
      }
      data.floats().set(before);
      if (ends.some(([, moved]) => moved !== drops)) continue;
      const predicted = 2 * reach * squares;
      const [[up], [down]] = ends as [[number, string], [number, string]];
      // 2e-6: the rounding of two losses of about 4 in float32.
      expect(Math.abs(up - down - predicted), name).toBeLessThan(0.02 * predicted + 2e-6);
      break;
    }
  }
  expect((await pass(model, tokens, length)).losses.main / (4 * length)).toBe(all);
  model.free();
});
