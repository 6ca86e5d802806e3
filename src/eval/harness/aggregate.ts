/** From what documents scored to one figure and its standard error, for one task; evaluation.md 7 and 11. */
import type { Aggregation, AggregationName, MetricValue } from "../taskFile.js";
import { bootstrapError, mean, meanError } from "./statistics.js";

/** Most draws where a function of the task's own is the statistic, whose cost nobody knows. */
const mostDrawsOfFunction = 1000;

const statistics: Readonly<Record<AggregationName, (values: readonly MetricValue[]) => number>> = {
  mean: (values) => mean(flat(values)),
  median: (values) => {
    const sorted = flat(values).sort((a, b) => a - b);
    const half = Math.floor(sorted.length / 2);
    const upper = sorted[half] ?? Number.NaN;
    return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
  },
  perplexity: (values) => Math.exp(-mean(flat(values))),
  weighted_perplexity: (values) => Math.exp(-ratio(values)),
  bits_per_byte: (values) => -ratio(values) / Math.LN2,
  f1: (values) => {
    const { truePositives, falsePositives, falseNegatives } = confusion(values);
    return truePositives === 0 ? 0 : (2 * truePositives) / (2 * truePositives + falsePositives + falseNegatives);
  },
  mcc: (values) => matthews(values),
};

/** Figures of a whole corpus, which documents drawn again would not make better known. */
const withoutError: ReadonlySet<Aggregation> = new Set(["weighted_perplexity", "bits_per_byte"]);

/**
 * @param values one for each document; of [gold, predicted] for f1 and mcc, of [log-probability, weight] for the two that divide sums
 * @throws RangeError for no values
 */
export function aggregate(aggregation: Aggregation, values: readonly MetricValue[]): number {
  if (values.length === 0) throw new RangeError("aggregate: no documents were scored");
  return typeof aggregation === "function" ? aggregation(values) : statistics[aggregation](values);
}

/** Null where there is none. @param draws of the bootstrap; 0 switches that off */
export function standardError(aggregation: Aggregation, values: readonly MetricValue[], draws: number): number | null {
  if (withoutError.has(aggregation)) return null;
  if (aggregation === "mean" && values.every((value) => typeof value === "number")) return meanError(values);
  const most = typeof aggregation === "function" ? Math.min(draws, mostDrawsOfFunction) : draws;
  return bootstrapError(values, (sample) => aggregate(aggregation, sample), most);
}

function flat(values: readonly MetricValue[]): number[] {
  return values.flatMap((value): readonly number[] => (typeof value === "number" ? [value] : value));
}

/** Sum of the first numbers over the sum of the second. */
function ratio(values: readonly MetricValue[]): number {
  let [above, below] = [0, 0];
  for (const value of values) {
    const [a, b] = pair(value);
    above += a;
    below += b;
  }
  return above / below;
}

function pair(value: MetricValue): readonly [number, number] {
  if (typeof value !== "number" && value.length === 2) return [value[0] ?? Number.NaN, value[1] ?? Number.NaN];
  throw new RangeError(`aggregate: expected a pair of numbers for each document, got ${JSON.stringify(value)}`);
}

/** Of class 1 against all others. */
function confusion(
  values: readonly MetricValue[],
): Readonly<Record<"truePositives" | "falsePositives" | "falseNegatives", number>> {
  let [truePositives, falsePositives, falseNegatives] = [0, 0, 0];
  for (const value of values) {
    const [gold, predicted] = pair(value);
    if (gold === 1 && predicted === 1) truePositives++;
    else if (predicted === 1) falsePositives++;
    else if (gold === 1) falseNegatives++;
  }
  return { truePositives, falsePositives, falseNegatives };
}

/** Matthews' correlation of gold and predicted classes, of any number (Gorodkin 2004); 0 where it has no value. */
function matthews(values: readonly MetricValue[]): number {
  const goldCounts = new Map<number, number>();
  const predictedCounts = new Map<number, number>();
  let right = 0;
  for (const value of values) {
    const [gold, predicted] = pair(value);
    goldCounts.set(gold, (goldCounts.get(gold) ?? 0) + 1);
    predictedCounts.set(predicted, (predictedCounts.get(predicted) ?? 0) + 1);
    if (gold === predicted) right++;
  }
  const total = values.length;
  const both = [...goldCounts].reduce((sum, [label, count]) => sum + count * (predictedCounts.get(label) ?? 0), 0);
  const squares = (counts: ReadonlyMap<number, number>): number =>
    [...counts.values()].reduce((sum, count) => sum + count ** 2, 0);
  const below = Math.sqrt((total ** 2 - squares(predictedCounts)) * (total ** 2 - squares(goldCounts)));
  return below === 0 ? 0 : (right * total - both) / below;
}
