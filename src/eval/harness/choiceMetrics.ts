/**
 * Which choice a model prefers, by the log-likelihood of each: as it is, by character, by byte, or beyond what the choice has without the
 * question; evaluation.md 7.2. Of equal ones the first counts.
 */

export interface ChoiceScores {
  /** Sum of log-probabilities of each choice. */
  readonly logprobs: readonly number[];
  /** Each choice's tokens were all the likeliest. */
  readonly isGreedy: readonly boolean[];
  /** The same sums without the question; null if not asked for. */
  readonly unconditional: readonly number[] | null;
  /** What was scored, without the delimiter before it. */
  readonly texts: readonly string[];
  readonly gold: readonly number[];
}

export type ChoiceMetric = "acc" | "acc_norm" | "acc_bytes" | "acc_mutual_info" | "exact_match";

/** 1 or 0. */
export function choiceMetric(metric: ChoiceMetric, scores: ChoiceScores): number {
  const { gold, isGreedy } = scores;
  if (metric === "exact_match") return gold.some((index) => isGreedy[index]) ? 1 : 0;
  return gold.includes(bestChoice(metric, scores)) ? 1 : 0;
}

/** Index of the preferred choice. */
export function bestChoice(metric: Exclude<ChoiceMetric, "exact_match">, scores: ChoiceScores): number {
  const values = choiceValues(metric, scores);
  return values.reduce((best, value, index) => (value > (values[best] ?? Number.NaN) ? index : best), 0);
}

/** What each choice is preferred by. */
export function choiceValues(metric: Exclude<ChoiceMetric, "exact_match">, scores: ChoiceScores): number[] {
  const { logprobs, texts, unconditional } = scores;
  return logprobs.map((logprob, index) => {
    const text = texts[index] ?? "";
    switch (metric) {
      case "acc":
        return logprob;
      case "acc_norm":
        return logprob / codePoints(text);
      case "acc_bytes":
        return logprob / Buffer.byteLength(text, "utf8");
      case "acc_mutual_info":
        if (!unconditional) throw new Error("internal: acc_mutual_info without the choices' own log-likelihoods");
        return logprob - (unconditional[index] ?? Number.NaN);
      default:
        return metric satisfies never;
    }
  });
}

/** Unicode code points: `length` would count UTF-16 units. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** Words as byte and word perplexities count them: the pieces between white space, an empty one at either end included. */
export function wordPieces(text: string): number {
  return text.split(/\s+/u).length;
}
