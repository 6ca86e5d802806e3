/**
 * Several rewards to one number per sample. Either they are added up and the sum is compared within the group (`sum-then-normalize`), or
 * each is compared within the group first and the results are added up (`normalize-then-sum`), so that two rewards which always disagree
 * do not cancel. A reward that does not apply (null) leaves the sum. Spec: post-training.md sections 5.2 and 11.15.
 */

export type Combination = "sum-then-normalize" | "normalize-then-sum";

export interface NormalizeOptions {
  /** Divided by n - 1 or by n. */
  readonly std: "sample" | "population";
  /** Added to the spread. */
  readonly epsilon: number;
}

export const defaultNormalize: NormalizeOptions = { std: "sample", epsilon: 1e-4 };

/**
 * @param scores of each reward, one per sample
 * @returns the weighted sum per sample
 * @throws RangeError naming the first sample to which no reward applies
 */
export function weightedSum(scores: readonly (readonly (number | null)[])[], weights: readonly number[]): number[] {
  checkShape(scores, weights);
  return Array.from({ length: scores[0]?.length ?? 0 }, (_, i) => {
    let sum = 0;
    let count = 0;
    scores.forEach((column, r) => {
      const score = column[i];
      if (score === null || score === undefined) return;
      sum += (weights[r] ?? 0) * score;
      count++;
    });
    if (count === 0) throw new RangeError(`rewards: none of them gave sample ${i} a score`);
    return sum;
  });
}

/**
 * Advantages of samples: what each is above the others of its group.
 * @param groups of each sample
 */
export function combineRewards(
  scores: readonly (readonly (number | null)[])[],
  weights: readonly number[],
  groups: readonly number[],
  combination: Combination,
  options: NormalizeOptions = defaultNormalize,
): number[] {
  const sums = weightedSum(scores, weights);
  if (groups.length !== sums.length)
    throw new RangeError(`rewards: ${groups.length} groups for ${sums.length} samples`);
  if (combination === "sum-then-normalize") return normalizeInGroups(sums, groups, options).map((value) => value ?? 0);
  const normalized = scores.map((column) => normalizeInGroups(column, groups, options));
  return sums.map((_, i) => normalized.reduce((sum, column, r) => sum + (weights[r] ?? 0) * (column[i] ?? 0), 0));
}

/**
 * (score - mean) / (std + epsilon) among the scores of the group that are not null; 0 where all of them are equal, and exactly so.
 */
export function normalizeInGroups(
  scores: readonly (number | null)[],
  groups: readonly number[],
  { std, epsilon }: NormalizeOptions = defaultNormalize,
): (number | null)[] {
  const members = new Map<number, number[]>();
  scores.forEach((score, i) => {
    const group = groups[i] ?? 0;
    if (score !== null) members.set(group, [...(members.get(group) ?? []), score]);
  });
  const moments = new Map(
    [...members].map(([group, values]) => {
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const divisor = std === "sample" ? values.length - 1 : values.length;
      const variance = divisor === 0 ? 0 : values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / divisor;
      return [
        group,
        { mean, spread: Math.sqrt(variance), isFlat: values.every((value) => value === values[0]) },
      ] as const;
    }),
  );
  return scores.map((score, i) => {
    const moment = moments.get(groups[i] ?? 0);
    if (score === null || moment === undefined) return null;
    return moment.isFlat ? 0 : (score - moment.mean) / (moment.spread + epsilon);
  });
}

function checkShape(scores: readonly (readonly (number | null)[])[], weights: readonly number[]): void {
  if (scores.length === 0) throw new RangeError("rewards: there are none");
  if (scores.length !== weights.length)
    throw new RangeError(`rewards: ${weights.length} weights for ${scores.length} rewards`);
  const lengths = new Set(scores.map(({ length }) => length));
  if (lengths.size > 1) throw new RangeError(`rewards: they scored ${[...lengths].join(" and ")} samples`);
}
