import { expect, test } from "vitest";
import { type ModelConfig, parseModelConfig } from "./config.js";
import { flopsPerTokenAdapter, flopsPerTokenTraining, kvCacheBytesPerToken, parameterCounts } from "./flops.js";
import { loadPreset } from "./presets.js";

test.each([
  ["deepseek-v3", 671_026_419_200, 37_552_297_472],
  ["deepseek-v2", 235_741_434_880, 21_375_800_320],
  ["deepseek-v2-lite", 15_706_484_224, 2_661_150_208],
  ["moonlight-16b-a3b", 15_960_110_208, 2_914_776_192],
  ["kimi-k2", 1_026_408_232_448, 32_861_500_928],
])("%s has its published number of parameters", (name, total, activated) => {
  const counts = parameterCounts(loadPreset(name));
  expect([counts.total, counts.activated]).toEqual([total, activated]);
});

test("the benchmark presets have the sizes they are named for", () => {
  // Millions, as performance.md prints them.
  const { total, activated } = parameterCounts(loadPreset("small"));
  expect([(total / 1e6).toFixed(2), (activated / 1e6).toFixed(2)]).toEqual(["12.21", "6.31"]);
  const middle = parameterCounts(loadPreset("middle"));
  expect([(middle.total / 1e6).toFixed(1), (middle.activated / 1e6).toFixed(2)]).toEqual(["116.3", "39.25"]);
  expect((parameterCounts(loadPreset("bench-0.9b")).total / 1e6).toFixed(1)).toBe("905.7");
});

test("the MTP module of DeepSeek-V3, its cache and its training operations", () => {
  const config = loadPreset("deepseek-v3");
  const counts = parameterCounts(config);
  expect([counts.mtp, counts.mtpActivated]).toEqual([11_610_068_224, 688_100_608]);
  expect(kvCacheBytesPerToken(config)).toBe(70_272);
  expect(flopsPerTokenTraining(config, 4096).main / 1e9).toBeCloseTo(250.457, 3);
  expect(flopsPerTokenTraining(config, 4096, false).main / 1e9).toBeCloseTo(281.152, 3);
  // A head of 129,280 x 7,168.
  expect(flopsPerTokenTraining(config, 4096).trunk / 1e9).toBeCloseTo(250.457 - 5.56, 3);
});

test("over frozen weights a token of V3 takes 73.249 GFLOP less, which is 2 N, and six operations for each number of an adapter", () => {
  const config = loadPreset("deepseek-v3");
  // Attention, causal: 61 layers x 2 x 128 heads x (192 + 128) x 2,048.5 positions = 10.2368 G; 2 N = 250.457 / 3 - 10.2368.
  expect(flopsPerTokenAdapter(config, 4096, 0) / 1e9).toBeCloseTo(250.457 - 73.249, 3);
  expect(flopsPerTokenAdapter(config, 4096, 1e9) / 1e9).toBeCloseTo(250.457 - 73.249 + 6, 3);
  expect(flopsPerTokenAdapter(config, 4096, 0, true, "trunk") / 1e9).toBeCloseTo(250.457 - 73.249 - 5.56 + 1.853, 3);
});

// model.md H4
const worked = (changes: Record<string, unknown>): ModelConfig =>
  parseModelConfig(
    {
      n_shared_experts: 1,
      num_nextn_predict_layers: 1,
      ...changes,
    },
    "H4",
  );

test("two small configs, counted by hand", () => {
  const a = parameterCounts(
    worked({
      vocab_size: 256,
      hidden_size: 64,
      num_hidden_layers: 3,
      first_k_dense_replace: 1,
      intermediate_size: 128,
      moe_intermediate_size: 32,
      n_routed_experts: 8,
      num_experts_per_tok: 2,
      num_attention_heads: 4,
      q_lora_rank: 24,
      kv_lora_rank: 32,
      qk_nope_head_dim: 16,
      qk_rope_head_dim: 8,
      v_head_dim: 16,
    }),
  );
  expect([a.layers[0]?.total, a.layers[1]?.total, a.layers[1]?.activated]).toEqual([39_352, 70_592, 33_728]);
  expect([a.total, a.activated, a.mtp]).toEqual([213_368, 139_640, 78_976]);
  const b = parameterCounts(
    worked({
      vocab_size: 512,
      hidden_size: 128,
      num_hidden_layers: 4,
      first_k_dense_replace: 2,
      intermediate_size: 256,
      moe_intermediate_size: 48,
      n_routed_experts: 16,
      n_shared_experts: 2,
      num_experts_per_tok: 4,
      num_attention_heads: 8,
      kv_lora_rank: 48,
      qk_nope_head_dim: 16,
      qk_rope_head_dim: 16,
      v_head_dim: 24,
    }),
  );
  expect([b.layers[0]?.total, b.layers[2]?.total, b.layers[2]?.activated]).toEqual([179_504, 415_040, 193_856]);
  expect([b.total, b.activated, b.mtp]).toEqual([1_320_288, 877_920, 448_192]);
});
