/**
 * A random model in the shape of a preset, as a GGUF file of llama.cpp's architecture deepseek2: what llama.cpp is timed on.
 *
 *   node bench/peers/llama/make_gguf.mjs configs/bench-0.9b.json OUT.gguf bf16|q8_0
 *
 * Names, shapes and keys are those that llama.cpp's loader of deepseek2 asks for: kv_b_proj split into attn_k_b (transposed per head) and
 * attn_v_b, attention in the one-head form, experts stacked. There is no tokenizer; ids go in and logits come out. Matrices repeat one random
 * block, which costs the same as fresh numbers and is written at the speed of the disk; the router is drawn afresh, so that tokens spread over
 * the experts. Refuses what this writer does not have: expert groups, other scorings, YaRN, MTP.
 */
import { closeSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";

const types = { f32: 0, q8_0: 8, bf16: 30 };
const alignment = 32;

/** Deterministic normals: Box-Muller over a 32-bit xorshift. */
function normals(seed) {
  let state = seed;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 1) / 4294967297;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

function string(text) {
  const bytes = Buffer.from(text, "utf8");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

function number(bytes, write) {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return buffer;
}
const u32 = (value) => number(4, (buffer) => buffer.writeUInt32LE(value));
const u64 = (value) => number(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)));
const f32 = (value) => number(4, (buffer) => buffer.writeFloatLE(value));

const metadataTypes = {
  u32: [4, u32],
  f32: [6, f32],
  bool: [7, (value) => Buffer.from([value ? 1 : 0])],
  string: [8, string],
};

function entry(key, type, value) {
  const [code, encode] = metadataTypes[type];
  return Buffer.concat([string(key), u32(code), encode(value)]);
}

function check(config) {
  const expected = {
    n_group: 1,
    scoring_func: "sigmoid",
    topk_method: "noaux_tc",
    rope_scaling: null,
    num_nextn_predict_layers: 0,
    moe_layer_freq: 1,
  };
  for (const [key, value] of Object.entries(expected)) {
    if (config[key] !== value) {
      throw new RangeError(
        `${key} must be ${JSON.stringify(value)} for the GGUF writer, found ${JSON.stringify(config[key])}`,
      );
    }
  }
  if (config.q_lora_rank === null) throw new RangeError("q_lora_rank must be a number for the GGUF writer, found null");
}

function metadata(c, type) {
  const latent = c.kv_lora_rank + c.qk_rope_head_dim;
  const own = (key, kind, value) => entry(`deepseek2.${key}`, kind, value);
  return [
    entry("general.architecture", "string", "deepseek2"),
    entry("general.file_type", "u32", type === "bf16" ? 32 : 7),
    own("vocab_size", "u32", c.vocab_size),
    own("context_length", "u32", c.max_position_embeddings),
    own("block_count", "u32", c.num_hidden_layers),
    own("embedding_length", "u32", c.hidden_size),
    own("feed_forward_length", "u32", c.intermediate_size),
    own("leading_dense_block_count", "u32", c.first_k_dense_replace),
    own("expert_count", "u32", c.n_routed_experts),
    own("expert_used_count", "u32", c.num_experts_per_tok),
    own("expert_shared_count", "u32", c.n_shared_experts),
    own("expert_feed_forward_length", "u32", c.moe_intermediate_size),
    own("expert_gating_func", "u32", 2), // sigmoid
    own("expert_weights_scale", "f32", c.routed_scaling_factor),
    own("expert_weights_norm", "bool", c.norm_topk_prob),
    own("attention.head_count", "u32", c.num_attention_heads),
    own("attention.head_count_kv", "u32", 1),
    own("attention.q_lora_rank", "u32", c.q_lora_rank),
    own("attention.kv_lora_rank", "u32", c.kv_lora_rank),
    own("attention.key_length", "u32", latent),
    own("attention.value_length", "u32", c.kv_lora_rank),
    own("attention.key_length_mla", "u32", c.qk_nope_head_dim + c.qk_rope_head_dim),
    own("attention.value_length_mla", "u32", c.v_head_dim),
    own("attention.layer_norm_rms_epsilon", "f32", c.rms_norm_eps),
    own("rope.dimension_count", "u32", c.qk_rope_head_dim),
    own("rope.freq_base", "f32", c.rope_theta),
    entry("tokenizer.ggml.model", "string", "none"),
  ];
}

/** Name, extents with the innermost last, type and content of every tensor. */
function* tensors(c, type) {
  const {
    hidden_size: d,
    num_attention_heads: heads,
    kv_lora_rank: latent,
    moe_intermediate_size: m,
    n_routed_experts: e,
  } = c;
  const matrix = (name, ...shape) => ({ name: `${name}.weight`, shape, type, content: "block" });
  const norm = (name, size) => ({ name: `${name}.weight`, shape: [size], type: "f32", content: "ones" });
  yield matrix("token_embd", c.vocab_size, d);
  yield norm("output_norm", d);
  yield matrix("output", c.vocab_size, d);
  for (let layer = 0; layer < c.num_hidden_layers; layer++) {
    const at = `blk.${layer}`;
    yield norm(`${at}.attn_norm`, d);
    yield matrix(`${at}.attn_q_a`, c.q_lora_rank, d);
    yield norm(`${at}.attn_q_a_norm`, c.q_lora_rank);
    yield matrix(`${at}.attn_q_b`, heads * (c.qk_nope_head_dim + c.qk_rope_head_dim), c.q_lora_rank);
    yield matrix(`${at}.attn_kv_a_mqa`, latent + c.qk_rope_head_dim, d);
    yield norm(`${at}.attn_kv_a_norm`, latent);
    yield matrix(`${at}.attn_k_b`, heads, latent, c.qk_nope_head_dim);
    yield matrix(`${at}.attn_v_b`, heads, c.v_head_dim, latent);
    yield matrix(`${at}.attn_output`, d, heads * c.v_head_dim);
    yield norm(`${at}.ffn_norm`, d);
    if (layer < c.first_k_dense_replace) {
      yield matrix(`${at}.ffn_gate`, c.intermediate_size, d);
      yield matrix(`${at}.ffn_up`, c.intermediate_size, d);
      yield matrix(`${at}.ffn_down`, d, c.intermediate_size);
      continue;
    }
    yield { name: `${at}.ffn_gate_inp.weight`, shape: [e, d], type: "f32", content: "fresh" };
    yield { name: `${at}.exp_probs_b.bias`, shape: [e], type: "f32", content: "zeros" };
    yield matrix(`${at}.ffn_gate_exps`, e, m, d);
    yield matrix(`${at}.ffn_up_exps`, e, m, d);
    yield matrix(`${at}.ffn_down_exps`, e, d, m);
    const shared = m * c.n_shared_experts;
    yield matrix(`${at}.ffn_gate_shexp`, shared, d);
    yield matrix(`${at}.ffn_up_shexp`, shared, d);
    yield matrix(`${at}.ffn_down_shexp`, d, shared);
  }
}

const count = (shape) => shape.reduce((product, extent) => product * extent, 1);

function byteLength({ name, shape, type }) {
  if (type === "f32") return 4 * count(shape);
  if (type === "bf16") return 2 * count(shape);
  if (shape.at(-1) % 32 !== 0)
    throw new RangeError(`${name}: rows of ${shape.at(-1)} values; Q8_0 takes multiples of 32`);
  return (count(shape) / 32) * 34;
}

/** About 4 MB of random weights in the type. */
function randomBlock(type, std) {
  const next = normals(1);
  if (type === "bf16") {
    const floats = Float32Array.from({ length: 1 << 21 }, () => std * next());
    return Buffer.from(Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16).buffer);
  }
  const groups = 1 << 17;
  const block = Buffer.alloc(groups * 34);
  const scale = halfFloat((3 * std) / 127); // 127 steps reach three standard deviations
  for (let i = 0; i < groups; i++) {
    block.writeUInt16LE(scale, i * 34);
    for (let j = 0; j < 32; j++)
      block.writeInt8(Math.max(-127, Math.min(127, Math.round((next() * 127) / 3))), i * 34 + 2 + j);
  }
  return block;
}

/** Bits of a float16 for a positive number between 2^-14 and 65504. */
function halfFloat(value) {
  const exponent = Math.floor(Math.log2(value));
  return ((exponent + 15) << 10) + Math.round((value / 2 ** exponent - 1) * 1024);
}

function* content({ shape, content: kind, ...tensor }, block, std) {
  const length = byteLength({ shape, ...tensor });
  if (kind === "block") {
    for (let at = 0; at < length; at += block.length) yield block.subarray(0, Math.min(block.length, length - at));
    return;
  }
  const next = normals(count(shape) + tensor.name.length);
  const values = { ones: () => 1, zeros: () => 0, fresh: () => std * next() }[kind];
  yield Buffer.from(Float32Array.from({ length: count(shape) }, values).buffer);
}

const padding = (size) => Buffer.alloc((alignment - (size % alignment)) % alignment);

function main([configFile, out, type]) {
  if (out === undefined || (type !== "bf16" && type !== "q8_0")) {
    throw new RangeError("usage: make_gguf.mjs CONFIG.json OUT.gguf bf16|q8_0");
  }
  const config = JSON.parse(readFileSync(configFile, "utf8"));
  check(config);
  const all = [...tensors(config, type)];
  const keys = metadata(config, type);
  let offset = 0;
  const infos = all.map((tensor) => {
    const { name, shape } = tensor;
    const info = [
      string(name),
      u32(shape.length),
      ...shape.toReversed().map(u64),
      u32(types[tensor.type]),
      u64(offset),
    ];
    const bytes = byteLength(tensor);
    offset += bytes + padding(bytes).length;
    return Buffer.concat(info);
  });
  const header = Buffer.concat([Buffer.from("GGUF"), u32(3), u64(all.length), u64(keys.length), ...keys, ...infos]);
  const std = config.initializer_range;
  const block = randomBlock(type, std);
  const fd = openSync(`${out}.part`, "w");
  writeSync(fd, Buffer.concat([header, padding(header.length)]));
  for (const tensor of all) {
    for (const piece of content(tensor, block, std))
      for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
    writeSync(fd, padding(byteLength(tensor)));
  }
  closeSync(fd);
  renameSync(`${out}.part`, out);
  const parameters = all.reduce((sum, { shape }) => sum + count(shape), 0);
  process.stdout.write(
    `${JSON.stringify({ out, type, parameters, bytes: header.length + padding(header.length).length + offset })}\n`,
  );
}

try {
  main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`make_gguf: ${error.message}\n`);
  process.exit(1);
}
