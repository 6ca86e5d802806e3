/**
 * Rewards that shape the length of answers and their wording. Lengths are in tokens. Spec: post-training.md sections 5.3 and 11.8.
 */
import { boxedReward } from "./answerRewards.js";
import { eachSample, type RewardFunction, type Score } from "./reward.js";

export interface CorrectnessOptions {
  /** Says which answers are right (more than 0). Default: the boxed answer. */
  readonly correct?: RewardFunction;
}

/**
 * Kimi 1.5: from 0.5 for the shortest of a group to -0.5 for the longest; a wrong answer gets no more than 0. Null where nobody can say
 * whether it is right; such answers count for the group's lengths.
 */
export function kimiLengthReward({ correct = boxedReward() }: CorrectnessOptions = {}): RewardFunction {
  return async (samples) => {
    const right = await correct(samples);
    const spans = new Map<number, { min: number; max: number }>();
    for (const { group, completionIds } of samples) {
      const span = spans.get(group) ?? { min: completionIds.length, max: completionIds.length };
      spans.set(group, {
        min: Math.min(span.min, completionIds.length),
        max: Math.max(span.max, completionIds.length),
      });
    }
    return samples.map(({ group, completionIds }, i) => {
      const isRight = rightness(right[i]);
      if (isRight === null) return null;
      const { min, max } = spans.get(group) ?? { min: 0, max: 0 };
      if (min === max) return 0;
      const lambda = 0.5 - (completionIds.length - min) / (max - min);
      return isRight ? lambda : Math.min(0, lambda);
    });
  };
}

export interface CosineOptions extends CorrectnessOptions {
  /** Length at which the scale ends. */
  readonly maxLength: number;
  /** Scores at the end and at the beginning of the scale. Default 0.5 to 1 for right answers, -0.5 to -1 for wrong ones. */
  readonly right?: readonly [low: number, high: number];
  readonly wrong?: readonly [low: number, high: number];
}

/** Short right answers are worth more than long ones; short wrong answers cost more than long ones. */
export function cosineReward({
  maxLength,
  correct = boxedReward(),
  right = [0.5, 1],
  wrong = [-0.5, -1],
}: CosineOptions): RewardFunction {
  requirePositive("cosine", "maxLength", maxLength);
  return async (samples) => {
    const verdicts = await correct(samples);
    return samples.map(({ completionIds }, i) => {
      const isRight = rightness(verdicts[i]);
      if (isRight === null) return null;
      const [low, high] = isRight ? right : wrong;
      const share = Math.min(completionIds.length / maxLength, 1);
      return low + ((high - low) * (1 + Math.cos(Math.PI * share))) / 2;
    });
  };
}

export interface OverlongOptions {
  readonly maxLength: number;
  /** Tokens before it in which the punishment rises from 0 to -1. */
  readonly buffer: number;
}

/** DAPO's soft punishment of answers that come near the limit. */
export function softOverlongReward({ maxLength, buffer }: OverlongOptions): RewardFunction {
  requirePositive("soft-overlong", "maxLength", maxLength);
  requirePositive("soft-overlong", "buffer", buffer);
  if (buffer > maxLength)
    throw new RangeError(`reward soft-overlong: buffer ${buffer} is longer than maxLength ${maxLength}`);
  return eachSample(({ completionIds }) =>
    Math.max(-1, Math.min(0, (maxLength - buffer - completionIds.length) / buffer)),
  );
}

export interface RepetitionOptions {
  /** Words in a row that count as repeated. Default 3. */
  readonly n?: number;
  /** For a text that repeats itself all the time; 0 or less. Default -1. */
  readonly penalty?: number;
}

/** The share of runs of `n` words that were there before, times the penalty. */
export function repetitionReward({ n = 3, penalty = -1 }: RepetitionOptions = {}): RewardFunction {
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`reward repetition: n must be a positive integer, got ${n}`);
  if (!(penalty <= 0)) throw new RangeError(`reward repetition: penalty must be 0 or less, got ${penalty}`);
  return eachSample(({ completionText }) => {
    const words = completionText
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    const total = words.length - n + 1;
    if (total < 1) return 0;
    const distinct = new Set(Array.from({ length: total }, (_, i) => words.slice(i, i + n).join(" ")));
    return distinct.size === total ? 0 : (1 - distinct.size / total) * penalty;
  });
}

function rightness(score: Score | undefined): boolean | null {
  const value = typeof score === "object" && score !== null ? score.score : score;
  return value === null || value === undefined ? null : value > 0;
}

function requirePositive(name: string, option: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new RangeError(`reward ${name}: ${option} must be a positive integer, got ${value}`);
}
