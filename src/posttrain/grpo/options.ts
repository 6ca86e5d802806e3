/** What group-relative policy optimisation can be told; defaults are the report's where it says something, else what peers take. */
import { type AdvantageOptions, defaultAdvantage } from "./advantage.js";
import { defaultPolicyLoss, type PolicyLossOptions } from "./policyLoss.js";
import type { RolloutOptions } from "./rollout.js";

export interface GrpoOptions {
  readonly steps: number;
  /** Questions a step, over all processes. */
  readonly promptsPerStep: number;
  readonly rollout: RolloutOptions;
  readonly advantage: AdvantageOptions;
  readonly loss: PolicyLossOptions;
  /** mu: times that a step's answers are learned from. */
  readonly innerUpdates: number;
  /** Parts that each of them is cut into, with an optimizer step each. */
  readonly miniBatches: number;
  /**
   * Groups whose rewards are all alike: learned from all the same (only the KL moves), left out, or replaced by asking other questions
   * (DAPO's dynamic sampling), at most `maxRefills` times a step.
   */
  readonly zeroVariance: "keep" | "drop" | "refill";
  readonly maxRefills: number;
  /** Leave answers that were cut at the limit out of the loss. */
  readonly masksTruncated: boolean;
  /**
   * Whether updates send tokens to the experts of before, whatever the gate would choose by then: "policy", those of the trainer before the
   * first update (R2); "rollout", those of the sampler, for answers (R3): prompts and the reference choose for themselves. post-training.md 8.4.
   */
  readonly routerReplay: "off" | "policy" | "rollout";
  /** Steps after which the reference becomes the policy; 0: never. */
  readonly referenceEvery: number;
  /** Choices that the engine runs at once. */
  readonly batch: number;
  /** Steps between lines of the table of answers; 0: none. */
  readonly logEvery: number;
}

export const defaultGrpo: GrpoOptions = {
  steps: 100,
  promptsPerStep: 16,
  rollout: { groupSize: 8, temperature: 1, topP: 1, topK: 0, maxTokens: 256, stop: [] },
  advantage: defaultAdvantage,
  loss: defaultPolicyLoss,
  innerUpdates: 1,
  miniBatches: 1,
  zeroVariance: "drop",
  maxRefills: 3,
  masksTruncated: false,
  routerReplay: "off",
  referenceEvery: 0,
  batch: 64,
  logEvery: 10,
};

const variantNames = ["grpo", "dr-grpo", "dapo", "gspo", "cispo", "rloo", "policy-gradient"] as const;
/** Sets of options under the names of their papers; post-training.md 8.2. */
export type GrpoVariant = (typeof variantNames)[number];
export const grpoVariants: readonly GrpoVariant[] = variantNames;

/** The options of a named variant over others. */
export function withVariant(options: GrpoOptions, variant: GrpoVariant): GrpoOptions {
  const { loss, advantage } = options;
  const maxLength = options.rollout.maxTokens;
  switch (variant) {
    case "grpo":
      return options;
    case "dr-grpo":
      return {
        ...options,
        advantage: { ...advantage, scale: "none" },
        loss: { ...loss, aggregation: "constant", maxLength, beta: 0 },
      };
    case "dapo":
      return {
        ...options,
        loss: { ...loss, beta: 0, epsilonLow: 0.2, epsilonHigh: 0.28, aggregation: "token-mean" },
        zeroVariance: "refill",
        masksTruncated: true,
      };
    case "gspo":
      return { ...options, loss: { ...loss, ratio: "sequence", epsilonLow: 3e-4, epsilonHigh: 4e-4, beta: 0 } };
    case "cispo":
      return { ...options, loss: { ...loss, ratio: "cispo", beta: 0, aggregation: "token-mean" } };
    case "rloo":
      return { ...options, advantage: { ...advantage, baseline: "leave-one-out", scale: "none" } };
    case "policy-gradient":
      return {
        ...options,
        advantage: { ...advantage, scale: "none" },
        loss: { ...loss, beta: 0, epsilonLow: 1, epsilonHigh: 1e9, aggregation: "token-mean" },
      };
    default:
      return variant satisfies never;
  }
}

/** @throws RangeError naming the option and its range */
export function checkGrpo(options: GrpoOptions): void {
  const whole = (name: string, value: number, low: number): void => {
    if (!Number.isSafeInteger(value) || value < low) {
      throw new RangeError(`${name} must be a whole number from ${low}, got ${value}`);
    }
  };
  const within = (name: string, value: number, low: number, high: number): void => {
    if (!(value >= low && value <= high)) throw new RangeError(`${name} must be from ${low} to ${high}, got ${value}`);
  };
  const { rollout, loss } = options;
  whole("steps", options.steps, 1);
  whole("prompts a step", options.promptsPerStep, 1);
  whole("group size", rollout.groupSize, options.advantage.baseline === "batch" ? 1 : 2);
  if (rollout.groupSize > 128) throw new RangeError(`group size must be at most 128, got ${rollout.groupSize}`);
  whole("tokens of an answer", rollout.maxTokens, 1);
  within("temperature", rollout.temperature, 0.01, 100);
  within("top-p", rollout.topP, 0.01, 1);
  whole("top-k", rollout.topK, 0);
  whole("inner updates", options.innerUpdates, 1);
  whole("mini-batches", options.miniBatches, 1);
  if (options.miniBatches > options.promptsPerStep * rollout.groupSize) {
    throw new RangeError(`mini-batches must be at most the answers of a step, got ${options.miniBatches}`);
  }
  whole("refills", options.maxRefills, 0);
  whole("reference every", options.referenceEvery, 0);
  whole("batch", options.batch, 1);
  whole("log every", options.logEvery, 0);
  within("beta", loss.beta, 0, 1000);
  within("epsilon", loss.epsilonLow, 0, 1);
  within("epsilon above", loss.epsilonHigh, 0, 1e9);
  within("share of tokens by entropy", loss.topEntropy, 0.001, 1);
}
