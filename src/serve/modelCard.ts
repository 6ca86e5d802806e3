/**
 * A model on one card: its sizes, where its parameters are, and what its cache costs beside that of other attentions. Arithmetic on the config
 * alone; model.md A, training.md E1 and E4.
 */
import type { ModelInfo } from "../generate/request.js";
import { isMoeLayer, type ModelConfig } from "../model/config.js";
import { cacheValuesPerLayer, kvCacheBytesPerToken, parameterCounts } from "../model/flops.js";

export interface ModelCard {
  readonly id: string;
  /** How weights and cache are kept, for people. */
  readonly weights: string;
  readonly cache: string;
  readonly maxPositions: number;
  /** Whether turns of conversations are what it was trained on; else it goes on with text. */
  readonly isForChats: boolean;
  readonly sizes: ModelSizes;
  readonly parameters: {
    /** Without MTP modules, as the report counts. */
    readonly total: number;
    /** What one token meets. */
    readonly activated: number;
    readonly mtp: number;
    readonly mtpActivated: number;
    /** In the order of the model; they sum to total and activated. */
    readonly parts: readonly ParameterPart[];
  };
  /** Blocks alike and in a row, first to last. */
  readonly blocks: readonly BlockGroup[];
  /** Layers with experts in the order in which a trace lists them; MTP modules not counted. */
  readonly moeLayers: readonly number[];
  readonly cacheSchemes: readonly CacheScheme[];
}

export type ModelSizes = Pick<
  ModelConfig,
  | "attention"
  | "vocabSize"
  | "hiddenSize"
  | "numHiddenLayers"
  | "intermediateSize"
  | "moeIntermediateSize"
  | "nRoutedExperts"
  | "nSharedExperts"
  | "numExpertsPerTok"
  | "nGroup"
  | "topkGroup"
  | "numAttentionHeads"
  | "numKeyValueHeads"
  | "headDim"
  | "qLoraRank"
  | "kvLoraRank"
  | "qkNopeHeadDim"
  | "qkRopeHeadDim"
  | "vHeadDim"
  | "numNextnPredictLayers"
  | "maxPositionEmbeddings"
>;

export interface ParameterPart {
  readonly name:
    | "embedding"
    | "attention"
    | "dense layers"
    | "router"
    | "shared experts"
    | "routed experts"
    | "norms"
    | "head";
  readonly total: number;
  readonly activated: number;
}

export interface BlockGroup {
  readonly kind: "dense" | "moe";
  readonly first: number;
  readonly last: number;
  /** Parameters of one block. */
  readonly total: number;
  readonly activated: number;
}

export interface CacheScheme {
  readonly scheme: "MLA" | "GQA" | "MHA";
  /** What is kept per token and layer. */
  readonly detail: string;
  readonly valuesPerLayer: number;
  /** Over all layers, at 2 bytes a value. */
  readonly bytesPerToken: number;
  /** Whether the model has this one; the others are what it would need. */
  readonly isOwn: boolean;
}

/** What a card is made of. */
export type CardedModel = Omit<ModelInfo, "directory" | "adapter"> & Pick<ModelCard, "isForChats">;

/** As large models with grouped queries have it: 8 heads of keys and values, or half of the heads where those are fewer than 16. */
const usualKeyValueHeads = 8;

export function modelCard(id: string, { config, weights, cache, maxPositions, isForChats }: CardedModel): ModelCard {
  const { total, activated, mtp, mtpActivated } = parameterCounts(config);
  return {
    ...{ id, weights, cache, maxPositions, isForChats },
    sizes: sizesOf(config),
    parameters: { total, activated, mtp, mtpActivated, parts: partsOf(config) },
    blocks: blocksOf(config),
    moeLayers: moeLayers(config),
    cacheSchemes: schemesOf(config),
  };
}

/** Layers with experts, MTP modules not counted. */
export function moeLayers(config: ModelConfig): number[] {
  const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) => layer);
  return layers.filter((layer) => isMoeLayer(config, layer));
}

function sizesOf(c: ModelConfig): ModelSizes {
  const { attention, vocabSize, hiddenSize, numHiddenLayers, intermediateSize, moeIntermediateSize } = c;
  const { nRoutedExperts, nSharedExperts, numExpertsPerTok, nGroup, topkGroup, numAttentionHeads, numKeyValueHeads } =
    c;
  const { headDim, qLoraRank, kvLoraRank, qkNopeHeadDim, qkRopeHeadDim, vHeadDim } = c;
  const { numNextnPredictLayers, maxPositionEmbeddings } = c;
  return {
    ...{ attention, vocabSize, hiddenSize, numHiddenLayers, intermediateSize, moeIntermediateSize },
    ...{ nRoutedExperts, nSharedExperts, numExpertsPerTok, nGroup, topkGroup, numAttentionHeads, numKeyValueHeads },
    ...{ headDim, qLoraRank, kvLoraRank, qkNopeHeadDim, qkRopeHeadDim, vHeadDim },
    ...{ numNextnPredictLayers, maxPositionEmbeddings },
  };
}

function partsOf(config: ModelConfig): ParameterPart[] {
  const { embedding, head, layers } = parameterCounts(config);
  const {
    hiddenSize: d,
    moeIntermediateSize: m,
    nRoutedExperts,
    nSharedExperts,
    numExpertsPerTok,
    topkMethod,
  } = config;
  const moe = layers.filter((_, layer) => isMoeLayer(config, layer)).length;
  const expert = 3 * d * m;
  const router = moe * (nRoutedExperts * d + (topkMethod === "noaux_tc" ? nRoutedExperts : 0));
  const all = (name: ParameterPart["name"], total: number, activated = total): ParameterPart => ({
    name,
    total,
    activated,
  });
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  return [
    all("embedding", embedding),
    all("attention", sum(layers.map(({ attention }) => attention))),
    all("dense layers", sum(layers.map(({ feedForward }, layer) => (isMoeLayer(config, layer) ? 0 : feedForward)))),
    all("router", router),
    all("shared experts", moe * nSharedExperts * expert),
    all("routed experts", moe * nRoutedExperts * expert, moe * numExpertsPerTok * expert),
    all("norms", sum(layers.map(({ norms }) => norms)) + d),
    all("head", head),
  ].filter(({ total }) => total > 0);
}

function blocksOf(config: ModelConfig): BlockGroup[] {
  const groups: BlockGroup[] = [];
  for (const [layer, { total, activated }] of parameterCounts(config).layers.entries()) {
    const kind = isMoeLayer(config, layer) ? "moe" : "dense";
    const last = groups.at(-1);
    if (last?.kind === kind) groups[groups.length - 1] = { ...last, last: layer };
    else groups.push({ kind, first: layer, last: layer, total, activated });
  }
  return groups;
}

/** The smallest first; one that the model itself has stands with its own heads. */
function schemesOf(config: ModelConfig): CacheScheme[] {
  const { attention, numAttentionHeads: heads, kvLoraRank, qkRopeHeadDim, numHiddenLayers } = config;
  const dim = attention === "mla" ? config.vHeadDim : config.headDim;
  const keyValueHeads =
    attention === "gqa" ? config.numKeyValueHeads : Math.max(1, Math.min(usualKeyValueHeads, Math.floor(heads / 2)));
  const other = (scheme: "GQA" | "MHA", kvHeads: number): CacheScheme => ({
    scheme,
    detail: `keys and values of ${kvHeads} ${kvHeads === 1 ? "head" : "heads"} of ${dim}`,
    valuesPerLayer: 2 * kvHeads * dim,
    bytesPerToken: 2 * kvHeads * dim * numHiddenLayers * 2,
    isOwn: attention === scheme.toLowerCase(),
  });
  const latent: CacheScheme[] =
    attention === "mla"
      ? [
          {
            scheme: "MLA",
            detail: `one latent of ${kvLoraRank} and one rotated key of ${qkRopeHeadDim}`,
            valuesPerLayer: cacheValuesPerLayer(config),
            bytesPerToken: kvCacheBytesPerToken(config),
            isOwn: true,
          },
        ]
      : [];
  return [...latent, other("GQA", keyValueHeads), other("MHA", heads)];
}
