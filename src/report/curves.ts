/** The curves of a report: of training on text or records, and of reinforcement learning, whose steps tell what the policy did. */
import type { EvaluationEvent, PolicyMetrics, StepEvent, ValidationEvent } from "../train/events.js";
import { lineChart, type Series } from "./chart.js";
import { curveColors } from "./page.js";

export interface Compressor {
  readonly name: string;
  readonly bitsPerByte: number;
}

const color = (i: number): string => curveColors[i % curveColors.length] ?? "gray";

/** Of losses, balance, rate, norm and speed, over tokens. @param compressors beside the bits per byte */
export function trainingCharts(
  steps: readonly StepEvent[],
  validations: readonly ValidationEvent[],
  compressors: readonly Compressor[],
): string[] {
  const curve = (name: string, i: number, value: (event: StepEvent) => number): Series => ({
    name,
    color: color(i),
    points: steps.map((event) => [event.tokens, value(event)] as const),
  });
  const depths = steps[0]?.mtpLosses.length ?? 0;
  const overDepths = (name: string, value: (event: StepEvent, depth: number) => number | undefined): Series[] =>
    Array.from({ length: depths }, (_, k) =>
      curve(`${name} ${k + 1}`, k + 1, (event) => value(event, k) ?? Number.NaN),
    );
  const ends = [steps[0], validations[0], steps.at(-1), validations.at(-1)].flatMap((event) => event?.tokens ?? []);
  const span = [Math.min(...ends), Math.max(...ends)];
  const x = { xLabel: "tokens trained on" };
  const hasExperts = steps.some(({ layers }) => layers.length > 0);
  const hasBits = validations.length === 0 || validations.some(({ valBitsPerByte }) => valBitsPerByte !== null);
  return [
    lineChart(
      [
        {
          name: hasBits ? "held-out text" : "held-out records",
          color: color(0),
          points: validations.flatMap(({ tokens, valBitsPerByte, valLoss }): (readonly [number, number])[] => {
            const value = hasBits ? valBitsPerByte : valLoss;
            return value === null ? [] : [[tokens, value]];
          }),
        },
        ...compressors.map(
          ({ name, bitsPerByte }, i): Series => ({
            name,
            color: color(i + 1),
            points: span.map((tokens) => [tokens, bitsPerByte]),
            isReference: true,
          }),
        ),
      ],
      hasBits
        ? { ...x, title: "Bits per byte", yLabel: "held-out files; lower is better" }
        : { ...x, title: "Held-out loss", yLabel: "nats per supervised token" },
    ),
    lineChart(
      [curve("next token", 0, ({ loss }) => loss), ...overDepths("MTP depth", ({ mtpLosses }, k) => mtpLosses[k])],
      {
        ...x,
        title: "Training loss",
        yLabel: "nats per token",
      },
    ),
    hasExperts
      ? lineChart(
          [
            curve("worst layer", 1, ({ layers }) => Math.max(...layers.map(({ maxVio }) => maxVio))),
            curve("mean over layers", 0, ({ layers }) => mean(layers.map(({ maxVio }) => maxVio))),
          ],
          { ...x, title: "MaxVio", yLabel: "busiest expert above its fair share; 0 is balanced" },
        )
      : "",
    depths > 0
      ? lineChart(
          overDepths("depth", ({ mtpAccuracy }, k) => mtpAccuracy[k]),
          { ...x, title: "MTP accuracy", yLabel: "tokens guessed right, further ahead", isShare: true },
        )
      : "",
    lineChart([curve("learning rate", 0, ({ learningRate }) => learningRate)], {
      ...x,
      title: "Learning rate",
      yLabel: "of AdamW",
    }),
    lineChart([curve("gradient norm", 0, ({ gradNorm }) => gradNorm)], {
      ...x,
      title: "Gradient norm",
      yLabel: "before clipping, logarithmic",
      isLogarithmic: true,
    }),
    lineChart([curve("speed", 0, ({ tokensPerSecond }) => tokensPerSecond)], {
      ...x,
      title: "Speed",
      yLabel: "tokens per second",
    }),
    lineChart([curve("of the peak", 0, ({ peakFraction }) => peakFraction)], {
      ...x,
      title: "Use of the machine",
      yLabel: "share of its measured peak",
      isShare: true,
    }),
  ].filter((chart) => chart !== "");
}

/** Of reinforcement learning, over steps: what the answers earned, how sure and how long they were, and where the time went. */
export function policyCharts(steps: readonly StepEvent[], evaluations: readonly EvaluationEvent[]): string[] {
  const known = steps.flatMap(({ step, policy, gradNorm }) => (policy ? [{ step, policy, gradNorm }] : []));
  const curve = (name: string, i: number, value: (policy: PolicyMetrics) => number): Series => ({
    name,
    color: color(i),
    points: known.map(({ step, policy }) => [step, value(policy)] as const),
  });
  const x = { xLabel: "steps" };
  const figures = [...new Set(evaluations.flatMap((event) => Object.keys(event.figures)))];
  const shares = figures.filter((name) => /accuracy|truncated/.test(name));
  const sampled = figures.filter((name) => name.includes("@"));
  const measured = (name: string, i: number): Series => ({
    name: `held-out ${name}`,
    color: color(i),
    points: evaluations.flatMap((event): (readonly [number, number])[] => {
      const value = event.figures[name];
      return value === undefined ? [] : [[event.step, value]];
    }),
  });
  const hasReference = known.some(({ policy }) => policy.kl !== null);
  const phases = ["rollout", "reward", "logprobs", "update"] as const;
  return [
    shares.length > 0
      ? lineChart(shares.map(measured), { ...x, title: "Held-out problems", yLabel: "share", isShare: true })
      : "",
    sampled.length > 0
      ? lineChart(sampled.map(measured), { ...x, title: "Held-out questions, sampled", yLabel: "reward" })
      : "",
    lineChart(
      [curve("mean", 0, ({ reward }) => reward), curve("spread within a group", 1, ({ rewardStd }) => rewardStd)],
      {
        ...x,
        title: "Reward",
        yLabel: "of the sampled answers",
      },
    ),
    lineChart([curve("entropy", 0, ({ entropy }) => entropy)], { ...x, title: "Entropy", yLabel: "nats per token" }),
    hasReference
      ? lineChart([curve("k3", 0, ({ kl }) => kl ?? Number.NaN)], {
          ...x,
          title: "KL to the reference",
          yLabel: "nats per token",
        })
      : "",
    lineChart([curve("mean", 0, ({ length }) => length.mean), curve("longest", 1, ({ length }) => length.max)], {
      ...x,
      title: "Length of answers",
      yLabel: "tokens",
    }),
    lineChart(
      [
        curve("groups that teach nothing", 0, ({ zeroStdShare }) => zeroStdShare),
        curve("answers cut at the limit", 1, ({ truncatedShare }) => truncatedShare),
        curve("tokens beyond the clip", 2, ({ clipLow, clipHigh }) => clipLow + clipHigh),
      ],
      { ...x, title: "Shares", yLabel: "of groups, answers, tokens", isShare: true },
    ),
    lineChart(
      [
        {
          name: "gradient norm",
          color: color(0),
          points: known.map(({ step, gradNorm }) => [step, gradNorm] as const),
        },
      ],
      { ...x, title: "Gradient norm", yLabel: "before clipping, logarithmic", isLogarithmic: true },
    ),
    lineChart(
      phases.map((phase, i) => curve(phase, i, ({ seconds }) => seconds[phase])),
      { ...x, title: "Time of a step", yLabel: "seconds" },
    ),
  ].filter((chart) => chart !== "");
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
