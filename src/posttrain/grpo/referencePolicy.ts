/**
 * The policy that the trained one is held to by the KL (DeepSeekMath 4.1): another model, mapped from its files, or the trained model with
 * its adapter switched off, which takes no second copy of the weights (post-training.md 4.4).
 */
import { openCheckpoint } from "../../checkpoint/openCheckpoint.js";
import { withoutAdapter } from "../../model/adapter.js";
import type { DeepseekV3 } from "../../model/deepseekV3.js";
import type { ComputeDtype } from "../../tensor/dtype.js";

export interface ReferencePolicy {
  /** Asks the reference; the trained model rests meanwhile. */
  readonly ask: <T>(question: (model: DeepseekV3) => Promise<T>) => Promise<T>;
  readonly free: () => void;
}

/** The model of a directory. @throws RangeError for files that are missing or damaged */
export function openReference(directory: string, dtype: ComputeDtype): ReferencePolicy {
  const { model } = openCheckpoint(directory, { dtype });
  return { ask: (question) => question(model), free: () => model.free() };
}

/** The weights under a model's adapter. */
export function referenceUnder(model: DeepseekV3): ReferencePolicy {
  return { ask: (question) => withoutAdapter(model, () => question(model)), free: () => {} };
}
