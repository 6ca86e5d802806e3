/**
 * What a pass through a model cannot do without: bytes of the weights it meets and of the cache it reads, operations of its products. From these
 * and the machine's peaks follow the floors of prefill and decoding.
 *   decoding  max(weight bytes / bandwidth, product FLOPs / peak) + max(latent bytes / bandwidth, attention FLOPs / peak)
 *   prefill   max(FLOPs / peak, weight bytes / bandwidth)
 * H heads, C kvLoraRank, R qkRopeHeadDim, N qkNopeHeadDim, V vHeadDim
 */
import type { ModelConfig } from "../model/config.js";
import { cacheValuesPerLayer, parameterCounts } from "../model/flops.js";
import type { Parameter } from "../tensor/parameter.js";
import type { Floors } from "../train/floors.js";
import { layerOf, weightBytes } from "./weights.js";

export interface PassCost {
  readonly weightBytes: number;
  /** Of products with weights. */
  readonly productFlops: number;
  /** Read from the cache; 0 in a prefill. */
  readonly cacheBytes: number;
  readonly attentionFlops: number;
}

export interface DecodeShape {
  /** Sequences that decode together. */
  readonly batch: number;
  /** Positions each new token sees, its own included. */
  readonly length: number;
  /** Different experts that a layer's rows meet, a mean over layers. */
  readonly experts: number;
  readonly bytesPerCacheValue: number;
}

/** One step of decoding in the absorbed form. @param parameters of the model in memory, in whatever they are stored as */
export function decodeCost(
  config: ModelConfig,
  parameters: readonly Parameter[],
  { batch, length, experts, bytesPerCacheValue }: DecodeShape,
): PassCost {
  const { numAttentionHeads: heads, kvLoraRank: c, qkRopeHeadDim: r, numHiddenLayers: layers } = config;
  return {
    weightBytes: touchedBytes(config, parameters, batch, experts),
    productFlops: 2 * batch * matmulParameters(config, true),
    cacheBytes: batch * length * layers * cacheValuesPerLayer(config) * bytesPerCacheValue,
    // Scores over C + R, then the sum over C.
    attentionFlops: 2 * batch * length * layers * heads * (2 * c + r),
  };
}

export interface SpeculationShape {
  /** Drafts of each step. */
  readonly depth: number;
  /** Tokens that a step writes, a mean: so many positions the MTP module reads before its first draft. */
  readonly tokensPerStep: number;
  /** Positions each new token sees, its own included. */
  readonly length: number;
  readonly bytesPerCacheValue: number;
}

/** Bytes of a step of one sequence. */
export interface SpeculationBytes {
  /** Without drafts. */
  readonly plain: number;
  /** With the rows of the drafts beside the last token's. */
  readonly verify: number;
  /** Of the MTP module, and of the head for each draft. */
  readonly drafts: number;
}

/** What a step with drafts reads. Rows of one sequence read its cache once, and draw their experts evenly. */
export function speculationBytes(
  config: ModelConfig,
  parameters: readonly Parameter[],
  { depth, tokensPerStep, length, bytesPerCacheValue }: SpeculationShape,
): SpeculationBytes {
  const { numHiddenLayers } = config;
  const main = parameters.filter((parameter) => layerOf(parameter) < numHiddenLayers);
  const shared = ["model.embed_tokens.weight", "lm_head.weight"];
  const module = parameters.filter(
    (parameter) => layerOf(parameter) === numHiddenLayers || shared.includes(parameter.name),
  );
  const bytesOf = (read: readonly Parameter[], rows: number, layers: number): number =>
    touchedBytes(config, read, rows, expectedExperts(config, rows)) +
    length * layers * cacheValuesPerLayer(config) * bytesPerCacheValue;
  const draft = (rows: number): number => bytesOf(module, rows, 1);
  return {
    plain: bytesOf(main, 1, numHiddenLayers),
    verify: bytesOf(main, 1 + depth, numHiddenLayers),
    drafts: depth === 0 ? 0 : draft(tokensPerStep) + (depth - 1) * draft(1),
  };
}

/** A prompt of `tokens` in one pass; the last layer's feed-forward part and logits of its last token alone. */
export function prefillCost(config: ModelConfig, parameters: readonly Parameter[], tokens: number): PassCost {
  const { numAttentionHeads: heads, qkNopeHeadDim: n, qkRopeHeadDim: r, vHeadDim: v, numHiddenLayers: layers } = config;
  const { head, layers: counts } = parameterCounts(config);
  const last = counts.at(-1)?.matmulFeedForward ?? 0;
  const experts = expectedExperts(config, tokens);
  return {
    weightBytes: touchedBytes(config, parameters, tokens, experts),
    productFlops: 2 * (tokens * (matmulParameters(config, false) - last) + last + head),
    cacheBytes: 0,
    attentionFlops: 2 * layers * heads * (n + r + v) * ((tokens * (tokens + 1)) / 2),
  };
}

/** Different experts that `tokens` meet if each draws its experts evenly: E (1 - (1 - k/E)^tokens). */
export function expectedExperts(
  { nRoutedExperts: e, numExpertsPerTok: k }: Pick<ModelConfig, "nRoutedExperts" | "numExpertsPerTok">,
  tokens: number,
): number {
  return e === 0 ? 0 : e * (1 - (1 - k / e) ** tokens);
}

/** Least seconds of a step of decoding. @param peak operations per second in the type of the arithmetic */
export function decodeFloorSeconds(cost: PassCost, { readBytes }: Pick<Floors, "readBytes">, peak: number): number {
  return (
    Math.max(cost.weightBytes / readBytes, cost.productFlops / peak) +
    Math.max(cost.cacheBytes / readBytes, cost.attentionFlops / peak)
  );
}

export function prefillFloorSeconds(cost: PassCost, { readBytes }: Pick<Floors, "readBytes">, peak: number): number {
  return Math.max((cost.productFlops + cost.attentionFlops) / peak, cost.weightBytes / readBytes);
}

/** Bytes of the weights that `tokens` rows meet: of the embedding a row each, of expert arrays the experts met. */
function touchedBytes(config: ModelConfig, parameters: readonly Parameter[], tokens: number, experts: number): number {
  return parameters.reduce((sum, parameter) => {
    const bytes = weightBytes(parameter);
    if (parameter.name === "model.embed_tokens.weight") {
      return sum + (bytes * Math.min(tokens, config.vocabSize)) / config.vocabSize;
    }
    return sum + (parameter.shape.length === 3 ? (bytes * experts) / config.nRoutedExperts : bytes);
  }, 0);
}

function matmulParameters(config: ModelConfig, withHead: boolean): number {
  const { layers, head } = parameterCounts(config);
  return layers.reduce((sum, { matmul }) => sum + matmul, withHead ? head : 0);
}
