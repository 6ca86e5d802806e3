/** Options of `fathom grpo` that say how answers are sampled, weighed and learned from. */
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  defaultGrpo,
  type GrpoOptions,
  type GrpoVariant,
  grpoVariants,
  withVariant,
} from "../posttrain/grpo/options.js";
import type { ImportanceOptions } from "../posttrain/grpo/policyLoss.js";
import { integerOption, numberOption } from "./output.js";

export interface PolicyFlags {
  readonly steps?: number;
  readonly prompts?: number;
  readonly group?: number;
  readonly maxNewTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly variant?: GrpoVariant;
  readonly beta?: number;
  readonly kl?: GrpoOptions["loss"]["kl"];
  readonly weighKl?: boolean;
  readonly epsilon?: number;
  readonly epsilonHigh?: number;
  readonly delta?: number;
  readonly dualClip?: number;
  readonly aggregation?: GrpoOptions["loss"]["aggregation"];
  readonly baseline?: GrpoOptions["advantage"]["baseline"];
  readonly scale?: GrpoOptions["advantage"]["scale"];
  readonly std?: GrpoOptions["advantage"]["std"];
  readonly stdEpsilon?: number;
  readonly importance?: ImportanceOptions;
  readonly topEntropy?: number;
  readonly offPolicyLimit?: number;
  readonly inner?: number;
  readonly miniBatches?: number;
  readonly zeroVariance?: GrpoOptions["zeroVariance"];
  readonly maxRefills?: number;
  readonly maskTruncated?: boolean;
  readonly routerReplay?: GrpoOptions["routerReplay"];
  readonly referenceEvery?: number;
  readonly rolloutBatch?: number;
  readonly logEvery?: number;
}

const importanceModes = ["token-truncate", "token-mask", "sequence-truncate", "sequence-mask"] as const;

export function addPolicyOptions(command: Command): Command {
  const choice = (flags: string, text: string, names: readonly string[]): Option =>
    new Option(flags, text).choices([...names]);
  return command
    .addOption(integerOption("--prompts <n>", "questions a step, over all processes (default 16)", 1, 2 ** 20))
    .addOption(integerOption("--group <n>", "answers to each question (default 8)", 1, 128))
    .addOption(integerOption("--max-new-tokens <n>", "longest answer (default 256)", 1, 2 ** 24))
    .addOption(
      numberOption("--temperature <x>", "of the answers, and of the trained distribution (default 1)", 0.01, 100),
    )
    .addOption(numberOption("--top-p <x>", "of the answers; ratios are exact only at 1 (default)", 0.01, 1))
    .addOption(integerOption("--top-k <n>", "of the answers; ratios are exact only at 0 (default)", 0, 2 ** 24))
    .addOption(choice("--variant <name>", "a paper's set of options, which those below change", grpoVariants))
    .addOption(numberOption("--beta <x>", "weight of the KL to the reference (default 0.04)", 0, 1000))
    .addOption(choice("--kl <estimator>", "of the KL (default k3)", ["k1", "k2", "k3"]))
    .option("--weigh-kl", "weigh the KL by the ratio, which makes it unbiased for earlier policies' samples")
    .addOption(numberOption("--epsilon <x>", "clip of the ratio (default 0.2)", 0, 1))
    .addOption(numberOption("--epsilon-high <x>", "clip above, if it differs", 0, 1e9))
    .addOption(numberOption("--delta <x>", "cap of the ratio for negative advantages too", 1, 1e9))
    .addOption(numberOption("--dual-clip <c>", "bound of the loss of negative advantages", 1, 1e9))
    .addOption(
      choice("--aggregation <how>", "of the tokens' losses (default sequence-mean-token-mean)", [
        "sequence-mean-token-mean",
        "token-mean",
        "constant",
        "sequence-mean-token-sum",
      ]),
    )
    .addOption(choice("--baseline <of>", "what an answer is compared with", ["group", "leave-one-out", "batch"]))
    .addOption(choice("--scale <by>", "what advantages are divided by", ["group", "batch", "none"]))
    .addOption(choice("--std <kind>", "spread with n - 1 (default) or n", ["sample", "population"]))
    .addOption(numberOption("--std-epsilon <x>", "added to the spread (default 0.0001)", 0, 1))
    .addOption(
      new Option(
        "--importance <mode:cap>",
        `correct for what sampler and trainer differ by: ${importanceModes.join(", ")}, with a cap, such as token-truncate:2`,
      ).argParser((text): ImportanceOptions => {
        const [name, cap] = text.split(":");
        const mode = importanceModes.find((known) => known === name);
        if (!mode || !(Number(cap) > 0)) {
          throw new InvalidArgumentError(`expected one of ${importanceModes.join(", ")}, a colon and a positive cap.`);
        }
        return { mode, cap: Number(cap) };
      }),
    )
    .addOption(
      numberOption("--top-entropy <share>", "share of tokens, by entropy, with a policy loss (default 1)", 0.001, 1),
    )
    .addOption(
      numberOption("--off-policy-limit <x>", "leave out answers with a negative advantage that moved further", 0, 100),
    )
    .addOption(integerOption("--inner <n>", "times that a step's answers are learned from (default 1)", 1, 1000))
    .addOption(
      integerOption("--mini-batches <n>", "optimizer steps that each of them is cut into (default 1)", 1, 2 ** 20),
    )
    .addOption(
      choice("--zero-variance <what>", "groups whose rewards are all alike (default drop)", ["keep", "drop", "refill"]),
    )
    .addOption(integerOption("--max-refills <n>", "times to ask others for them, with refill (default 3)", 0, 1000))
    .option("--mask-truncated", "leave answers that were cut at the limit out of the loss")
    .addOption(
      choice(
        "--router-replay <of>",
        "experts that updates send tokens to: the gate's own choice (off, the default), that of before the updates, or the sampler's",
        ["off", "policy", "rollout"],
      ),
    )
    .addOption(
      integerOption("--reference-every <steps>", "make the policy the reference (default 0: never)", 0, 2 ** 31),
    )
    .addOption(integerOption("--rollout-batch <n>", "answers that are written at once (default 64)", 1, 1024))
    .addOption(
      integerOption("--log-every <steps>", "steps between tables of answers (default 10), 0 = none", 0, 2 ** 31),
    );
}

/** @returns checked where they are used */
export function policyOptions(flags: PolicyFlags): GrpoOptions {
  const d = defaultGrpo;
  const maxTokens = flags.maxNewTokens ?? d.rollout.maxTokens;
  const named = withVariant({ ...d, rollout: { ...d.rollout, maxTokens } }, flags.variant ?? "grpo");
  const { loss, advantage, rollout } = named;
  return {
    ...named,
    steps: flags.steps ?? d.steps,
    promptsPerStep: flags.prompts ?? d.promptsPerStep,
    rollout: {
      ...rollout,
      groupSize: flags.group ?? rollout.groupSize,
      temperature: flags.temperature ?? rollout.temperature,
      topP: flags.topP ?? rollout.topP,
      topK: flags.topK ?? rollout.topK,
    },
    advantage: {
      baseline: flags.baseline ?? advantage.baseline,
      scale: flags.scale ?? advantage.scale,
      std: flags.std ?? advantage.std,
      epsilon: flags.stdEpsilon ?? advantage.epsilon,
    },
    loss: {
      ...loss,
      maxLength: maxTokens,
      beta: flags.beta ?? loss.beta,
      kl: flags.kl ?? loss.kl,
      weighsKl: flags.weighKl ?? loss.weighsKl,
      epsilonLow: flags.epsilon ?? loss.epsilonLow,
      epsilonHigh: flags.epsilonHigh ?? flags.epsilon ?? loss.epsilonHigh,
      delta: flags.delta ?? loss.delta,
      dualClip: flags.dualClip ?? loss.dualClip,
      aggregation: flags.aggregation ?? loss.aggregation,
      importance: flags.importance ?? loss.importance,
      topEntropy: flags.topEntropy ?? loss.topEntropy,
      offPolicyLimit: flags.offPolicyLimit ?? loss.offPolicyLimit,
    },
    innerUpdates: flags.inner ?? named.innerUpdates,
    miniBatches: flags.miniBatches ?? named.miniBatches,
    zeroVariance: flags.zeroVariance ?? named.zeroVariance,
    maxRefills: flags.maxRefills ?? named.maxRefills,
    masksTruncated: flags.maskTruncated ?? named.masksTruncated,
    routerReplay: flags.routerReplay ?? named.routerReplay,
    referenceEvery: flags.referenceEvery ?? named.referenceEvery,
    batch: flags.rolloutBatch ?? named.batch,
    logEvery: flags.logEvery ?? named.logEvery,
  };
}
