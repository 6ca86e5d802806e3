/**
 * The config of a model whose window is made longer: how its positions are rotated from then on (training.md D7, model.md A4).
 *
 * YaRN keeps fast pairs, divides slow ones by the factor and sharpens the softmax; it stays relative to the window that the model was first
 * trained with, so a second phase changes the factor (or nothing, with the final factor from the start as DeepSeek-V3 did) and not that
 * window. Linear interpolation divides every position by the factor; `none` leaves the rotation as it is. Both are there to compare with.
 */
import type { ModelConfig } from "./config.js";
import type { RopeScaling } from "./ropeScaling.js";

export type ExtensionMethod = "yarn" | "linear" | "none";

export interface Extension {
  readonly method: ExtensionMethod;
  /** Window that the model was trained with so far, in tokens. */
  readonly from: number;
  /** Window to train it with. */
  readonly to: number;
  /** Default: `to` over the window before any extension. */
  readonly factor?: number;
}

/** The window before any extension. @param from the window so far */
export function originalWindow({ ropeScaling }: ModelConfig, from: number): number {
  if (ropeScaling?.type === "yarn") return ropeScaling.originalMaxPositionEmbeddings;
  if (ropeScaling?.type === "linear") return Math.round(from / ropeScaling.factor);
  return from;
}

/** @throws RangeError for a window that is not longer, or a factor that does not reach it */
export function extendedConfig(config: ModelConfig, extension: Extension): ModelConfig {
  const { method, from, to } = extension;
  if (!Number.isInteger(to) || to <= from) {
    throw new RangeError(`the new window must be longer than the ${from} tokens so far, got ${to}`);
  }
  const maxPositionEmbeddings = Math.max(to, config.maxPositionEmbeddings);
  if (method === "none") {
    if (extension.factor !== undefined) throw new RangeError("a factor has no meaning without a method");
    return { ...config, maxPositionEmbeddings };
  }
  const original = originalWindow(config, from);
  const factor = extension.factor ?? to / original;
  // A linear block does not say which window it stretches, so a factor given for it is taken as it is.
  if (method === "yarn" && !(factor * original >= to)) {
    throw new RangeError(
      `factor ${factor} times the original window of ${original} is ${factor * original}, less than the new window of ${to}`,
    );
  }
  const ropeScaling: RopeScaling =
    method === "linear"
      ? { type: "linear", factor }
      : {
          type: "yarn",
          factor,
          originalMaxPositionEmbeddings: original,
          betaFast: 32,
          betaSlow: 1,
          mscale: 1,
          mscaleAllDim: 1,
        };
  return { ...config, ropeScaling, maxPositionEmbeddings };
}
