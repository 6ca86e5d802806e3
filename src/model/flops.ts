/**
 * Parameters, cache bytes and floating-point operations of a config, by arithmetic alone: nothing is allocated, so it answers for 671B.
 * training.md E1 to E5. Counted: every stored number of the main model, norms and routing biases included; not counted: scales of
 * quantised files and, outside `mtp`, the MTP modules.
 */
import { isMoeLayer, type ModelConfig, qkHeadDim } from "./config.js";

export interface ParameterCounts {
  readonly total: number;
  /** What one token meets: every expert not chosen left out; embedding and head counted whole. */
  readonly activated: number;
  /** Of all MTP modules, without the copies of embedding and head that a checkpoint holds. */
  readonly mtp: number;
  /** Of the MTP modules, what one token meets. */
  readonly mtpActivated: number;
  readonly embedding: number;
  readonly head: number;
  /** Per layer. */
  readonly layers: readonly LayerCounts[];
}

export interface LayerCounts {
  readonly attention: number;
  readonly norms: number;
  readonly feedForward: number;
  readonly total: number;
  readonly activated: number;
  /** Multiplied per token: activated matrices, without norms and biases. */
  readonly matmul: number;
  /** Of these, the feed-forward part's. */
  readonly matmulFeedForward: number;
}

export function parameterCounts(config: ModelConfig): ParameterCounts {
  const { hiddenSize: d, numHiddenLayers, numNextnPredictLayers: depths, vocabSize } = config;
  const layers = Array.from({ length: numHiddenLayers }, (_, layer) => layerCounts(config, layer));
  const embedding = vocabSize * d;
  const sum = (key: "total" | "activated"): number => layers.reduce((all, layer) => all + layer[key], 0);
  const mtpLayer = layerCounts(config, numHiddenLayers);
  const mtpExtra = 2 * d + 2 * d * d + d; // enorm and hnorm, eh_proj, shared_head.norm
  return {
    total: sum("total") + 2 * embedding + d,
    activated: sum("activated") + 2 * embedding + d,
    mtp: depths * (mtpLayer.total + mtpExtra),
    mtpActivated: depths * (mtpLayer.activated + mtpExtra),
    embedding,
    head: embedding,
    layers,
  };
}

function layerCounts(config: ModelConfig, layer: number): LayerCounts {
  const { hiddenSize: d, moeIntermediateSize: m, nRoutedExperts: e } = config;
  const attention = attentionCounts(config);
  const norms = 2 * d;
  if (!isMoeLayer(config, layer)) {
    const feedForward = 3 * d * config.intermediateSize;
    const total = attention.total + norms + feedForward;
    return {
      attention: attention.total,
      norms,
      feedForward,
      total,
      activated: total,
      matmul: attention.matmul + feedForward,
      matmulFeedForward: feedForward,
    };
  }
  const router = e * d;
  const bias = config.topkMethod === "noaux_tc" ? e : 0;
  const shared = 3 * d * m * config.nSharedExperts;
  const feedForward = router + bias + shared + 3 * d * m * e;
  const active = router + shared + 3 * d * m * config.numExpertsPerTok;
  return {
    attention: attention.total,
    norms,
    feedForward,
    total: attention.total + norms + feedForward,
    activated: attention.total + norms + active + bias,
    matmul: attention.matmul + active,
    matmulFeedForward: active,
  };
}

function attentionCounts(c: ModelConfig): { readonly total: number; readonly matmul: number } {
  const { hiddenSize: d, numAttentionHeads: heads } = c;
  if (c.attention !== "mla") {
    const kvHeads = c.attention === "mha" ? heads : c.numKeyValueHeads;
    const matmul = d * c.headDim * (2 * heads + 2 * kvHeads);
    return { total: matmul, matmul };
  }
  const qDim = heads * qkHeadDim(c);
  const query = c.qLoraRank === null ? d * qDim : c.qLoraRank * (d + qDim);
  const keyValue = d * (c.kvLoraRank + c.qkRopeHeadDim) + c.kvLoraRank * heads * (c.qkNopeHeadDim + c.vHeadDim);
  const matmul = query + keyValue + heads * c.vHeadDim * d;
  return { total: matmul + (c.qLoraRank ?? 0) + c.kvLoraRank, matmul };
}

/** Values kept per token and layer while decoding: latent and rotated key for MLA, keys and values for the baselines. */
export function cacheValuesPerLayer(c: ModelConfig): number {
  if (c.attention === "mla") return c.kvLoraRank + c.qkRopeHeadDim;
  return 2 * c.headDim * (c.attention === "mha" ? c.numAttentionHeads : c.numKeyValueHeads);
}

/** @param bytesPerValue 2 for a bf16 cache */
export function kvCacheBytesPerToken(config: ModelConfig, bytesPerValue = 2): number {
  return cacheValuesPerLayer(config) * config.numHiddenLayers * bytesPerValue;
}

export interface TrainingFlops {
  /** 3 (2 N + A): forward once, backward twice; N matmul parameters a token meets, A attention. MTP modules included. */
  readonly total: number;
  /** The same without MTP modules, as the report counts. */
  readonly main: number;
  /** The same without the head too, as where a value head takes its place. */
  readonly trunk: number;
}

/**
 * Floating-point operations to train on one token, a multiply-add counted as two.
 * @param length tokens of a sequence @param causal whether masked-out attention is left out (training.md E5)
 */
export function flopsPerTokenTraining(config: ModelConfig, length: number, causal = true): TrainingFlops {
  const { hiddenSize: d, numHiddenLayers, numAttentionHeads: heads, numNextnPredictLayers: depths } = config;
  const { head } = parameterCounts(config);
  const vDim = config.attention === "mla" ? config.vHeadDim : config.headDim;
  const attention = 2 * heads * (qkHeadDim(config) + vDim) * (causal ? (length + 1) / 2 : length);
  const main = 3 * (2 * matmulOf(config) + attention * numHiddenLayers);
  const trunk = main - 3 * 2 * head;
  const mtp = depths * 3 * (2 * (layerCounts(config, numHiddenLayers).matmul + 2 * d * d + head) + attention);
  return { total: main + mtp, main, trunk };
}

/**
 * The same over frozen weights, with an adapter that alone has gradients: a matrix is gone through twice, the adapter three times. MTP
 * modules are left out.
 * @param activated numbers of the adapter that a token meets @param part "trunk" without the head
 */
export function flopsPerTokenAdapter(
  config: ModelConfig,
  length: number,
  activated: number,
  causal = true,
  part: "main" | "trunk" = "main",
): number {
  const frozen = matmulOf(config) - (part === "trunk" ? parameterCounts(config).head : 0);
  return flopsPerTokenTraining(config, length, causal)[part] - 2 * frozen + 6 * activated;
}

/** Matrix parameters that a token meets, MTP modules left out. */
function matmulOf(config: ModelConfig): number {
  const { layers, head } = parameterCounts(config);
  return layers.reduce((sum, layer) => sum + layer.matmul, head);
}
