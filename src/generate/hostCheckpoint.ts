/** Opens a checkpoint and puts an engine on it, in the thread that calls. */
import { availableParallelism, freemem } from "node:os";
import { type ModelSource, tokenizerFolder } from "../checkpoint/modelSource.js";
import { openCheckpoint } from "../checkpoint/openCheckpoint.js";
import type { ModelConfig } from "../model/config.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import { bytesPerElement, type ComputeDtype } from "../tensor/dtype.js";
import { native } from "../tensor/native.js";
import { type CacheDtype, entrySize } from "../tensor/ops/latentAttention.js";
import { Engine } from "./engine.js";
import { EngineHost } from "./engineHost.js";
import type { EngineMessage } from "./engineProtocol.js";
import { openTokenizer } from "./openTokenizer.js";
import { type CachePrecision, cacheDtypes, quantDtypes, type WeightPrecision } from "./precision.js";

/** How a model is opened. */
export interface EngineSettings {
  /** Threads of the arithmetic, for all models of the process. Default: as many as the machine runs at once. */
  readonly threads?: number;
  /** Type of the arithmetic. Default: the checkpoint's own. */
  readonly dtype?: ComputeDtype;
  /** Precision of the matrices in memory. Default: FP8 where the files hold that, else the arithmetic's. */
  readonly weights?: WeightPrecision;
  /** With `weights`: the output head stays as it is. Default: it has 8 bits. */
  readonly plainHead?: boolean;
  /** How the latent cache keeps a token. Default: in the type of the arithmetic. */
  readonly cache?: CachePrecision;
  /** Choices that are written at once; more wait. Default 64. */
  readonly maxBatch?: number;
  /** Tokens that the cache has room for, over all requests. Default: what a quarter of the free memory holds, at most maxBatch full contexts. */
  readonly cacheTokens?: number;
  /** Most tokens that MTP modules draft ahead; 0 = none. Default 4; without effect for a model without modules. */
  readonly speculation?: number;
}

export interface WorkerData {
  readonly source: ModelSource;
  readonly settings: EngineSettings;
}

const defaultMaxBatch = 64;
const defaultSpeculation = 4;

/** @throws RangeError for files that do not fit together, or settings out of range */
export function hostCheckpoint({ source, settings }: WorkerData, post: (message: EngineMessage) => void): EngineHost {
  native().setThreads(settings.threads ?? availableParallelism());
  const weights = settings.weights && quantDtypes[settings.weights];
  const { directory, adapter } = source;
  const { model, config, damage } = openCheckpoint(directory, {
    dtype: settings.dtype,
    weights,
    plainHead: settings.plainHead,
    adapter,
    isWatched: true,
  });
  const tokenizer = openTokenizer(tokenizerFolder(source), config);
  const cacheDtype = settings.cache ? cacheDtypes[settings.cache] : model.dtype;
  const maxBatch = settings.maxBatch ?? defaultMaxBatch;
  const options = {
    maxBatch,
    cacheTokens: settings.cacheTokens ?? usualCacheTokens(config, cacheDtype, maxBatch),
    cacheDtype,
    speculation: settings.speculation ?? defaultSpeculation,
    damage,
  };
  let maxPositions = 0;
  const host = new EngineHost(
    (breathe) => {
      const engine = new Engine(model, tokenizer, { ...options, breathe });
      maxPositions = engine.maxPositions;
      return engine;
    },
    post,
    () => model.free(),
  );
  post({ type: "ready", info: { directory, adapter, weights: weightsName(model), cache: cacheDtype, maxPositions } });
  return host;
}

/** What a quarter of the free memory holds, but no more than all choices can use, and a usable context at least. */
function usualCacheTokens(config: ModelConfig, dtype: CacheDtype, maxBatch: number): number {
  const { kvLoraRank, qkRopeHeadDim, numHiddenLayers, maxPositionEmbeddings: context } = config;
  const bytes = (numHiddenLayers + 1) * entrySize(kvLoraRank, qkRopeHeadDim, dtype) * bytesPerElement[dtype];
  const fitting = Math.floor(freemem() / 4 / bytes);
  return Math.max(Math.min(context, 4096), Math.min(fitting, maxBatch * context));
}

function weightsName({ parameters, dtype }: DeepseekV3): string {
  return parameters.find(({ scales }) => scales !== null)?.data.dtype ?? dtype;
}
