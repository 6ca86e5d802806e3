/**
 * How much better an output is than the others of its group: rewards to advantages, without a critic. DeepSeekMath 4.1; post-training.md 7.1,
 * 7.6, 8.2. A group whose rewards are all alike says nothing: its advantages are exactly 0.
 */

export interface AdvantageOptions {
  /** grpo: deviation from the group's mean; rloo: from the mean of the others; batch: from the mean of all groups (REINFORCE++). */
  readonly baseline: "group" | "leave-one-out" | "batch";
  /** What the deviations are divided by: the group's spread, that of all groups together (Lite-PPO), or nothing (Dr. GRPO). */
  readonly scale: "group" | "batch" | "none";
  /** Divided by n - 1 or by n. The papers do not say; peers take the first. */
  readonly std: "sample" | "population";
  /** Added to the spread. */
  readonly epsilon: number;
}

export const defaultAdvantage: AdvantageOptions = { baseline: "group", scale: "group", std: "sample", epsilon: 1e-4 };

/**
 * @param rewards of groups one after the other, each of `groupSize`
 * @returns one number for each reward
 * @throws RangeError for rewards that are no whole groups or not finite
 */
export function advantages(
  rewards: readonly number[],
  groupSize: number,
  options: AdvantageOptions = defaultAdvantage,
): Float64Array {
  if (!Number.isInteger(groupSize) || groupSize < 1 || rewards.length % groupSize !== 0) {
    throw new RangeError(`advantages: ${rewards.length} rewards are not groups of ${groupSize}`);
  }
  const bad = rewards.findIndex((reward) => !Number.isFinite(reward));
  if (bad >= 0) throw new RangeError(`advantages: reward ${bad} is ${rewards[bad]}`);
  const result = new Float64Array(rewards.length);
  const batch = momentsOf(rewards, options.std);
  for (let begin = 0; begin < rewards.length; begin += groupSize) {
    const group = rewards.slice(begin, begin + groupSize);
    const { mean, std } = momentsOf(group, options.std);
    if (group.every((reward) => reward === group[0]) && options.baseline !== "batch") continue;
    const divisor = { group: std + options.epsilon, batch: batch.std + options.epsilon, none: 1 }[options.scale];
    for (const [i, reward] of group.entries()) {
      const deviation = options.baseline === "batch" ? reward - batch.mean : reward - mean;
      // The mean of the others is (G mean - r) / (G - 1).
      const factor = options.baseline === "leave-one-out" ? groupSize / (groupSize - 1) : 1;
      result[begin + i] = (deviation * factor) / divisor;
    }
  }
  return result;
}

/** Rewards of one output at the ends of its steps. */
export interface ProcessRewards {
  /** Tokens of the output. */
  readonly length: number;
  /** Number of tokens up to each step's end, rising. */
  readonly ends: readonly number[];
  readonly rewards: readonly number[];
}

/**
 * Process supervision: rewards of all steps of a group are normalised together, and a token's advantage is the sum over the steps that end
 * at it or later. DeepSeekMath 4.1.3.
 * @returns for each output an array of its length
 */
export function processAdvantages(
  outputs: readonly ProcessRewards[],
  { std, epsilon }: Pick<AdvantageOptions, "std" | "epsilon">,
): Float64Array[] {
  const all = outputs.flatMap(({ rewards }) => rewards);
  const moments = momentsOf(all, std);
  const isFlat = all.every((reward) => reward === all[0]);
  return outputs.map(({ length, ends, rewards }) => {
    const tokens = new Float64Array(length);
    if (isFlat) return tokens;
    for (const [step, end] of ends.entries()) {
      const normalised = ((rewards[step] ?? Number.NaN) - moments.mean) / (moments.std + epsilon);
      for (let t = 0; t < end; t++) tokens[t] = (tokens[t] ?? 0) + normalised;
    }
    return tokens;
  });
}

/** Mean and spread; the spread of a single sample is 0. */
export function momentsOf(
  values: readonly number[],
  kind: AdvantageOptions["std"],
): { readonly mean: number; readonly std: number } {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const divisor = kind === "sample" ? n - 1 : n;
  return { mean, std: divisor > 0 ? Math.sqrt(squares / divisor) : 0 };
}
