/**
 * Asks all rewards for their scores, and decides what happens when one fails: it throws, takes longer than it may, or returns what is no
 * score. The failure always bears the reward's name. Spec: post-training.md sections 5.2 and 13 (timeouts are counted).
 */
import { type Combination, combineRewards, defaultNormalize, type NormalizeOptions, weightedSum } from "./combine.js";
import { DeadlineError, type Reward, type RewardSample, RowError, type Score } from "./reward.js";

/** stop: the run ends with the failure. null: the samples have no score of this reward. zero: they have the score 0. */
export type FailurePolicy = "stop" | "null" | "zero";

export interface ScoreOptions {
  readonly onFailure?: FailurePolicy;
  readonly combination?: Combination;
  readonly normalize?: NormalizeOptions;
}

export interface RewardFailure {
  readonly reward: string;
  readonly kind: "threw" | "timeout" | "no-score";
  readonly message: string;
  /** Samples that are concerned. */
  readonly count: number;
}

export interface ScoredSamples {
  /** The weighted sum of each sample. */
  readonly total: readonly number[];
  /** Of each reward, before its weight; null where it does not apply or has failed. */
  readonly parts: Readonly<Record<string, readonly (number | null)[]>>;
  /** Numbers that rewards returned beside their scores, as `name/metric`. */
  readonly metrics: Readonly<Record<string, readonly (number | null)[]>>;
  /** What each sample is above the others of its group, by the chosen combination. */
  readonly advantages: readonly number[];
  readonly failures: readonly RewardFailure[];
}

/** Names the reward; `cause` is what it threw. */
export class RewardError extends Error {}

/**
 * @throws RewardError under the policy "stop"; RowError; RangeError if no reward applies to a sample, or two bear one name
 */
export async function scoreSamples(
  rewards: readonly Reward[],
  samples: readonly RewardSample[],
  { onFailure = "stop", combination = "sum-then-normalize", normalize = defaultNormalize }: ScoreOptions = {},
): Promise<ScoredSamples> {
  const names = rewards.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new RangeError(`rewards: two are named ${twice}`);
  const failures: RewardFailure[] = [];
  const metrics: Record<string, (number | null)[]> = {};
  const substitute = onFailure === "zero" ? 0 : null;
  const fail = (failure: RewardFailure, cause?: unknown): void => {
    if (onFailure === "stop") throw new RewardError(`reward ${failure.reward}: ${failure.message}`, { cause });
    failures.push(failure);
  };
  const columns = await Promise.all(
    rewards.map(async (reward): Promise<(number | null)[]> => {
      const { name } = reward;
      let scores: readonly Score[];
      try {
        scores = await reward.score(samples);
      } catch (error) {
        if (error instanceof RowError) throw error;
        const kind = error instanceof DeadlineError ? "timeout" : "threw";
        const message = error instanceof Error ? error.message : String(error);
        fail({ reward: name, kind, message, count: samples.length }, error);
        return samples.map(() => substitute);
      }
      return readScores(name, scores, samples.length, substitute, metrics, fail);
    }),
  );
  const weights = rewards.map(({ weight }) => weight);
  const groups = samples.map(({ group }) => group);
  return {
    total: weightedSum(columns, weights),
    parts: Object.fromEntries(names.map((name, r) => [name, columns[r] ?? []])),
    metrics,
    advantages: combineRewards(columns, weights, groups, combination, normalize),
    failures,
  };
}

function readScores(
  name: string,
  scores: unknown,
  numSamples: number,
  substitute: 0 | null,
  metrics: Record<string, (number | null)[]>,
  fail: (failure: RewardFailure) => void,
): (number | null)[] {
  if (!Array.isArray(scores) || scores.length !== numSamples) {
    const what = Array.isArray(scores) ? `${scores.length} scores` : `no list of scores but ${describe(scores)}`;
    fail({ reward: name, kind: "no-score", message: `returned ${what} for ${numSamples} samples`, count: numSamples });
    return Array.from({ length: numSamples }, () => substitute);
  }
  const bad: { readonly index: number; readonly value: unknown }[] = [];
  const column = scores.map((given: unknown, index) => {
    const isObject = typeof given === "object" && given !== null && "score" in given;
    const score: unknown = isObject ? given.score : given;
    if (isObject) {
      for (const [metric, value] of Object.entries(given)) {
        if (metric === "score") continue;
        const key = `${name}/${metric}`;
        metrics[key] ??= Array.from({ length: numSamples }, () => null);
        metrics[key][index] = typeof value === "number" && Number.isFinite(value) ? value : null;
      }
    }
    if (score === null || (typeof score === "number" && Number.isFinite(score))) return score;
    bad.push({ index, value: score });
    return substitute;
  });
  const [first] = bad;
  if (first) {
    const message = `returned ${describe(first.value)} for sample ${first.index}, which is no score (a number, null, or { score })`;
    fail({ reward: name, kind: "no-score", message, count: bad.length });
  }
  return column;
}

function describe(value: unknown): string {
  if (typeof value === "number" || value === undefined) return String(value);
  return (JSON.stringify(value) ?? typeof value).slice(0, 100);
}
