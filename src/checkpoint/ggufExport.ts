/**
 * A checkpoint for llama.cpp, whose name for this architecture is deepseek2: experts of a layer stacked, kv_b_proj split into the part that
 * is folded into the query (transposed) and the part that makes values, attention described as it is absorbed, with one head of keys. Rotated
 * channels stay interleaved, as they are there too. MTP layers are left out: that program has no place for them.
 */
import { join } from "node:path";
import type { ModelConfig } from "../model/config.js";
import { Arena } from "../tensor/arena.js";
import { native } from "../tensor/native.js";
import { Tensor } from "../tensor/tensor.js";
import { type GgufTensor, type GgufType, type GgufValue, q8Block, q8BlockBytes, writeGguf } from "./gguf.js";
import { fp8Block, readConfig } from "./modelFiles.js";
import { TensorFiles } from "./tensorFiles.js";
import { readTensor } from "./tensorIo.js";

export type GgufPrecision = "f16" | "bf16" | "q8_0";

/** What the file says of the tokenizer; null of a chat template or an id leaves the key out. */
export interface GgufVocabulary {
  /** By id, in the byte alphabet of GPT-2; ids up to the model's vocab_size without a token are filled up. */
  readonly tokens: readonly (string | null)[];
  readonly isControl: readonly boolean[];
  readonly merges: readonly string[];
  readonly addsBos: boolean;
  readonly bosTokenId: number | null;
  readonly eosTokenId: number | null;
  readonly padTokenId: number | null;
  readonly chatTemplate: string | null;
}

export interface GgufResult {
  readonly path: string;
  readonly tensors: number;
  readonly bytes: number;
  /** Tensors in float16 because their rows are no whole blocks of Q8_0. */
  readonly notQuantized: number;
}

const fileTypes: Readonly<Record<GgufPrecision, number>> = { f16: 1, q8_0: 7, bf16: 32 };
const [normalToken, controlToken, unusedToken] = [1, 3, 5];

/**
 * @param to the file
 * @throws RangeError naming the config's key for a model that llama.cpp cannot hold
 */
export function exportGguf(from: string, to: string, precision: GgufPrecision, vocabulary: GgufVocabulary): GgufResult {
  const config = readConfig(from);
  checkExportable(config, join(from, "config.json"));
  const tensors = new Exporter(from, config, precision).tensors();
  const metadata = { ...describeModel(config, precision), ...describeVocabulary(vocabulary, config.vocabSize) };
  const bytes = writeGguf(to, metadata, tensors);
  const notQuantized = precision === "q8_0" ? tensors.filter(({ type }) => type === "f16").length : 0;
  return { path: to, tensors: tensors.length, bytes, notQuantized };
}

function checkExportable(config: ModelConfig, where: string): void {
  const need = (key: string, isFine: boolean, expected: string): void => {
    if (!isFine) throw new RangeError(`${where}: ${key}: a GGUF file of deepseek2 needs ${expected}`);
  };
  need("attention", config.attention === "mla", "multi-head latent attention");
  need("n_routed_experts", config.nRoutedExperts > 0, "experts");
  need("n_shared_experts", config.nSharedExperts > 0, "at least one shared expert");
  need("moe_layer_freq", config.moeLayerFreq === 1, "1");
  need("rms_norm_eps", config.latentNormEps === config.rmsNormEps, "the same value as the latent norms have");
}

class Exporter {
  readonly #files: TensorFiles;
  readonly #config: ModelConfig;
  readonly #precision: GgufPrecision;
  readonly #block: number;
  readonly #arena = new Arena();

  constructor(from: string, config: ModelConfig, precision: GgufPrecision) {
    this.#files = new TensorFiles(from);
    this.#config = config;
    this.#precision = precision;
    this.#block = fp8Block(config, from);
  }

  tensors(): GgufTensor[] {
    const { vocabSize, hiddenSize: d, numHiddenLayers } = this.#config;
    return [
      this.#matrix("token_embd.weight", "model.embed_tokens.weight", [vocabSize, d]),
      this.#exact("output_norm.weight", "model.norm.weight", [d]),
      this.#matrix("output.weight", "lm_head.weight", [vocabSize, d]),
      ...Array.from({ length: numHiddenLayers }, (_, layer) => this.#layer(layer)).flat(),
    ];
  }

  #layer(layer: number): GgufTensor[] {
    const c = this.#config;
    const [from, to] = [`model.layers.${layer}.`, `blk.${layer}.`];
    const { hiddenSize: d, numAttentionHeads: heads, qLoraRank, kvLoraRank, qkRopeHeadDim: rope, vHeadDim } = c;
    const queries = heads * (c.qkNopeHeadDim + rope);
    const matrix = (name: string, source: string, rows: number, columns: number): GgufTensor =>
      this.#matrix(`${to}${name}.weight`, `${from}${source}.weight`, [rows, columns]);
    const exact = (name: string, source: string, ...shape: number[]): GgufTensor =>
      this.#exact(`${to}${name}`, `${from}${source}`, shape);
    const query =
      qLoraRank === null
        ? [matrix("attn_q", "self_attn.q_proj", queries, d)]
        : [
            matrix("attn_q_a", "self_attn.q_a_proj", qLoraRank, d),
            exact("attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight", qLoraRank),
            matrix("attn_q_b", "self_attn.q_b_proj", queries, qLoraRank),
          ];
    return [
      exact("attn_norm.weight", "input_layernorm.weight", d),
      ...query,
      matrix("attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa", kvLoraRank + rope, d),
      exact("attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight", kvLoraRank),
      ...this.#keysAndValues(to, `${from}self_attn.kv_b_proj.weight`),
      matrix("attn_output", "self_attn.o_proj", d, heads * vHeadDim),
      exact("ffn_norm.weight", "post_attention_layernorm.weight", d),
      ...(layer < c.firstKDenseReplace ? this.#dense(matrix) : this.#experts(from, to, matrix, exact)),
    ];
  }

  #dense(matrix: (name: string, source: string, rows: number, columns: number) => GgufTensor): GgufTensor[] {
    const { hiddenSize: d, intermediateSize } = this.#config;
    return [
      matrix("ffn_gate", "mlp.gate_proj", intermediateSize, d),
      matrix("ffn_down", "mlp.down_proj", d, intermediateSize),
      matrix("ffn_up", "mlp.up_proj", intermediateSize, d),
    ];
  }

  #experts(
    from: string,
    to: string,
    matrix: (name: string, source: string, rows: number, columns: number) => GgufTensor,
    exact: (name: string, source: string, ...shape: number[]) => GgufTensor,
  ): GgufTensor[] {
    const { hiddenSize: d, moeIntermediateSize: m, nRoutedExperts: e, nSharedExperts, topkMethod } = this.#config;
    const shared = m * nSharedExperts;
    const stacked = (part: string, rows: number, columns: number): GgufTensor => {
      const sources = Array.from({ length: e }, (_, j) => `${from}mlp.experts.${j}.${part}_proj.weight`);
      return this.#written(`${to}ffn_${part}_exps.weight`, [e, rows, columns], this.#typeFor(columns), () =>
        sources.map((source) => () => this.#read(source, [rows, columns])),
      );
    };
    return [
      exact("ffn_gate_inp.weight", "mlp.gate.weight", e, d),
      ...(topkMethod === "noaux_tc" ? [exact("exp_probs_b.bias", "mlp.gate.e_score_correction_bias", e)] : []),
      stacked("gate", m, d),
      stacked("down", d, m),
      stacked("up", m, d),
      matrix("ffn_gate_shexp", "mlp.shared_experts.gate_proj", shared, d),
      matrix("ffn_down_shexp", "mlp.shared_experts.down_proj", d, shared),
      matrix("ffn_up_shexp", "mlp.shared_experts.up_proj", shared, d),
    ];
  }

  /** kv_b_proj [H, N + V, C] as k_b [H, C, N] and v_b [H, V, C]. */
  #keysAndValues(to: string, source: string): GgufTensor[] {
    const { numAttentionHeads: heads, qkNopeHeadDim: n, vHeadDim: v, kvLoraRank: c } = this.#config;
    const shape = [heads * (n + v), c];
    const part = (name: string, extents: readonly number[], pick: (all: Float32Array, out: Float32Array) => void) =>
      this.#written(`${to}${name}.weight`, extents, this.#typeFor(extents.at(-1) ?? 1), () => [
        () => {
          const all = this.#read(source, shape);
          const picked = Tensor.empty(this.#arena, extents, "float32");
          pick(all.floats(), picked.floats());
          all.free();
          return picked;
        },
      ]);
    return [
      part("attn_k_b", [heads, c, n], (all, out) => {
        for (let h = 0; h < heads; h++)
          for (let i = 0; i < n; i++)
            for (let j = 0; j < c; j++) out[(h * c + j) * n + i] = all[(h * (n + v) + i) * c + j] ?? 0;
      }),
      part("attn_v_b", [heads, v, c], (all, out) => {
        for (let h = 0; h < heads; h++) {
          const begin = (h * (n + v) + n) * c;
          out.set(all.subarray(begin, begin + v * c), h * v * c);
        }
      }),
    ];
  }

  #matrix(name: string, source: string, shape: readonly number[]): GgufTensor {
    return this.#written(name, shape, this.#typeFor(shape.at(-1) ?? 1), () => [() => this.#read(source, shape)]);
  }

  /** Norms, the router and its bias stay float32. */
  #exact(name: string, source: string, shape: readonly number[]): GgufTensor {
    return this.#written(name, shape, "f32", () => [() => this.#read(source, shape)]);
  }

  #typeFor(columns: number): GgufType {
    return this.#precision === "q8_0" && columns % q8Block !== 0 ? "f16" : this.#precision;
  }

  /** @param parts readers of consecutive parts as float32, each run when its turn comes */
  #written(name: string, shape: readonly number[], type: GgufType, parts: () => readonly (() => Tensor)[]): GgufTensor {
    function* pieces(): Iterable<Uint8Array> {
      for (const read of parts()) {
        const tensor = read();
        yield encode(tensor, type);
        tensor.free();
      }
    }
    return { name, shape, type, pieces };
  }

  #read(name: string, shape: readonly number[]): Tensor {
    const tensor = Tensor.empty(this.#arena, shape, "float32");
    readTensor(this.#files, { name, shape, slices: [{ start: 0, length: tensor.size }] }, tensor, this.#block);
    return tensor;
  }
}

function encode(tensor: Tensor, type: GgufType): Uint8Array {
  if (type === "f32") return tensor.bytes();
  if (type === "q8_0") return encodeQ8(tensor);
  const bytes = new Uint8Array(2 * tensor.size);
  const block = native().alloc(Math.max(1, bytes.length));
  native().convert(block.address, tensor.address, tensor.size, type === "bf16" ? 1 : 3, 0);
  bytes.set(new Uint8Array(block.buffer, 0, bytes.length));
  native().release(block.address, block.bytes);
  return bytes;
}

/** Blocks of a float16 scale, the largest absolute value over 127, and 32 int8. */
function encodeQ8(tensor: Tensor): Uint8Array {
  const blocks = tensor.size / q8Block;
  const memory = native().alloc(tensor.size + blocks * 6);
  const [scales, halves] = [memory.address + tensor.size, memory.address + tensor.size + 4 * blocks];
  native().quantizeRows(memory.address, scales, tensor.address, 1, tensor.size, q8Block, 1, 0);
  native().convert(halves, scales, blocks, 3, 0);
  const values = new Uint8Array(memory.buffer, 0, tensor.size);
  const ofBlocks = new Uint8Array(memory.buffer, tensor.size + 4 * blocks, 2 * blocks);
  const bytes = new Uint8Array(blocks * q8BlockBytes);
  for (let i = 0; i < blocks; i++) {
    bytes[i * q8BlockBytes] = ofBlocks[2 * i] ?? 0;
    bytes[i * q8BlockBytes + 1] = ofBlocks[2 * i + 1] ?? 0;
    bytes.set(values.subarray(i * q8Block, (i + 1) * q8Block), i * q8BlockBytes + 2);
  }
  native().release(memory.address, memory.bytes);
  return bytes;
}

function describeModel(c: ModelConfig, precision: GgufPrecision): Record<string, GgufValue> {
  const numbers: Record<string, number> = {
    block_count: c.numHiddenLayers,
    context_length: c.maxPositionEmbeddings,
    embedding_length: c.hiddenSize,
    feed_forward_length: c.intermediateSize,
    leading_dense_block_count: c.firstKDenseReplace,
    vocab_size: c.vocabSize,
    expert_count: c.nRoutedExperts,
    expert_used_count: c.numExpertsPerTok,
    expert_shared_count: c.nSharedExperts,
    expert_feed_forward_length: c.moeIntermediateSize,
    expert_gating_func: c.scoringFunc === "softmax" ? 1 : 2,
    "attention.head_count": c.numAttentionHeads,
    "attention.head_count_kv": 1,
    "attention.kv_lora_rank": c.kvLoraRank,
    "attention.key_length": c.kvLoraRank + c.qkRopeHeadDim,
    "attention.value_length": c.kvLoraRank,
    "attention.key_length_mla": c.qkNopeHeadDim + c.qkRopeHeadDim,
    "attention.value_length_mla": c.vHeadDim,
    "rope.dimension_count": c.qkRopeHeadDim,
    ...(c.qLoraRank === null ? {} : { "attention.q_lora_rank": c.qLoraRank }),
    ...(c.nGroup > 1 ? { expert_group_count: c.nGroup, expert_group_used_count: c.topkGroup } : {}),
  };
  const keyed = Object.entries(numbers).map(([key, value]) => [`deepseek2.${key}`, { u32: value }] as const);
  return {
    "general.architecture": { text: "deepseek2" },
    "general.file_type": { u32: fileTypes[precision] },
    "general.alignment": { u32: 32 },
    ...Object.fromEntries(keyed),
    "deepseek2.rope.freq_base": { f32: c.ropeTheta },
    "deepseek2.attention.layer_norm_rms_epsilon": { f32: c.rmsNormEps },
    "deepseek2.expert_weights_scale": { f32: c.routedScalingFactor },
    "deepseek2.expert_weights_norm": { bool: c.normTopkProb },
    ...describeScaling(c),
  };
}

function describeScaling({ ropeScaling: s }: ModelConfig): Record<string, GgufValue> {
  if (s === null) return {};
  const key = (name: string): string => `deepseek2.rope.scaling.${name}`;
  const common = { [key("type")]: { text: s.type }, [key("factor")]: { f32: s.factor } };
  if (s.type === "linear") return common;
  return {
    ...common,
    [key("original_context_length")]: { u32: s.originalMaxPositionEmbeddings },
    [key("yarn_log_multiplier")]: { f32: 0.1 * s.mscaleAllDim },
    [key("yarn_beta_fast")]: { f32: s.betaFast },
    [key("yarn_beta_slow")]: { f32: s.betaSlow },
  };
}

function describeVocabulary(v: GgufVocabulary, vocabSize: number): Record<string, GgufValue> {
  if (v.tokens.length > vocabSize) {
    throw new RangeError(`the tokenizer has ${v.tokens.length} ids, the model ${vocabSize}: not the model's tokenizer`);
  }
  const ids = Array.from({ length: vocabSize }, (_, id) => id);
  const id = (key: string, value: number | null): Record<string, GgufValue> =>
    value === null ? {} : { [`tokenizer.ggml.${key}_token_id`]: { u32: value } };
  return {
    "tokenizer.ggml.model": { text: "gpt2" },
    "tokenizer.ggml.pre": { text: "deepseek-v3" },
    "tokenizer.ggml.tokens": { texts: ids.map((i) => v.tokens[i] ?? `[PAD${i}]`) },
    "tokenizer.ggml.token_type": {
      i32s: ids.map((i) =>
        (v.tokens[i] ?? null) === null ? unusedToken : v.isControl[i] ? controlToken : normalToken,
      ),
    },
    "tokenizer.ggml.merges": { texts: v.merges },
    ...id("bos", v.bosTokenId),
    ...id("eos", v.eosTokenId),
    ...id("padding", v.padTokenId),
    "tokenizer.ggml.add_bos_token": { bool: v.addsBos },
    ...(v.chatTemplate === null ? {} : { "tokenizer.chat_template": { text: v.chatTemplate } }),
  };
}
