/** The metrics that a task file may name, each with what it can score, how documents add up, and whether more is better; evaluation.md 7. */
import { type ExactMatchOptions, exactMatch, normalized } from "../metrics/exactMatch.js";
import { passAtK } from "../metrics/passAtK.js";
import { pythonRegex } from "../metrics/pythonRegex.js";
import type { Aggregation, AggregationName, Metric, MetricValue, OutputType } from "../taskFile.js";
import { bestChoice, type ChoiceMetric, type ChoiceScores, choiceMetric, wordPieces } from "./choiceMetrics.js";

interface MetricKind {
  readonly aggregation: AggregationName;
  readonly higherIsBetter: boolean;
  readonly outputTypes: readonly OutputType[];
}

const mean = { aggregation: "mean", higherIsBetter: true } as const;

const kinds: Readonly<Record<string, MetricKind>> = {
  acc: { ...mean, outputTypes: ["multiple_choice", "loglikelihood"] },
  acc_norm: { ...mean, outputTypes: ["multiple_choice"] },
  acc_bytes: { ...mean, outputTypes: ["multiple_choice"] },
  acc_mutual_info: { ...mean, outputTypes: ["multiple_choice"] },
  exact_match: { ...mean, outputTypes: ["multiple_choice", "generate_until"] },
  f1: { aggregation: "f1", higherIsBetter: true, outputTypes: ["multiple_choice", "generate_until"] },
  mcc: { aggregation: "mcc", higherIsBetter: true, outputTypes: ["multiple_choice"] },
  perplexity: { aggregation: "perplexity", higherIsBetter: false, outputTypes: ["loglikelihood"] },
  word_perplexity: {
    aggregation: "weighted_perplexity",
    higherIsBetter: false,
    outputTypes: ["loglikelihood_rolling"],
  },
  byte_perplexity: {
    aggregation: "weighted_perplexity",
    higherIsBetter: false,
    outputTypes: ["loglikelihood_rolling"],
  },
  bits_per_byte: { aggregation: "bits_per_byte", higherIsBetter: false, outputTypes: ["loglikelihood_rolling"] },
  judged: { ...mean, outputTypes: ["generate_until"] },
};

export const defaultMetrics: Readonly<Record<OutputType, readonly Metric[]>> = {
  multiple_choice: [{ metric: "acc" }, { metric: "acc_norm" }],
  loglikelihood: [{ metric: "perplexity" }, { metric: "acc" }],
  loglikelihood_rolling: [{ metric: "word_perplexity" }, { metric: "byte_perplexity" }, { metric: "bits_per_byte" }],
  generate_until: [{ metric: "exact_match" }],
};

export interface CompiledMetric {
  readonly name: string;
  readonly aggregation: Aggregation;
  readonly higherIsBetter: boolean;
  readonly hasError: boolean;
  /** The k of pass@k; null for any other metric. */
  readonly k: number | null;
  readonly match: ExactMatchOptions;
  readonly judgePrompt: string | null;
}

/**
 * @param hasScorer the values come from the task's own scorer, so any name will do
 * @throws RangeError for a metric that does not exist or does not fit what is asked of the model
 */
export function compileMetric(metric: Metric, outputType: OutputType, hasScorer: boolean): CompiledMetric {
  const name = metric.metric;
  const k = /^pass@([1-9]\d*)$/.exec(name)?.[1];
  const kind = hasScorer ? null : (kinds[k === undefined ? name : "exact_match"] ?? null);
  if (!hasScorer && !kind) {
    const known = [...Object.keys(kinds), "pass@k"].join(", ");
    throw new RangeError(`metric "${name}" does not exist; there are ${known}`);
  }
  if (kind && (!kind.outputTypes.includes(outputType) || (k !== undefined && outputType !== "generate_until"))) {
    throw new RangeError(`metric "${name}" does not go with output_type ${outputType}`);
  }
  if (name === "judged" && !hasScorer && metric.judgePrompt === undefined) {
    throw new RangeError('metric "judged" needs judge_prompt, a template over the row, {{target}} and {{response}}');
  }
  const isTokenF1 = name === "f1" && outputType === "generate_until";
  return {
    name,
    aggregation: metric.aggregation ?? (isTokenF1 ? "mean" : (kind?.aggregation ?? "mean")),
    higherIsBetter: metric.higherIsBetter ?? kind?.higherIsBetter ?? true,
    hasError: metric.hasError ?? true,
    k: k === undefined ? null : Number(k),
    match: {
      ignoreCase: metric.ignoreCase ?? false,
      ignorePunctuation: metric.ignorePunctuation ?? false,
      ignoreNumbers: metric.ignoreNumbers ?? false,
      regexesToIgnore: (metric.regexesToIgnore ?? []).map((source) => pythonRegex(source, "g")),
    },
    judgePrompt: metric.judgePrompt ?? null,
  };
}

export function scoreChoices({ name }: CompiledMetric, scores: ChoiceScores): MetricValue {
  if (name === "f1" || name === "mcc") return [scores.gold[0] ?? Number.NaN, bestChoice("acc", scores)];
  return choiceMetric(name as ChoiceMetric, scores);
}

export function scoreContinuation({ name }: CompiledMetric, logprob: number, isGreedy: boolean): MetricValue {
  return name === "acc" ? Number(isGreedy) : logprob;
}

/** @param text the whole document */
export function scoreDocument({ name }: CompiledMetric, logprob: number, text: string): MetricValue {
  return [logprob, name === "word_perplexity" ? wordPieces(text) : Buffer.byteLength(text, "utf8")];
}

/** Of everything but judged. @throws RangeError for pass@k of fewer answers than k */
export function scoreTexts(
  metric: CompiledMetric,
  responses: readonly string[],
  golds: readonly string[],
): MetricValue {
  const { name, k, match } = metric;
  if (k !== null) {
    const right = responses.filter((response) => exactMatch(response, golds, match)).length;
    return passAtK(responses.length, right, k);
  }
  const [first = ""] = responses;
  if (name === "f1")
    return Math.max(...golds.map((gold) => tokenF1(normalized(first, match), normalized(gold, match))));
  return exactMatch(first, golds, match) ? 1 : 0;
}

/** Of the words of two texts, each as often as it stands there. */
export function tokenF1(predicted: string, gold: string): number {
  const words = (text: string): string[] => text.split(/\s+/u).filter((word) => word !== "");
  const [ours, theirs] = [words(predicted), words(gold)];
  if (ours.length === 0 || theirs.length === 0) return ours.length === theirs.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of theirs) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of ours) {
    const count = left.get(word) ?? 0;
    if (count > 0) common++;
    left.set(word, count - 1);
  }
  return (2 * common) / (ours.length + theirs.length);
}
