/**
 * The shape of a model: Hugging Face's config.json keys (snake_case) and the same words in camelCase, converted here alone. Values are checked
 * once, where they enter; impossible ones are refused by name. model.md B1, B2.
 *
 * Three keys are ours: `attention` chooses the baselines that the paper compares with, `mtp_hidden_post_norm` which state an MTP module reads
 * (A9), `latent_norm_eps` the epsilon of the two latent norms (pitfall G7; default rms_norm_eps).
 */
import { isObject } from "../files/json.js";
import { parseRopeScaling, type RopeScaling, serializeRopeScaling, yarnMagnitude } from "./ropeScaling.js";

export type Attention = "mla" | "gqa" | "mha";
export type ModelType = "deepseek_v2" | "deepseek_v3" | "kimi_k2";
export type TorchDtype = "float32" | "bfloat16" | "float16";

export interface ModelConfig {
  readonly modelType: ModelType;
  readonly attention: Attention;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  /** Width of dense layers. */
  readonly intermediateSize: number;
  /** Width of one expert. */
  readonly moeIntermediateSize: number;
  readonly firstKDenseReplace: number;
  readonly moeLayerFreq: number;
  /** 0 = every layer is dense. */
  readonly nRoutedExperts: number;
  readonly nSharedExperts: number;
  readonly numExpertsPerTok: number;
  readonly nGroup: number;
  readonly topkGroup: number;
  readonly topkMethod: "noaux_tc" | "greedy" | "group_limited_greedy";
  readonly scoringFunc: "sigmoid" | "softmax";
  readonly normTopkProb: boolean;
  readonly routedScalingFactor: number;
  readonly numAttentionHeads: number;
  /** Only `attention: gqa` reads it. */
  readonly numKeyValueHeads: number;
  /** Head size of the gqa and mha baselines. */
  readonly headDim: number;
  /** null = queries are not compressed. */
  readonly qLoraRank: number | null;
  readonly kvLoraRank: number;
  readonly qkNopeHeadDim: number;
  readonly qkRopeHeadDim: number;
  readonly vHeadDim: number;
  /** D, the MTP modules stored after the last layer. */
  readonly numNextnPredictLayers: number;
  readonly mtpHiddenPostNorm: boolean;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly latentNormEps: number;
  readonly initializerRange: number;
  readonly bosTokenId: number | null;
  readonly eosTokenId: number | null;
  readonly torchDtype: TorchDtype;
  /** quantization_config as it was read; null for unquantised files. */
  readonly quantizationConfig: Readonly<Record<string, unknown>> | null;
  /** Keys that we do without or do not know, for the round trip. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Keys of published files that change nothing here; kept on a round trip. */
const ignoredKeys = new Set(
  `architectures auto_map attention_dropout aux_loss_alpha seq_aux ep_size pretraining_tp use_cache transformers_version
  pad_token_id _name_or_path output_router_logits moe_router_dtype mlp_bias num_local_experts bad_words_ids chunk_size_feed_forward
  return_dict output_attentions output_hidden_states torchscript is_encoder_decoder is_decoder problem_type id2label label2id
  dtype_source tf_legacy_loss use_bfloat16 prefix tokenizer_class task_specific_params router_aux_loss_coef sep_token_id
  qk_head_dim default_theta layer_types mlp_layer_types router_jitter_noise num_experts`.split(/\s+/),
);

export interface ParseOptions {
  /** Accept keys nobody here knows, as a downloaded checkpoint may have; a file written by hand is refused instead. Default false. */
  readonly allowUnknown?: boolean;
}

/** Reads single keys of an object, remembers which, and refuses with the file's name. */
class KeyReader {
  readonly source: Readonly<Record<string, unknown>>;
  readonly where: string;
  readonly seen = new Set<string>();

  constructor(source: Readonly<Record<string, unknown>>, where: string) {
    this.source = source;
    this.where = where;
  }

  refuse(key: string, expected: string): never {
    throw new RangeError(`${this.where}: ${key} must be ${expected}, got ${JSON.stringify(this.source[key])}`);
  }

  value(key: string): unknown {
    this.seen.add(key);
    return this.source[key];
  }

  integer(key: string, low: number, fallback?: number, high = 2 ** 31 - 1): number {
    const value = this.value(key) ?? fallback;
    if (value === undefined) throw new RangeError(`${this.where}: ${key} is missing`);
    if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
      this.refuse(key, `an integer from ${low} to ${high}`);
    }
    return value;
  }

  positive(key: string, fallback: number): number {
    const value = this.value(key) ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) this.refuse(key, "a positive number");
    return value;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback;
    if (typeof value !== "boolean") this.refuse(key, "true or false");
    return value;
  }

  choice<T extends string>(key: string, allowed: readonly T[], fallback?: T): T {
    const value = this.value(key) ?? fallback;
    if (value === undefined) throw new RangeError(`${this.where}: ${key} is missing`);
    const found = allowed.find((name) => name === value);
    if (found === undefined) this.refuse(key, `one of ${allowed.join(", ")}`);
    return found;
  }

  /** A token id, or the first of a list of them. */
  tokenId(key: string): number | null {
    const given = this.value(key);
    const value: unknown = Array.isArray(given) ? given[0] : given;
    if (value === undefined || value === null) return null;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0) this.refuse(key, "a token id or null");
    return value;
  }

  /** Refuses any other value than this one, or none at all. */
  only(key: string, value: unknown): void {
    const given = this.value(key);
    if (given !== undefined && given !== null && given !== value) this.refuse(key, JSON.stringify(value));
  }
}

/**
 * Reads and checks a parsed config.json.
 * @param where names the file in errors
 * @throws RangeError naming the key, what it must be and what it is
 */
export function parseModelConfig(json: unknown, where: string, options: ParseOptions = {}): ModelConfig {
  if (!isObject(json)) throw new RangeError(`${where}: expected a JSON object with the keys of a model config`);
  const keys = new KeyReader(json, where);
  const modelType = keys.choice("model_type", ["deepseek_v2", "deepseek_v3", "kimi_k2"], "deepseek_v3");
  const isV2 = modelType === "deepseek_v2";
  const attention = keys.choice<Attention>("attention", ["mla", "gqa", "mha"], "mla");
  const isMla = attention === "mla";
  const numHiddenLayers = keys.integer("num_hidden_layers", 1, undefined, 10_000);
  const hiddenSize = keys.integer("hidden_size", 1);
  const numAttentionHeads = keys.integer("num_attention_heads", 1);
  const nRoutedExperts = keys.integer("n_routed_experts", 0, 0);
  const hasExperts = nRoutedExperts > 0;
  const rmsNormEps = keys.positive("rms_norm_eps", 1e-6);
  // `head_dim` of a Hugging Face file is the rotated part alone (pitfall G22) and says nothing about latent attention.
  const headDim = isMla ? 0 : keys.integer("head_dim", 2, Math.floor(hiddenSize / numAttentionHeads));
  if (isMla) keys.value("head_dim");
  const rope = parseRopeScaling(json, where);
  for (const key of ["rope_theta", "rope_scaling", "rope_parameters"]) keys.seen.add(key);
  keys.only("hidden_act", "silu");
  keys.only("attention_bias", false);
  keys.only("tie_word_embeddings", false);
  keys.only("rope_interleave", true);
  const quantization = keys.value("quantization_config") ?? null;
  const quantizationConfig = isObject(quantization) ? quantization : null;
  if (quantization !== quantizationConfig) keys.refuse("quantization_config", "an object or null");
  const config: ModelConfig = {
    modelType,
    attention,
    vocabSize: keys.integer("vocab_size", 1),
    hiddenSize,
    numHiddenLayers,
    intermediateSize: keys.integer("intermediate_size", 1),
    moeIntermediateSize: keys.integer("moe_intermediate_size", hasExperts ? 1 : 0, hasExperts ? undefined : 0),
    firstKDenseReplace: keys.integer("first_k_dense_replace", 0, 0, numHiddenLayers),
    moeLayerFreq: keys.integer("moe_layer_freq", 1, 1),
    nRoutedExperts,
    nSharedExperts: keys.integer("n_shared_experts", 0, 0),
    numExpertsPerTok: keys.integer("num_experts_per_tok", hasExperts ? 1 : 0, hasExperts ? undefined : 0),
    nGroup: keys.integer("n_group", 1, 1),
    topkGroup: keys.integer("topk_group", 1, 1),
    topkMethod: keys.choice(
      "topk_method",
      ["noaux_tc", "greedy", "group_limited_greedy"],
      isV2 ? "greedy" : "noaux_tc",
    ),
    scoringFunc: keys.choice("scoring_func", ["sigmoid", "softmax"], isV2 ? "softmax" : "sigmoid"),
    normTopkProb: keys.flag("norm_topk_prob", !isV2),
    routedScalingFactor: keys.positive("routed_scaling_factor", isV2 ? 1 : 2.5),
    numAttentionHeads,
    numKeyValueHeads: keys.integer("num_key_value_heads", 1, numAttentionHeads, numAttentionHeads),
    headDim,
    qLoraRank: isMla && (keys.value("q_lora_rank") ?? null) !== null ? keys.integer("q_lora_rank", 1) : null,
    kvLoraRank: isMla ? keys.integer("kv_lora_rank", 1) : 0,
    qkNopeHeadDim: isMla ? keys.integer("qk_nope_head_dim", 1) : 0,
    qkRopeHeadDim: isMla ? keys.integer("qk_rope_head_dim", 2) : 0,
    vHeadDim: isMla ? keys.integer("v_head_dim", 1) : 0,
    numNextnPredictLayers: keys.integer("num_nextn_predict_layers", 0, 0, 16),
    mtpHiddenPostNorm: keys.flag("mtp_hidden_post_norm", true),
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    maxPositionEmbeddings: keys.integer("max_position_embeddings", 1, 4096),
    rmsNormEps,
    latentNormEps: keys.positive("latent_norm_eps", rmsNormEps),
    initializerRange: keys.positive("initializer_range", 0.02),
    bosTokenId: keys.tokenId("bos_token_id"),
    eosTokenId: keys.tokenId("eos_token_id"),
    torchDtype: keys.choice(
      json.torch_dtype === undefined && json.dtype !== undefined ? "dtype" : "torch_dtype",
      ["float32", "bfloat16", "float16"],
      "float32",
    ),
    quantizationConfig,
    extra: {},
  };
  keys.seen.add("dtype").add("torch_dtype");
  if (!isMla) for (const key of mlaKeys) keys.seen.add(key);
  checkShapes(config, keys);
  const extra = Object.entries(json).filter(([key]) => !keys.seen.has(key));
  const unknown = extra.find(([key]) => !ignoredKeys.has(key));
  if (unknown && !options.allowUnknown) {
    throw new RangeError(`${where}: unknown key ${unknown[0]}; the keys are those of a DeepSeek config.json`);
  }
  return { ...config, extra: Object.fromEntries(extra) };
}

const mlaKeys = ["q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"];

/** What single keys cannot say. */
function checkShapes(c: ModelConfig, keys: KeyReader): void {
  if (c.attention === "mla" && c.qkRopeHeadDim % 2 !== 0) keys.refuse("qk_rope_head_dim", "even: pairs are rotated");
  if (c.attention !== "mla" && c.headDim % 2 !== 0) keys.refuse("head_dim", "even: pairs are rotated");
  if (c.attention === "gqa" && c.numAttentionHeads % c.numKeyValueHeads !== 0) {
    keys.refuse("num_key_value_heads", `a divisor of num_attention_heads (${c.numAttentionHeads})`);
  }
  if (c.nRoutedExperts === 0) return;
  if (c.numExpertsPerTok > c.nRoutedExperts) {
    keys.refuse("num_experts_per_tok", `at most n_routed_experts (${c.nRoutedExperts})`);
  }
  if (c.nRoutedExperts % c.nGroup !== 0) keys.refuse("n_group", `a divisor of n_routed_experts (${c.nRoutedExperts})`);
  if (c.topkGroup > c.nGroup) keys.refuse("topk_group", `at most n_group (${c.nGroup})`);
  const perGroup = c.nRoutedExperts / c.nGroup;
  if (c.topkMethod === "noaux_tc" && c.nGroup > 1 && perGroup < 2) {
    keys.refuse("n_group", `at most half of n_routed_experts (${c.nRoutedExperts}): a group is scored by its best two`);
  }
  const reachable = c.topkMethod === "greedy" ? c.nRoutedExperts : perGroup * c.topkGroup;
  if (c.numExpertsPerTok > reachable) {
    keys.refuse("num_experts_per_tok", `at most ${reachable}, the experts of ${c.topkGroup} of ${c.nGroup} groups`);
  }
}

/** The config as config.json, keys in a fixed order, every unknown key kept. */
export function serializeModelConfig(c: ModelConfig): Record<string, unknown> {
  const isMla = c.attention === "mla";
  const architecture = c.modelType === "deepseek_v2" ? "DeepseekV2ForCausalLM" : "DeepseekV3ForCausalLM";
  return {
    // No published class implements the baselines' attention.
    ...(isMla ? { architectures: [architecture] } : {}),
    model_type: c.modelType,
    ...(isMla ? {} : { attention: c.attention, head_dim: c.headDim }),
    vocab_size: c.vocabSize,
    hidden_size: c.hiddenSize,
    num_hidden_layers: c.numHiddenLayers,
    intermediate_size: c.intermediateSize,
    moe_intermediate_size: c.moeIntermediateSize,
    first_k_dense_replace: c.nRoutedExperts === 0 ? c.numHiddenLayers : c.firstKDenseReplace,
    moe_layer_freq: c.moeLayerFreq,
    n_routed_experts: c.nRoutedExperts,
    n_shared_experts: c.nSharedExperts,
    num_experts_per_tok: c.numExpertsPerTok,
    n_group: c.nGroup,
    topk_group: c.topkGroup,
    topk_method: c.topkMethod,
    scoring_func: c.scoringFunc,
    norm_topk_prob: c.normTopkProb,
    routed_scaling_factor: c.routedScalingFactor,
    num_attention_heads: c.numAttentionHeads,
    num_key_value_heads: c.numKeyValueHeads,
    ...(isMla
      ? {
          q_lora_rank: c.qLoraRank,
          kv_lora_rank: c.kvLoraRank,
          qk_nope_head_dim: c.qkNopeHeadDim,
          qk_rope_head_dim: c.qkRopeHeadDim,
          v_head_dim: c.vHeadDim,
        }
      : {}),
    num_nextn_predict_layers: c.numNextnPredictLayers,
    ...(c.mtpHiddenPostNorm ? {} : { mtp_hidden_post_norm: false }),
    rope_theta: c.ropeTheta,
    rope_scaling: c.ropeScaling && serializeRopeScaling(c.ropeScaling),
    rope_interleave: true,
    max_position_embeddings: c.maxPositionEmbeddings,
    rms_norm_eps: c.rmsNormEps,
    ...(c.latentNormEps === c.rmsNormEps ? {} : { latent_norm_eps: c.latentNormEps }),
    hidden_act: "silu",
    attention_bias: false,
    tie_word_embeddings: false,
    initializer_range: c.initializerRange,
    bos_token_id: c.bosTokenId,
    eos_token_id: c.eosTokenId,
    torch_dtype: c.torchDtype,
    ...(c.quantizationConfig ? { quantization_config: c.quantizationConfig } : {}),
    ...Object.fromEntries(Object.entries(c.extra).filter(([key]) => key !== "architectures")),
  };
}

/** Whether a layer holds experts. Layers from numHiddenLayers on are MTP modules, whose block is a MoE layer where the model has any. */
export function isMoeLayer(config: ModelConfig, layer: number): boolean {
  if (config.nRoutedExperts === 0) return false;
  if (layer >= config.numHiddenLayers) return true;
  return layer >= config.firstKDenseReplace && layer % config.moeLayerFreq === 0;
}

/** Dimensions of a query or key: d_n + d_r, or the baselines' head_dim. */
export function qkHeadDim(config: ModelConfig): number {
  return config.attention === "mla" ? config.qkNopeHeadDim + config.qkRopeHeadDim : config.headDim;
}

/** Channels of a head that are rotated. */
export function rotatedDim(config: ModelConfig): number {
  return config.attention === "mla" ? config.qkRopeHeadDim : config.headDim;
}

/** 1 / sqrt(d_q), times YaRN's squared magnitude where mscale_all_dim asks for it (model.md A4). */
export function softmaxScale(config: ModelConfig): number {
  const base = 1 / Math.sqrt(qkHeadDim(config));
  const { ropeScaling } = config;
  if (ropeScaling?.type !== "yarn" || ropeScaling.mscaleAllDim === 0) return base;
  return base * yarnMagnitude(ropeScaling.factor, ropeScaling.mscaleAllDim) ** 2;
}
