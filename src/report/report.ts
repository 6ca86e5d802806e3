/**
 * The report of a run as one HTML page: curves, the load of every expert over time, samples beside what the text really says. It reads
 * what the run wrote (run.json, metrics.jsonl), so it can be made again at any time, also while the run goes on.
 */
import type { EvaluationEvent, SampleEvent, StepEvent, TrainEvent, ValidationEvent } from "../train/events.js";
import { escapeHtml, shortNumber } from "./chart.js";
import { type Compressor, policyCharts, trainingCharts } from "./curves.js";
import { heatLegend, heatMap } from "./heatMap.js";
import { factsTable, page } from "./page.js";

export interface ReportInput {
  readonly title: string;
  /** Facts for the table at the top, in order. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly events: readonly TrainEvent[];
  /** Bits per byte that compressors need for the same held-out files. */
  readonly compressors: readonly Compressor[];
  /** Runs that went on from this one, to be shown behind it. */
  readonly later?: readonly LaterStage[];
}

export interface LaterStage {
  readonly heading: string;
  readonly facts: ReportInput["facts"];
  readonly events: readonly TrainEvent[];
}

/** Columns of a heat map, each the sum over its steps. */
const maxMoments = 80;

export function renderReport({ title, facts, events, compressors, later = [] }: ReportInput): string {
  const { steps, validations } = sorted(events);
  const maps = loadMaps(steps);
  return page(title, [
    keyNumbers(steps, validations, compressors, later),
    factsTable(facts),
    "<h2>Learning</h2>",
    chartsOf(events, compressors),
    maps.length === 0
      ? ""
      : `<h2>Load of every expert</h2><p>How many tokens the router sent to each expert. Time runs from left to right; the middle colour is the fair share.</p>
${heatLegend()}<section class="charts">${maps.join("\n")}</section>`,
    samplesOf(events),
    ...later.flatMap((stage) => [
      `<h2>${escapeHtml(stage.heading)}</h2>`,
      factsTable(stage.facts),
      chartsOf(stage.events, []),
      samplesOf(stage.events),
    ]),
  ]);
}

function sorted(events: readonly TrainEvent[]): {
  readonly steps: StepEvent[];
  readonly validations: ValidationEvent[];
  readonly evaluations: EvaluationEvent[];
} {
  return {
    steps: events.filter((event): event is StepEvent => event.kind === "step"),
    validations: events.filter((event): event is ValidationEvent => event.kind === "validation"),
    evaluations: events.filter((event): event is EvaluationEvent => event.kind === "evaluation"),
  };
}

function chartsOf(events: readonly TrainEvent[], compressors: readonly Compressor[]): string {
  const { steps, validations, evaluations } = sorted(events);
  const isPolicy = steps.some(({ policy }) => policy !== undefined);
  const charts = isPolicy ? policyCharts(steps, evaluations) : trainingCharts(steps, validations, compressors);
  return `<section class="charts">${charts.join("\n")}</section>`;
}

function samplesOf(events: readonly TrainEvent[]): string {
  const samples = events.filter((event): event is SampleEvent => event.kind === "sample");
  if (samples.length === 0) return "";
  return `<h2>What it writes</h2><p>Held-out text: the model saw what is grey and wrote what is marked.</p>${samples.map(sampleHtml).join("\n")}`;
}

/** The few figures one looks for first. */
function keyNumbers(
  steps: readonly StepEvent[],
  validations: readonly ValidationEvent[],
  compressors: readonly Compressor[],
  later: readonly LaterStage[],
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
  for (const { heading, events } of later) {
    const accuracy = sorted(events).evaluations.at(-1)?.figures.accuracy;
    if (accuracy !== undefined) numbers.push([`held-out problems, ${heading}`, `${(100 * accuracy).toFixed(1)} %`]);
  }
  if (numbers.length === 0) return "";
  const cells = numbers.map(
    ([name, value], i) =>
      `<div${i === 0 && validation ? ' class="main"' : ""}><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return `<dl class="numbers">${cells.join("")}</dl>`;
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
