/** A checkpoint opened to be read, not trained: the model with its weights, mapped where they can be, and an adapter over them. */

import { singleCommunicator } from "../distributed/single.js";
import type { ModelConfig } from "../model/config.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import type { ComputeDtype, QuantDtype } from "../tensor/dtype.js";
import { loadAdapter } from "./adapter.js";
import { loadWeights, quantizedTo, readConfig, storedAs } from "./modelFiles.js";

export interface OpenCheckpointOptions {
  /** Type of the arithmetic. Default: the checkpoint's own. */
  readonly dtype?: ComputeDtype | undefined;
  /** Type of the matrices in memory. Default: FP8 where the files hold that, else the arithmetic's. */
  readonly weights?: QuantDtype | undefined;
  /** Directory of an adapter to put over the weights, unmerged; null, the default: none. */
  readonly adapter?: string | null;
}

export interface OpenedCheckpoint {
  readonly config: ModelConfig;
  readonly model: DeepseekV3;
  /** Tensors of the files that are not part of the model. */
  readonly unexpected: readonly string[];
}

/** @throws RangeError for files that are missing, damaged or do not fit together */
export function openCheckpoint(directory: string, options: OpenCheckpointOptions = {}): OpenedCheckpoint {
  const config = readConfig(directory);
  const dtype = options.dtype ?? (config.torchDtype === "float32" ? "float32" : "bfloat16");
  const storage = options.weights ? quantizedTo(options.weights) : storedAs(directory, config);
  const model = new DeepseekV3(config, dtype, singleCommunicator(), storage);
  const { unexpected } = loadWeights(model, directory, undefined, "mapped");
  if (options.adapter) loadAdapter(model, options.adapter);
  return { config, model, unexpected };
}
