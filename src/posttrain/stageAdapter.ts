/**
 * A stage that trains an adapter (LoRA; post-training.md 4) in place of the weights: the base lies in memory as its files hold it, or
 * quantised, and stays as it is, routers and MTP modules included; gradients, moments and checkpoints are those of the adapter alone.
 */
import { attachAdapter, loadAdapter } from "../checkpoint/adapter.js";
import { readAdapterConfig } from "../checkpoint/adapterFile.js";
import { openCheckpoint } from "../checkpoint/openCheckpoint.js";
import { type AdapterConfig, serializeAdapterConfig } from "../model/adapterConfig.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { QuantDtype } from "../tensor/dtype.js";
import type { StageSettings } from "./settings.js";

export interface StageAdapter {
  /** What a fresh one is, which changes nothing yet; or the directory of one that goes on being trained. */
  readonly from: AdapterConfig | string;
  /** How the matrices of the base lie in memory; null: in FP8 where the files hold that, else in the arithmetic's type. */
  readonly weights: QuantDtype | null;
}

/**
 * @param base directory with the frozen weights
 * @throws RangeError for settings that would train the base, or an adapter that does not fit it
 */
export function openAdapted(base: string, settings: StageSettings, { from, weights }: StageAdapter): DeepseekV3 {
  const { dtype, gamma, seed } = settings;
  if (dtype === "fp8") {
    throw new RangeError(
      "adapter: fp8 arithmetic trains the weights, which are frozen here; choose float32 or bfloat16",
    );
  }
  if (gamma !== 0) throw new RangeError(`adapter: gamma must be 0, for the routers are frozen, got ${gamma}`);
  const { model } = openCheckpoint(base, { dtype, weights: weights ?? undefined });
  try {
    if (typeof from === "string") loadAdapter(model, from, seed);
    else attachAdapter(model, from, seed);
  } catch (error) {
    model.free();
    throw error;
  }
  return model;
}

/** For run.json: the adapter with PEFT's keys, and how its base lies in memory. */
export function describeAdapter({ from, weights }: StageAdapter): Readonly<Record<string, unknown>> {
  const config = typeof from === "string" ? readAdapterConfig(from) : from;
  return { ...serializeAdapterConfig(config), from: typeof from === "string" ? from : null, weights };
}
