import { expect, test } from "vitest";
import { singleCommunicator } from "../distributed/single.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { loadPreset } from "../model/presets.js";
import {
  decodeCost,
  decodeFloorSeconds,
  expectedExperts,
  prefillCost,
  prefillFloorSeconds,
  speculationBytes,
} from "./inferenceCost.js";

// Zeroed weights that nobody touches are address space alone.
const config = loadPreset("bench-0.9b");
const model = new DeepseekV3(config, "bfloat16", singleCommunicator());

test("a token of bench-0.9b meets 211.6 million weights", () => {
  const cost = decodeCost(config, model.parameters, { batch: 1, length: 1, experts: 4, bytesPerCacheValue: 2 });
  // In bf16, but for 16 layers of norms (1024 + 1024 + 512 + 256), the last norm, 15 routers (32 x 1024) and their biases in float32.
  const wide = 16 * (2 * 1024 + 512 + 256) + 1024 + 15 * (32 * 1024 + 32);
  expect((cost.weightBytes - 2 * wide) / 2 / 1e6).toBeCloseTo(211.6, 1);
});

test("cache and attention of a step grow with the batch and the depth", () => {
  const at = (batch: number, length: number): ReturnType<typeof decodeCost> =>
    decodeCost(config, model.parameters, { batch, length, experts: 4, bytesPerCacheValue: 2 });
  // 16 layers of 256 + 32 values of 2 bytes; 16 heads, scores over 288 and a sum over 256, two operations each.
  expect(at(1, 4096).cacheBytes).toBe(4096 * 16 * 288 * 2);
  expect(at(1, 4096).attentionFlops).toBe(4096 * 16 * 16 * 2 * (288 + 256));
  expect(at(16, 100).cacheBytes).toBe(16 * at(1, 100).cacheBytes);
  expect(at(16, 100).productFlops).toBe(16 * at(1, 100).productFlops);
});

test("sixteen tokens that draw 4 of 32 experts evenly meet about 28 of them", () => {
  expect(expectedExperts(config, 1)).toBeCloseTo(4, 10);
  expect(expectedExperts(config, 16)).toBeCloseTo(28.22, 2);
  expect(expectedExperts({ nRoutedExperts: 0, numExpertsPerTok: 0 }, 16)).toBe(0);
});

test("verifying meets the experts of all its rows, and each draft reads the module and the head", () => {
  const small = { ...loadPreset("small"), numNextnPredictLayers: 1 };
  const { parameters } = new DeepseekV3(small, "bfloat16", singleCommunicator());
  const at = (depth: number, tokensPerStep = 1) =>
    speculationBytes(small, parameters, { depth, tokensPerStep, length: 0, bytesPerCacheValue: 2 });
  const { plain, verify, drafts } = at(1);
  // Two rows meet 16 (1 - (3/4)^2) = 7 experts where one meets 4: 3 more in 5 layers, each 3 x 128 x 256; and a row of the embedding.
  expect(verify - plain).toBeCloseTo(2 * (5 * 3 * 3 * 128 * 256 + 256), 0);
  // The head is 4096 x 256, eh_proj 256 x 512; the module's experts are those of one row, 4 and the shared one;
  // its attention is 256 x 128, 128 x 8 x 48, 256 x 80, 64 x 8 x 64 and 256 x 256. The rest are router and norms.
  const certain = 2 * (4096 * 256 + 256 * 512 + 5 * 3 * 128 * 256 + 200_704);
  expect(drafts).toBeGreaterThan(certain);
  expect(drafts).toBeLessThan(1.01 * certain);
  expect(at(3).drafts).toBeCloseTo(3 * drafts, 0);
  expect(at(1, 2).drafts - drafts).toBeCloseTo(2 * (3 * 3 * 128 * 256 + 256), 0);
  expect(at(0)).toEqual({ plain, verify: plain, drafts: 0 });
});

test("a prompt is charged the head and the last experts once, and half the attention square", () => {
  const one = prefillCost(config, model.parameters, 1);
  const two = prefillCost(config, model.parameters, 2);
  // Head, then of the last layer the router and 4 + 1 experts of 3 x 1024 x 512.
  const once = 2 * (32768 * 1024 + 32 * 1024 + 5 * 3 * 1024 * 512);
  expect(two.productFlops - once).toBe(2 * (one.productFlops - once));
  // 16 layers, 16 heads of 64 + 32 and 64, one position for the first token and two for the second.
  expect(one.attentionFlops).toBe(2 * 16 * 16 * (96 + 64));
  expect(two.attentionFlops).toBe(3 * one.attentionFlops);
});

test("floors take the slower of memory and arithmetic, in each part of a step", () => {
  const cost = { weightBytes: 100, productFlops: 1000, cacheBytes: 10, attentionFlops: 900 };
  // Weights 100 / 10 = 10 s over 1000 / 200 = 5 s; cache 1 s under 900 / 200 = 4.5 s.
  expect(decodeFloorSeconds(cost, { readBytes: 10 }, 200)).toBe(14.5);
  expect(prefillFloorSeconds(cost, { readBytes: 10 }, 200)).toBe(10);
  expect(prefillFloorSeconds(cost, { readBytes: 1000 }, 200)).toBe(9.5);
});
