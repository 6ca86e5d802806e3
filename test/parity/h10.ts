/**
 * The golden model of the specification (model.md H10): a config and weights by formula, written as a checkpoint in Hugging Face layout. It
 * shares no code with the model: names, order and shapes stand here as the specification lists them.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const d = 8;
const vocab = 16;
const heads = 2;
const [cQ, cKv, nope, ropeDim, v] = [6, 5, 4, 4, 3];
const [dense, expert, experts] = [12, 5, 8];

const attention: readonly (readonly [string, readonly number[]])[] = [
  ["input_layernorm", [d]],
  ["self_attn.q_a_proj", [cQ, d]],
  ["self_attn.q_a_layernorm", [cQ]],
  ["self_attn.q_b_proj", [heads * (nope + ropeDim), cQ]],
  ["self_attn.kv_a_proj_with_mqa", [cKv + ropeDim, d]],
  ["self_attn.kv_a_layernorm", [cKv]],
  ["self_attn.kv_b_proj", [heads * (nope + v), cKv]],
  ["self_attn.o_proj", [d, heads * v]],
  ["post_attention_layernorm", [d]],
];

function mlp(prefix: string, width: number): (readonly [string, readonly number[]])[] {
  return [
    [`${prefix}.gate_proj`, [width, d]],
    [`${prefix}.up_proj`, [width, d]],
    [`${prefix}.down_proj`, [d, width]],
  ];
}

const moe: readonly (readonly [string, readonly number[]])[] = [
  ["mlp.gate", [experts, d]],
  ["mlp.gate.e_score_correction_bias", [experts]],
  ...Array.from({ length: experts }, (_, j) => mlp(`mlp.experts.${j}`, expert)).flat(),
  ...mlp("mlp.shared_experts", expert),
];

/** Every tensor, in the order in which the specification numbers them from 1. */
function tensors(): { readonly name: string; readonly shape: readonly number[] }[] {
  const layer = (l: number, parts: readonly (readonly [string, readonly number[]])[]) =>
    parts.map(([name, shape]): [string, readonly number[]] => [`model.layers.${l}.${name}`, shape]);
  const list: [string, readonly number[]][] = [
    ["model.embed_tokens", [vocab, d]],
    ...layer(0, [...attention, ...mlp("mlp", dense)]),
    ...layer(1, [...attention, ...moe]),
    ["model.norm", [d]],
    ["lm_head", [vocab, d]],
    ...layer(2, [
      ["enorm", [d]],
      ["hnorm", [d]],
      ["eh_proj", [d, 2 * d]],
      ...attention,
      ...moe,
      ["shared_head.norm", [d]],
    ]),
  ];
  return list.map(([name, shape]) => ({ name: name.endsWith("_bias") ? name : `${name}.weight`, shape }));
}

function values(name: string, size: number, s: number): Float32Array {
  const formula = name.endsWith("_bias")
    ? (n: number) => 0.05 * ((3 * n) % 4)
    : name.includes("norm")
      ? (n: number) => 1 + 0.1 * Math.sin(n + s)
      : (n: number) => 0.3 * Math.sin(1.7 * n + 0.9 * s);
  return Float32Array.from({ length: size }, (_, n) => formula(n));
}

export const goldenYarn = {
  type: "yarn",
  factor: 4,
  original_max_position_embeddings: 64,
  beta_fast: 2,
  beta_slow: 1,
  mscale: 1,
  mscale_all_dim: 1,
};

/** Writes config.json and model.safetensors. @returns number of tensors and of elements, and some first values for checking */
export function writeGoldenModel(
  directory: string,
  ropeScaling: object | null,
): { readonly tensors: number; readonly elements: number; readonly first: ReadonlyMap<string, readonly number[]> } {
  mkdirSync(directory, { recursive: true });
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  const data: Buffer[] = [];
  const first = new Map<string, readonly number[]>();
  let at = 0;
  for (const [i, { name, shape }] of tensors().entries()) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const array = values(name, size, i + 1);
    first.set(name, Array.from(array.subarray(0, 3)));
    header[name] = { dtype: "F32", shape, data_offsets: [at, at + 4 * size] };
    data.push(Buffer.from(array.buffer));
    at += 4 * size;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  padded.writeBigUInt64LE(BigInt(padded.length - 8));
  json.copy(padded, 8);
  writeFileSync(join(directory, "model.safetensors"), Buffer.concat([padded, ...data]));
  const config = {
    architectures: ["DeepseekV3ForCausalLM"],
    model_type: "deepseek_v3",
    vocab_size: vocab,
    hidden_size: d,
    num_hidden_layers: 2,
    first_k_dense_replace: 1,
    moe_layer_freq: 1,
    num_attention_heads: heads,
    num_key_value_heads: heads,
    q_lora_rank: cQ,
    kv_lora_rank: cKv,
    qk_nope_head_dim: nope,
    qk_rope_head_dim: ropeDim,
    v_head_dim: v,
    intermediate_size: dense,
    moe_intermediate_size: expert,
    n_routed_experts: experts,
    n_shared_experts: 1,
    num_experts_per_tok: 3,
    n_group: 4,
    topk_group: 2,
    topk_method: "noaux_tc",
    scoring_func: "sigmoid",
    norm_topk_prob: true,
    routed_scaling_factor: 2.5,
    num_nextn_predict_layers: 1,
    rope_theta: 10000,
    rope_scaling: ropeScaling,
    max_position_embeddings: 256,
    rms_norm_eps: 1e-6,
    hidden_act: "silu",
    tie_word_embeddings: false,
    torch_dtype: "float32",
  };
  writeFileSync(join(directory, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  return { tensors: data.length, elements: at / 4, first };
}
