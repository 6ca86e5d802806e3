/**
 * The report of a run as one HTML page: curves, the load of every expert over time, samples beside what the text really says. It reads
 * what the run wrote (run.json, metrics.jsonl), so it can be made again at any time, also while the run goes on.
 */
import type { SampleEvent, StepEvent, TrainEvent, ValidationEvent } from "../train/events.js";
import { escapeHtml, lineChart, type Series, shortNumber } from "./chart.js";
import { heatLegend, heatMap } from "./heatMap.js";
import { curveColors, factsTable, page } from "./page.js";

export interface ReportInput {
  readonly title: string;
  /** Facts for the table at the top, in order. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly events: readonly TrainEvent[];
  /** Bits per byte that compressors need for the same held-out files. */
  readonly compressors: readonly { readonly name: string; readonly bitsPerByte: number }[];
}

/** Columns of a heat map, each the sum over its steps. */
const maxMoments = 80;

export function renderReport({ title, facts, events, compressors }: ReportInput): string {
  const steps = events.filter((event): event is StepEvent => event.kind === "step");
  const validations = events.filter((event): event is ValidationEvent => event.kind === "validation");
  const samples = events.filter((event): event is SampleEvent => event.kind === "sample");
  const maps = loadMaps(steps);
  return page(title, [
    keyNumbers(steps, validations, compressors),
    factsTable(facts),
    "<h2>Learning</h2>",
    `<section class="charts">${charts(steps, validations, compressors).join("\n")}</section>`,
    maps.length === 0
      ? ""
      : `<h2>Load of every expert</h2><p>How many tokens the router sent to each expert. Time runs from left to right; the middle colour is the fair share.</p>
${heatLegend()}<section class="charts">${maps.join("\n")}</section>`,
    samples.length === 0
      ? ""
      : `<h2>What it writes</h2><p>Held-out text: the model saw what is grey and wrote what is marked.</p>${samples.map(sampleHtml).join("\n")}`,
  ]);
}

/** The few figures one looks for first. */
function keyNumbers(
  steps: readonly StepEvent[],
  validations: readonly ValidationEvent[],
  compressors: ReportInput["compressors"],
): string {
  const last = steps.at(-1);
  const validation = validations.at(-1);
  const accuracy = last?.mtpAccuracy[0];
  const numbers: (readonly [name: string, value: string])[] = [];
  if (validation) {
    const { valBitsPerByte: bits, valLoss } = validation;
    numbers.push(bits === null ? ["held-out loss", fixed(valLoss)] : ["held-out bits per byte", fixed(bits)]);
  }
  for (const { name, bitsPerByte } of compressors) numbers.push([`${name}, same files`, fixed(bitsPerByte)]);
  if (last) {
    numbers.push(["tokens trained on", shortNumber(last.tokens)]);
    numbers.push(["median tokens/s", shortNumber(medianOf(steps.map(({ tokensPerSecond }) => tokensPerSecond)))]);
  }
  if (accuracy !== undefined) numbers.push(["MTP accuracy", `${(100 * accuracy).toFixed(1)} %`]);
  if (numbers.length === 0) return "";
  const cells = numbers.map(
    ([name, value], i) =>
      `<div${i === 0 && validation ? ' class="main"' : ""}><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return `<dl class="numbers">${cells.join("")}</dl>`;
}

function charts(
  steps: readonly StepEvent[],
  validations: readonly ValidationEvent[],
  compressors: ReportInput["compressors"],
): string[] {
  const color = (i: number): string => curveColors[i % curveColors.length] ?? "gray";
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

/** A heat map per layer with experts. */
function loadMaps(steps: readonly StepEvent[]): string[] {
  const stride = Math.max(1, Math.ceil(steps.length / maxMoments));
  return (steps[0]?.layers ?? []).map(({ layer }, index) => {
    const cells: number[][] = [];
    const timeLabels: string[] = [];
    for (let begin = 0; begin < steps.length; begin += stride) {
      const group = steps.slice(begin, begin + stride);
      const sums = (group[0]?.layers[index]?.counts ?? []).map((_, expert) =>
        group.reduce((sum, step) => sum + (step.layers[index]?.counts[expert] ?? 0), 0),
      );
      const fair = mean(sums) || 1;
      cells.push(sums.map((count) => count / fair));
      timeLabels.push(`${shortNumber(group.at(-1)?.tokens ?? 0)} tokens`);
    }
    return heatMap(cells, { title: `Layer ${layer}`, rowName: "expert", timeLabels });
  });
}

function sampleHtml({ prompt, suffix, text, truth, step }: SampleEvent): string {
  const head = `<span class="given">${escapeHtml(prompt)}</span>`;
  const tail = suffix === null ? "" : `<span class="given">${escapeHtml(suffix)}</span>`;
  return `<article><h3>${suffix === null ? "Completion" : "Fill in the middle"} <small>after step ${step}</small></h3>
<div class="pair"><div><h4>the model</h4><pre>${head}<mark>${escapeHtml(text)}</mark>${tail}</pre></div>
<div><h4>the file</h4><pre>${head}<ins>${escapeHtml(truth)}</ins>${tail}</pre></div></div></article>`;
}

function fixed(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3) : "not finite";
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
