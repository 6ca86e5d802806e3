/** A checkpoint opened to be read, not trained: the model with its weights, mapped where they can be, and an adapter over them. */

import { singleCommunicator } from "../distributed/single.js";
import type { ModelConfig } from "../model/config.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import type { ComputeDtype, QuantDtype } from "../tensor/dtype.js";
import { loadAdapter } from "./adapter.js";
import { loadWeights, quantizedTo, readConfig, storedAs } from "./modelFiles.js";
import { TensorFiles } from "./tensorFiles.js";

export interface OpenCheckpointOptions {
  /** Type of the arithmetic. Default: the checkpoint's own. */
  readonly dtype?: ComputeDtype | undefined;
  /** Type of the matrices in memory. Default: FP8 where the files hold that, else the arithmetic's. */
  readonly weights?: QuantDtype | undefined;
  /** With `weights`: the output head stays as it is. Default: it has 8 bits. */
  readonly plainHead?: boolean | undefined;
  /** Directory of an adapter to put over the weights, unmerged; null, the default: none. */
  readonly adapter?: string | null;
  /**
   * Whether the caller asks for `damage` before it tells of anything that follows from the weights: files that are cut short in their place
   * then read as zeros. Default false: that ends the process.
   */
  readonly isWatched?: boolean;
}

export interface OpenedCheckpoint {
  readonly config: ModelConfig;
  readonly model: DeepseekV3;
  /** Tensors of the files that are not part of the model. */
  readonly unexpected: readonly string[];
  /** Names the file under the weights that was cut short or cannot be read any more; null if there is none, and unless they are watched. */
  readonly damage: () => string | null;
}

/** @throws RangeError for files that are missing, damaged or do not fit together, and for a plain head without `weights` */
export function openCheckpoint(directory: string, options: OpenCheckpointOptions = {}): OpenedCheckpoint {
  if (options.plainHead && !options.weights) {
    throw new RangeError(
      "--plain-head (plainHead) goes with --weights (weights); without that the head stays as it is",
    );
  }
  const config = readConfig(directory);
  const dtype = options.dtype ?? (config.torchDtype === "float32" ? "float32" : "bfloat16");
  const storage = options.weights ? quantizedTo(options.weights, !options.plainHead) : storedAs(directory, config);
  const model = new DeepseekV3(config, dtype, singleCommunicator(), storage);
  const files = new TensorFiles(directory);
  files.watch(options.isWatched ?? false);
  const { unexpected } = loadWeights(model, files, undefined, "mapped");
  if (options.adapter) loadAdapter(model, options.adapter);
  if (files.damage !== null) throw new RangeError(files.damage);
  return { config, model, unexpected, damage: () => files.damage };
}
