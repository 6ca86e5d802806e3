import { describe, expect, test } from "vitest";
import { isMoeLayer, parseModelConfig, serializeModelConfig, softmaxScale } from "./config.js";
import { loadPreset, presetNames } from "./presets.js";

const small = (): Record<string, unknown> => ({ ...serializeModelConfig(loadPreset("small")) });
const parse = (changes: Record<string, unknown>): unknown =>
  parseModelConfig({ ...small(), ...changes }, "config.json");

describe("parseModelConfig", () => {
  test.each(presetNames())("reads preset %s and writes it back the same", (name) => {
    const config = loadPreset(name);
    expect(parseModelConfig(serializeModelConfig(config), "again")).toEqual({
      ...config,
      extra: expect.anything() as unknown,
    });
  });

  test.each([
    [{ hidden_size: 0 }, "config.json: hidden_size must be an integer from 1 to 2147483647, got 0"],
    [{ hidden_size: undefined }, "config.json: hidden_size is missing"],
    [{ qk_rope_head_dim: 15 }, "config.json: qk_rope_head_dim must be even: pairs are rotated, got 15"],
    [{ num_experts_per_tok: 17 }, "config.json: num_experts_per_tok must be at most n_routed_experts (16), got 17"],
    [{ n_group: 3 }, "config.json: n_group must be a divisor of n_routed_experts (16), got 3"],
    [{ n_group: 4, topk_group: 5 }, "config.json: topk_group must be at most n_group (4), got 5"],
    [
      { n_group: 8, topk_group: 1 },
      "config.json: num_experts_per_tok must be at most 2, the experts of 1 of 8 groups, got 4",
    ],
    [
      { n_group: 16, topk_group: 8 },
      "config.json: n_group must be at most half of n_routed_experts (16): a group is scored by its best two, got 16",
    ],
    [{ scoring_func: "tanh" }, 'config.json: scoring_func must be one of sigmoid, softmax, got "tanh"'],
    [{ hidden_act: "gelu" }, 'config.json: hidden_act must be "silu", got "gelu"'],
    [{ tie_word_embeddings: true }, "config.json: tie_word_embeddings must be false, got true"],
    [{ hiden_size: 3 }, "config.json: unknown key hiden_size; the keys are those of a DeepSeek config.json"],
    [{ rms_norm_eps: -1 }, "config.json: rms_norm_eps must be a positive number, got -1"],
    [
      { rope_scaling: { type: "ntk", factor: 2 } },
      'config.json: rope_scaling.type must be yarn, linear or default, got "ntk"',
    ],
    [
      { rope_scaling: { type: "yarn", factor: 0.5, original_max_position_embeddings: 64 } },
      "config.json: rope_scaling.factor must be a number of at least 1, got 0.5",
    ],
  ])("refuses %j by name", (changes, message) => {
    expect(() => parse(changes)).toThrow(new RangeError(message));
  });

  test("reads the old and the new spelling of rope_scaling alike", () => {
    const block = { factor: 4, original_max_position_embeddings: 64, beta_fast: 2, beta_slow: 1, mscale: 1 };
    const old = parseModelConfig({ ...small(), rope_theta: 5e4, rope_scaling: { type: "yarn", ...block } }, "old");
    const { rope_theta: _, rope_scaling: __, ...rest } = small();
    const fresh = parseModelConfig(
      { ...rest, rope_parameters: { rope_type: "yarn", rope_theta: 5e4, ...block } },
      "new",
    );
    expect(fresh.ropeScaling).toEqual(old.ropeScaling);
    expect([fresh.ropeTheta, old.ropeTheta]).toEqual([5e4, 5e4]);
  });

  test("keeps keys it does not know on a round trip of a downloaded file", () => {
    const config = parseModelConfig({ ...small(), quaternion_mode: [1, 2], ep_size: 1 }, "c", { allowUnknown: true });
    expect(serializeModelConfig(config)).toMatchObject({ quaternion_mode: [1, 2], ep_size: 1 });
  });

  test("takes what a deepseek_v2 file leaves out from that model's class", () => {
    const { topk_method: _, scoring_func: __, norm_topk_prob: ___, ...rest } = small();
    const config = parseModelConfig({ ...rest, model_type: "deepseek_v2" }, "c");
    expect([config.topkMethod, config.scoringFunc, config.normTopkProb]).toEqual(["greedy", "softmax", false]);
  });

  test("the baselines need no keys of latent attention", () => {
    const { kv_lora_rank: _, qk_nope_head_dim: __, qk_rope_head_dim: ___, v_head_dim: ____, ...rest } = small();
    const config = parseModelConfig({ ...rest, attention: "gqa", num_key_value_heads: 2 }, "c");
    expect([config.headDim, config.numKeyValueHeads]).toEqual([32, 2]);
    expect(() => parseModelConfig({ ...rest, attention: "gqa", num_key_value_heads: 3 }, "c")).toThrow(
      "num_key_value_heads must be a divisor of num_attention_heads (8), got 3",
    );
  });
});

test("softmaxScale gives the published values (H1)", () => {
  expect(softmaxScale(loadPreset("deepseek-v3"))).toBeCloseTo(0.1352337788608801, 14);
  expect(softmaxScale(loadPreset("deepseek-v2"))).toBeCloseTo(0.11472138679292611, 14);
  expect(softmaxScale(loadPreset("kimi-k2"))).toBeCloseTo(0.13086079996295005, 14);
  expect(softmaxScale(loadPreset("moonlight-16b-a3b"))).toBeCloseTo(0.07216878364870322, 14);
});

test("isMoeLayer leaves the first layers dense and makes MTP blocks sparse", () => {
  const config = loadPreset("deepseek-v3");
  expect([0, 2, 3, 60, 61].map((layer) => isMoeLayer(config, layer))).toEqual([false, false, true, true, true]);
});
