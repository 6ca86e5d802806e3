/** How commands that answer open a model: the options for how it computes and what it holds, and the one place that passes them on. */
import type { Option } from "commander";
import type { LanguageModel } from "../generate/languageModel.js";
import type { ModelInfo } from "../generate/request.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import { grouped, integerOption, threadsOption } from "./output.js";
import {
  adapterOption,
  arithmeticOption,
  type CachePrecision,
  cacheOption,
  headOption,
  type WeightPrecision,
  weightsOption,
} from "./precision.js";

export interface EngineFlags {
  readonly threads?: number;
  readonly dtype?: ComputeDtype;
  readonly weights?: WeightPrecision;
  readonly plainHead?: boolean;
  readonly cache?: CachePrecision;
  readonly maxBatch?: number;
  readonly cacheTokens?: number;
  readonly speculation?: number;
  readonly adapter?: string;
}

/** All but --max-batch, which is for many callers. */
export function engineOptions(): readonly Option[] {
  return [
    threadsOption(),
    arithmeticOption(),
    weightsOption(),
    headOption(),
    cacheOption(),
    integerOption("--cache-tokens <n>", "tokens that the latent cache has room for", 1, 2 ** 31),
    adapterOption(),
    integerOption("--speculation <depth>", "tokens drafted ahead by MTP modules; 0 = none", 0, 4),
  ];
}

export async function openEngine(directory: string, flags: EngineFlags): Promise<LanguageModel> {
  const { loadModel } = await import("../generate/loadModel.js");
  const { threads, dtype, weights, plainHead, cache, maxBatch, cacheTokens, speculation, adapter } = flags;
  const given = { threads, dtype, weights, plainHead, cache, maxBatch, cacheTokens, speculation, adapter };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return loadModel(directory, Object.fromEntries(set));
}

/** What was opened, in a line for people. */
export function described({ directory, adapter, weights, cache, maxPositions }: ModelInfo): readonly string[] {
  const place = adapter === null ? directory : `${directory} with ${adapter}`;
  return [place, `weights ${weights}`, `cache ${cache}`, `${grouped(maxPositions)} positions`];
}
