/** Opens a model that answers: weights and cache live in a thread of their own, requests and tokens cross as plain data. */
import type { ComputeDtype } from "../tensor/dtype.js";
import type { CachePrecision, WeightPrecision } from "./precision.js";
import type { Model } from "./request.js";

export interface LoadOptions {
  /** Threads of the arithmetic. Default: as many as the machine runs at once. */
  readonly threads?: number;
  /** Type of the arithmetic. Default: the checkpoint's own. */
  readonly dtype?: ComputeDtype;
  /** Precision of the matrices in memory. Default: FP8 where the files hold that, else the arithmetic's. */
  readonly weights?: WeightPrecision;
  /** How the latent cache keeps a token. Default: in the type of the arithmetic. */
  readonly cache?: CachePrecision;
  /** Choices that are written at once; more wait. Default 64. */
  readonly maxBatch?: number;
  /** Tokens that the cache has room for, over all requests. Default: as many as a quarter of the memory that is free holds, at least one full context. */
  readonly cacheTokens?: number;
  /** Most tokens that MTP modules draft ahead; 0 = none. Default 4 where the model has modules. */
  readonly speculation?: number;
}

/**
 * @param path a run, a checkpoint, a directory with config.json, or hf:org/name@revision
 * @throws RangeError for a path without a model, files that do not fit together, or options out of range
 */
export async function loadModel(_path: string, _options: LoadOptions = {}): Promise<Model> {
  throw new Error("internal: no engine");
}
