/** Small models for tests that compare the program with itself. */
import { quantizeInto } from "../../src/bench/weights.js";
import { quantizedTo } from "../../src/checkpoint/modelFiles.js";
import { singleCommunicator } from "../../src/distributed/single.js";
import { trainingBatch } from "../../src/model/batch.js";
import { type ModelConfig, parseModelConfig } from "../../src/model/config.js";
import { type BatchLosses, DeepseekV3, type LossWeights } from "../../src/model/deepseekV3.js";
import type { Fp8Options } from "../../src/model/fp8.js";
import { initialize } from "../../src/model/init.js";
import { noBalanceLoss } from "../../src/model/router.js";
import type { ComputeDtype, QuantDtype } from "../../src/tensor/dtype.js";
import { native } from "../../src/tensor/native.js";
import { Tape } from "../../src/tensor/tape.js";

const base = {
  vocab_size: 61,
  hidden_size: 24,
  num_hidden_layers: 3,
  intermediate_size: 40,
  moe_intermediate_size: 12,
  first_k_dense_replace: 1,
  n_routed_experts: 8,
  n_shared_experts: 1,
  num_experts_per_tok: 3,
  n_group: 4,
  topk_group: 2,
  num_attention_heads: 3,
  q_lora_rank: 14,
  kv_lora_rank: 10,
  qk_nope_head_dim: 6,
  qk_rope_head_dim: 4,
  v_head_dim: 5,
  num_nextn_predict_layers: 1,
  max_position_embeddings: 64,
  initializer_range: 0.15,
};

/** The same weights as `smallModel(config, seed)`, its matrices quantised, computing in bfloat16. */
export function quantizedModel(config: ModelConfig, weights: QuantDtype, seed = 1): DeepseekV3 {
  const source = smallModel(config, seed);
  const model = new DeepseekV3(config, "bfloat16", singleCommunicator(), quantizedTo(weights));
  for (const [i, parameter] of model.parameters.entries()) {
    const from = source.parameters[i]?.data;
    if (!from) throw new Error("internal: another model");
    const columns = from.shape.at(-1) ?? 1;
    if (parameter.scales) quantizeInto(parameter, 0, from.address, from.size / columns, columns);
    else native().convert(parameter.data.address, from.address, from.size, parameter.data.code, from.code);
  }
  source.free();
  return model;
}

export function smallConfig(changes: Readonly<Record<string, unknown>> = {}): ModelConfig {
  return parseModelConfig({ ...base, ...changes }, "test config");
}

/** The kinds of model that one class makes by config. */
export const variants: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "V3 with groups and q compression": {},
  "V3 without groups or q compression, MTP of depth 2": {
    n_group: 1,
    topk_group: 1,
    q_lora_rank: null,
    num_nextn_predict_layers: 2,
  },
  "V2 softmax, group_limited_greedy": {
    model_type: "deepseek_v2",
    topk_method: "group_limited_greedy",
    num_nextn_predict_layers: 0,
  },
  "V2 softmax, greedy, two shared experts": {
    model_type: "deepseek_v2",
    topk_method: "greedy",
    n_shared_experts: 2,
    num_nextn_predict_layers: 0,
  },
  "no shared experts, no bias": { n_shared_experts: 0, topk_method: "greedy" },
  "grouped-query attention": { attention: "gqa", num_key_value_heads: 1, head_dim: 8 },
  "multi-head attention": { attention: "mha", head_dim: 8 },
  "dense layers only": { n_routed_experts: 0, num_experts_per_tok: 0 },
  "pre-norm state to MTP": { mtp_hidden_post_norm: false },
  YaRN: {
    rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 16, mscale: 1, mscale_all_dim: 1 },
  },
};

export function smallModel(
  config: ModelConfig,
  seed = 1,
  dtype: ComputeDtype = "float32",
  fp8: Fp8Options | null = null,
): DeepseekV3 {
  const model = new DeepseekV3(config, dtype, singleCommunicator(), undefined, fp8);
  initialize(model, seed);
  // Biases that decide some choices, as after some training.
  for (const { moe } of model.moeLayers) {
    moe.gate.eScoreCorrectionBias?.data.floats().forEach((_, i, bias) => {
      bias[i] = 0.04 * Math.sin(3 * i + 1);
    });
  }
  return model;
}

/** Rows of tokens that look random and repeat in every run. */
export function tokenRows(sequences: number, length: number, vocab: number, seed = 7): Int32Array {
  let state = seed;
  return Int32Array.from({ length: sequences * (length + 1) }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % vocab;
  });
}

export interface Pass {
  readonly losses: BatchLosses;
  /** Loss whose gradient was computed. */
  readonly total: number;
}

/** Forward and, if asked, backward of one batch; gradients are added to the parameters'. */
export async function pass(
  model: DeepseekV3,
  tokens: Int32Array,
  length: number,
  options: Partial<LossWeights> & { readonly hasGrad?: boolean; readonly recompute?: boolean } = {},
): Promise<Pass> {
  const depths = model.mtp.length;
  const sequences = tokens.length / (length + 1);
  const weights: LossWeights = {
    globalTargets: options.globalTargets ?? sequences * length,
    globalSequences: options.globalSequences ?? sequences,
    mtp: options.mtp ?? 0.3,
    balance: options.balance ?? noBalanceLoss,
  };
  if (options.hasGrad) model.weights.createGrads();
  using batch = trainingBatch(model.arena, tokens, length, depths);
  using tape = new Tape(model.arena, { hasGrad: options.hasGrad ?? false, recompute: options.recompute ?? false });
  const losses = await model.losses(tape, batch, weights);
  if (options.hasGrad) await tape.backward();
  const balance = losses.routers.reduce((sum, { report }) => sum + report.balanceLoss, 0) / weights.globalSequences;
  const mtp = losses.mtp.reduce((sum, loss) => sum + loss, 0) * (depths > 0 ? weights.mtp / depths : 0);
  return { losses, total: (losses.main + mtp) / weights.globalTargets + balance };
}

export function gradients(model: DeepseekV3): Map<string, Float32Array> {
  return new Map(model.parameters.flatMap(({ name, grad }) => (grad ? [[name, grad.floats().slice()] as const] : [])));
}

export function zeroGradients(model: DeepseekV3): void {
  for (const { grad } of model.parameters) grad?.fill(0);
}
