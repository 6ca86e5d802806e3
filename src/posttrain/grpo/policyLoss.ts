/**
 * The loss of group-relative policy optimisation and its gradient with respect to each token's log-probability, in its published form
 * and the named variants: DeepSeekMath eq. 3 (the token form of DeepSeek-V3's eq. 26), post-training.md 7 and 8.
 *
 *   loss = -sum_t w_t { min(rho A, clip(rho, 1 - eps_low, 1 + eps_high) A) - beta KL },   rho = pi / pi_old
 *
 * The weights w_t are the aggregation. Everything here is arithmetic on log-probabilities that are known; the model's part is to multiply
 * the gradient through (see `SupervisedSequence.scales`).
 */

export type Aggregation =
  /** Mean over outputs of the mean over their tokens: the papers' GRPO. */
  | "sequence-mean-token-mean"
  /** Mean over all tokens (DAPO). */
  | "token-mean"
  /** Sum over tokens by outputs times the longest allowed (Dr. GRPO). */
  | "constant"
  /** Mean over outputs of the sum over their tokens. */
  | "sequence-mean-token-sum";

export interface PolicyLossOptions {
  readonly epsilonLow: number;
  readonly epsilonHigh: number;
  /** Upper cap on the ratio whatever the sign; null: none. */
  readonly delta: number | null;
  /** For negative advantages the loss is at most -c A; null: no dual clip. */
  readonly dualClip: number | null;
  /** token: rho of each token. sequence: the output's geometric mean (GSPO). cispo: clipped, kept constant, times the log-probability. */
  readonly ratio: "token" | "sequence" | "cispo";
  /** Factor of the KL to the reference; 0: none, and no reference is needed. */
  readonly beta: number;
  readonly kl: "k1" | "k2" | "k3";
  /** Multiply the KL by rho, which makes it unbiased for samples of the old policy (V3.2). */
  readonly weighsKl: boolean;
  readonly aggregation: Aggregation;
  /** Longest output allowed, for the aggregation `constant`. */
  readonly maxLength: number;
  /** What is done about pi_old / pi_sampler, the difference between trainer and engine; null: nothing. */
  readonly importance: ImportanceOptions | null;
  /** Only this share of the tokens, those of the highest entropy, has a policy term; 1: all. */
  readonly topEntropy: number;
  /** Outputs with a negative advantage whose mean log(old / new) exceeds this are left out (V3.2); null: none. */
  readonly offPolicyLimit: number | null;
}

export interface ImportanceOptions {
  /** Cut to the cap, or leave out above it; by token, or by the product over the output. */
  readonly mode: "token-truncate" | "token-mask" | "sequence-truncate" | "sequence-mask";
  readonly cap: number;
}

export const defaultPolicyLoss: PolicyLossOptions = {
  epsilonLow: 0.2,
  epsilonHigh: 0.2,
  delta: null,
  dualClip: null,
  ratio: "token",
  beta: 0.04,
  kl: "k3",
  weighsKl: false,
  aggregation: "sequence-mean-token-mean",
  maxLength: 0,
  importance: null,
  topEntropy: 1,
  offPolicyLimit: null,
};

/** One output; arrays over its completion's tokens. */
export interface PolicySample {
  /** One for the output, or one for each token (process supervision). */
  readonly advantage: number | ArrayLike<number>;
  readonly logprobs: ArrayLike<number>;
  readonly oldLogprobs: ArrayLike<number>;
  /** Null without a reference. */
  readonly refLogprobs: ArrayLike<number> | null;
  /** Null if the sampler's own are not known. */
  readonly samplerLogprobs: ArrayLike<number> | null;
  /** Of the policy at each token; null where no choice by entropy is made. */
  readonly entropies: ArrayLike<number> | null;
  /** Left out whole, with its tokens: a truncated output, by choice. */
  readonly isMasked: boolean;
}

export interface PolicyLossMetrics {
  readonly loss: number;
  /** Token means over what is not masked. */
  readonly kl: number;
  /** log(old / new) */
  readonly oldKl: number;
  readonly ratio: number;
  readonly entropy: number;
  /** Shares of tokens beyond the clip, where it acts: below with A < 0, above with A > 0. */
  readonly clipLow: number;
  readonly clipHigh: number;
  readonly importance: { readonly min: number; readonly mean: number; readonly max: number } | null;
  readonly tokens: number;
}

export interface PolicyLoss {
  /** d loss / d logprob of each sample's tokens. */
  readonly gradients: readonly Float64Array[];
  readonly metrics: PolicyLossMetrics;
}

/**
 * @param totals outputs and tokens of the whole step where the samples are a part of it (other ranks); default: the samples'
 * @throws RangeError for arrays of different lengths, a missing reference, or log-probabilities that are not finite
 */
export function policyLoss(
  samples: readonly PolicySample[],
  options: PolicyLossOptions = defaultPolicyLoss,
  totals: { readonly sequences: number; readonly tokens: number } = countsOf(samples),
): PolicyLoss {
  check(samples, options);
  const threshold = entropyThreshold(samples, options.topEntropy);
  const sums = new Sums();
  const gradients = samples.map((sample) => {
    const gradient = new Float64Array(sample.logprobs.length);
    if (!sample.isMasked) addSample(sample, gradient, options, totals, threshold, sums);
    return gradient;
  });
  return { gradients, metrics: sums.metrics() };
}

/** What is not masked. */
export function countsOf(samples: readonly PolicySample[]): { readonly sequences: number; readonly tokens: number } {
  const kept = samples.filter(({ isMasked }) => !isMasked);
  return { sequences: kept.length, tokens: kept.reduce((sum, { logprobs }) => sum + logprobs.length, 0) };
}

function addSample(
  sample: PolicySample,
  gradient: Float64Array,
  options: PolicyLossOptions,
  totals: { readonly sequences: number; readonly tokens: number },
  entropyThreshold: number,
  sums: Sums,
): void {
  const { logprobs, oldLogprobs, refLogprobs, samplerLogprobs, entropies } = sample;
  const length = logprobs.length;
  if (length === 0) return;
  const at = (values: ArrayLike<number>, t: number): number => values[t] ?? Number.NaN;
  const advantageOf = (t: number): number =>
    typeof sample.advantage === "number" ? sample.advantage : at(sample.advantage, t);
  const logRatios = Float64Array.from(logprobs, (logprob, t) => clampLog(logprob - at(oldLogprobs, t)));
  const meanLogRatio = logRatios.reduce((sum, value) => sum + value, 0) / length;
  const weight = weightOf(length, options, totals);
  const importance = importanceOf(oldLogprobs, samplerLogprobs, options.importance, sums);
  const isOffPolicy = (advantage: number): boolean =>
    options.offPolicyLimit !== null && advantage < 0 && -meanLogRatio > options.offPolicyLimit;
  for (let t = 0; t < length; t++) {
    const advantage = advantageOf(t);
    const logRatio = logRatios[t] ?? Number.NaN;
    const ownRatio = Math.exp(logRatio);
    const ratio = options.ratio === "sequence" ? Math.exp(meanLogRatio) : ownRatio;
    const entropy = entropies ? at(entropies, t) : 0;
    sums.see(advantage, ratio, logRatio, entropy, options);
    if (entropy >= entropyThreshold && !isOffPolicy(advantage)) {
      const { loss, slope } = policyTerm(ratio, advantage, at(logprobs, t), options);
      const factor = weight * (importance?.[t] ?? 1);
      sums.loss += factor * loss;
      if (options.ratio === "sequence") {
        // d ratio / d logprob is ratio / length, for each of the output's tokens.
        for (let i = 0; i < length; i++) gradient[i] = (gradient[i] ?? 0) + (factor * slope) / length;
      } else gradient[t] = (gradient[t] ?? 0) + factor * slope;
    }
    if (!refLogprobs) continue;
    const d = clampLog(at(refLogprobs, t) - at(logprobs, t));
    sums.kl += Math.exp(d) - d - 1;
    if (options.beta === 0) continue;
    const { value, slope } = klTerm(d, options.kl);
    const rho = options.weighsKl ? ownRatio : 1;
    sums.loss += weight * options.beta * rho * value;
    gradient[t] = (gradient[t] ?? 0) + weight * options.beta * (rho * slope + (options.weighsKl ? rho * value : 0));
  }
}

/** A token's loss, and its derivative with respect to the log of the ratio. */
function policyTerm(
  ratio: number,
  advantage: number,
  logprob: number,
  { epsilonLow, epsilonHigh, delta, dualClip, ratio: kind }: PolicyLossOptions,
): { readonly loss: number; readonly slope: number } {
  if (kind === "cispo") {
    const constant = Math.min(ratio, 1 + epsilonHigh) * advantage;
    return { loss: -constant * logprob, slope: -constant };
  }
  const isCapped = delta !== null && ratio > delta;
  const plain = (isCapped ? delta : ratio) * advantage;
  const clipped = Math.min(Math.max(ratio, 1 - epsilonLow), 1 + epsilonHigh) * advantage;
  const loss = -Math.min(plain, clipped);
  const isConstant = plain > clipped || isCapped;
  if (dualClip !== null && advantage < 0 && loss > -dualClip * advantage) {
    return { loss: -dualClip * advantage, slope: 0 };
  }
  return { loss, slope: isConstant ? 0 : -ratio * advantage };
}

/** A KL estimate and its derivative with respect to log pi; d = log pi_ref - log pi. */
function klTerm(d: number, kind: PolicyLossOptions["kl"]): { readonly value: number; readonly slope: number } {
  switch (kind) {
    case "k1":
      return { value: -d, slope: 1 };
    case "k2":
      return { value: (d * d) / 2, slope: -d };
    case "k3":
      return { value: Math.exp(d) - d - 1, slope: 1 - Math.exp(d) };
    default:
      return kind satisfies never;
  }
}

function weightOf(
  length: number,
  { aggregation, maxLength }: PolicyLossOptions,
  { sequences, tokens }: { readonly sequences: number; readonly tokens: number },
): number {
  switch (aggregation) {
    case "sequence-mean-token-mean":
      return 1 / (sequences * length);
    case "token-mean":
      return 1 / tokens;
    case "constant":
      return 1 / (sequences * maxLength);
    case "sequence-mean-token-sum":
      return 1 / sequences;
    default:
      return aggregation satisfies never;
  }
}

/** Factors of the policy terms of one output; null: 1 each. */
function importanceOf(
  oldLogprobs: ArrayLike<number>,
  samplerLogprobs: ArrayLike<number> | null,
  options: ImportanceOptions | null,
  sums: Sums,
): Float64Array | null {
  if (!samplerLogprobs || !options) return null;
  const logs = Float64Array.from(oldLogprobs, (logprob, t) => logprob - (samplerLogprobs[t] ?? Number.NaN));
  const { mode, cap } = options;
  const bySequence = mode === "sequence-truncate" || mode === "sequence-mask";
  const whole = Math.exp(clampLog(logs.reduce((sum, log) => sum + log, 0)));
  return logs.map((log) => {
    const ratio = bySequence ? whole : Math.exp(clampLog(log));
    sums.importance(ratio);
    const isMask = mode === "token-mask" || mode === "sequence-mask";
    return ratio <= cap ? ratio : isMask ? 0 : cap;
  });
}

/** The entropy from which a token has a policy term. */
function entropyThreshold(samples: readonly PolicySample[], share: number): number {
  if (share >= 1) return Number.NEGATIVE_INFINITY;
  const all = samples.flatMap(({ entropies, isMasked }) => (isMasked || !entropies ? [] : Array.from(entropies)));
  all.sort((a, b) => b - a);
  const count = Math.max(1, Math.round(share * all.length));
  return all[count - 1] ?? Number.NEGATIVE_INFINITY;
}

/** Log-ratios beyond this overflow and mean that something else is wrong; peers bound them alike. */
export function clampLog(value: number): number {
  return Math.max(-20, Math.min(20, value));
}

function check(samples: readonly PolicySample[], options: PolicyLossOptions): void {
  if (options.aggregation === "constant" && !(options.maxLength > 0)) {
    throw new RangeError("policy loss: the aggregation constant needs the longest output allowed");
  }
  for (const [s, sample] of samples.entries()) {
    const { logprobs, oldLogprobs, refLogprobs, samplerLogprobs, entropies } = sample;
    const arrays = { oldLogprobs, refLogprobs, samplerLogprobs, entropies };
    for (const [name, array] of Object.entries(arrays)) {
      if (array && array.length !== logprobs.length) {
        throw new RangeError(`policy loss: sample ${s} has ${logprobs.length} logprobs and ${array.length} ${name}`);
      }
    }
    if (options.beta !== 0 && !refLogprobs) throw new RangeError(`policy loss: sample ${s} has no refLogprobs`);
    if (options.topEntropy < 1 && !entropies) throw new RangeError(`policy loss: sample ${s} has no entropies`);
    for (let t = 0; t < logprobs.length; t++) {
      if (!Number.isFinite(logprobs[t]) || !Number.isFinite(oldLogprobs[t])) {
        throw new RangeError(
          `policy loss: sample ${s}, token ${t}: log-probability ${logprobs[t]}, old ${oldLogprobs[t]}`,
        );
      }
    }
  }
}

class Sums {
  loss = 0;
  kl = 0;
  #tokens = 0;
  #ratio = 0;
  #oldKl = 0;
  #entropy = 0;
  #low = 0;
  #high = 0;
  #importance = { count: 0, sum: 0, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };

  see(advantage: number, ratio: number, logRatio: number, entropy: number, options: PolicyLossOptions): void {
    this.#tokens++;
    this.#ratio += ratio;
    this.#oldKl -= logRatio;
    this.#entropy += entropy;
    if (ratio < 1 - options.epsilonLow && advantage < 0) this.#low++;
    if (ratio > 1 + options.epsilonHigh && advantage > 0) this.#high++;
  }

  importance(ratio: number): void {
    const all = this.#importance;
    all.count++;
    all.sum += ratio;
    all.min = Math.min(all.min, ratio);
    all.max = Math.max(all.max, ratio);
  }

  metrics(): PolicyLossMetrics {
    const mean = (sum: number): number => (this.#tokens > 0 ? sum / this.#tokens : 0);
    const { count, sum, min, max } = this.#importance;
    return {
      loss: this.loss,
      kl: mean(this.kl),
      oldKl: mean(this.#oldKl),
      ratio: mean(this.#ratio),
      entropy: mean(this.#entropy),
      clipLow: mean(this.#low),
      clipHigh: mean(this.#high),
      importance: count > 0 ? { min, mean: sum / count, max } : null,
      tokens: this.#tokens,
    };
  }
}
