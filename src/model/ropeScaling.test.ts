import { expect, test } from "vitest";
import { loadPreset } from "./presets.js";
import { type RopeScaling, ropeFrequencies, ropeMagnitude } from "./ropeScaling.js";

const yarn = (factor: number, original: number, betaFast: number, betaSlow: number): RopeScaling => ({
  type: "yarn",
  factor,
  originalMaxPositionEmbeddings: original,
  betaFast,
  betaSlow,
  mscale: 1,
  mscaleAllDim: 1,
});

// Worked values of model.md H1.
test.each([
  [8, 10000, yarn(4, 256, 32, 1), [1, 0.0625, 0.0025, 0.00025]],
  [
    16,
    10000,
    yarn(8, 512, 32, 1),
    [1, 0.2470529422, 0.05625, 0.01087032946, 0.00125, 0.0003952847076, 0.000125, 3.952847076e-5],
  ],
  [4, 10000, yarn(4, 64, 2, 1), [1, 0.0025]],
])("YaRN frequencies of %i channels", (dim, base, scaling, expected) => {
  const found = ropeFrequencies(dim, base, scaling);
  expected.forEach((value, i) => {
    expect((found[i] ?? 0) / value).toBeCloseTo(1, 8);
  });
});

test("YaRN frequencies of DeepSeek-V3 and Kimi-K2", () => {
  const of = (name: string): Float64Array => {
    const config = loadPreset(name);
    return ropeFrequencies(config.qkRopeHeadDim, config.ropeTheta, config.ropeScaling);
  };
  const v3 = of("deepseek-v3");
  const expected: readonly [number, number][] = [
    [0, 1],
    [10, 0.05623413252],
    [11, 0.03900692657],
    [15, 0.008334508951],
    [16, 0.0055],
    [22, 0.000177827941],
    [23, 3.33380358e-5],
    [31, 3.33380358e-6],
  ];
  for (const [i, value] of expected) expect((v3[i] ?? 0) / value).toBeCloseTo(1, 8);
  const kimi = of("kimi-k2");
  expect((kimi[19] ?? 0) / 0.001621759908).toBeCloseTo(1, 8);
  expect((kimi[20] ?? 0) / 3.614046774e-5).toBeCloseTo(1, 8);
});

test("interpolation divides every angle, and equal mscales leave cos and sin alone", () => {
  expect([...ropeFrequencies(4, 10000, { type: "linear", factor: 4 })]).toEqual([0.25, 0.0025]);
  expect(ropeMagnitude(yarn(40, 4096, 32, 1))).toBe(1);
  expect(ropeMagnitude({ ...yarn(40, 4096, 32, 1), mscaleAllDim: 0 } as RopeScaling)).toBeCloseTo(1.3688879, 6);
});
