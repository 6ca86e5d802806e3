/**
 * The report of a run as one HTML page: curves, the load of every expert over time, samples beside what the text really says. It reads
 * what the run wrote (run.json, metrics.jsonl), so it can be made again at any time.
 */
import type { SampleEvent, StepEvent, TrainEvent, ValidationEvent } from "../train/events.js";
import { escapeHtml, heatMap, lineChart, type Series, shortNumber } from "./chart.js";

export interface ReportInput {
  readonly title: string;
  /** Facts for the table at the top, in order. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly events: readonly TrainEvent[];
  /** Bits per byte that compressors need for the same held-out files. */
  readonly compressors: readonly { readonly name: string; readonly bitsPerByte: number }[];
}

const colors = ["var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)"];

export function renderReport({ title, facts, events, compressors }: ReportInput): string {
  const steps = events.filter((event): event is StepEvent => event.kind === "step");
  const validations = events.filter((event): event is ValidationEvent => event.kind === "validation");
  const samples = events.filter((event): event is SampleEvent => event.kind === "sample");
  const curve = (name: string, color: number, value: (event: StepEvent) => number): Series => ({
    name,
    color: colors[color % colors.length] ?? "gray",
    points: steps.map((event) => [event.tokens, value(event)] as const),
  });
  const depths = steps[0]?.mtpLosses.length ?? 0;
  const overDepths = (name: string, value: (event: StepEvent, depth: number) => number): Series[] =>
    Array.from({ length: depths }, (_, k) => curve(`${name} ${k + 1}`, k + 1, (event) => value(event, k)));
  const span = [steps[0]?.tokens ?? 0, steps.at(-1)?.tokens ?? 1] as const;
  const x = { xLabel: "tokens" };
  const charts = [
    lineChart(
      [
        {
          name: "held-out text",
          color: colors[0] ?? "",
          points: validations.map(({ tokens, valBitsPerByte }) => [tokens, valBitsPerByte]),
        },
        ...compressors.map(
          ({ name, bitsPerByte }, i): Series => ({
            name,
            color: colors[i + 2] ?? "gray",
            points: span.map((tokens) => [tokens, bitsPerByte]),
            isReference: true,
          }),
        ),
      ],
      { ...x, title: "Bits per byte", yLabel: "held-out files; lower is better" },
    ),
    lineChart(
      [curve("next token", 0, ({ loss }) => loss), ...overDepths("MTP depth", (event, k) => event.mtpLosses[k] ?? 0)],
      { ...x, title: "Training loss", yLabel: "nats per token" },
    ),
    lineChart(
      [
        curve("largest over layers", 1, ({ layers }) => Math.max(0, ...layers.map(({ maxVio }) => maxVio))),
        curve("mean over layers", 0, ({ layers }) => mean(layers.map(({ maxVio }) => maxVio))),
      ],
      { ...x, title: "MaxVio", yLabel: "load of the busiest expert above its fair share" },
    ),
    depths > 0
      ? lineChart(
          overDepths("depth", (event, k) => event.mtpAccuracy[k] ?? 0),
          { ...x, title: "MTP accuracy", yLabel: "share of tokens guessed k places ahead" },
        )
      : "",
    lineChart([curve("learning rate", 0, ({ learningRate }) => learningRate)], {
      ...x,
      title: "Learning rate",
      yLabel: "",
    }),
    lineChart([curve("gradient norm", 0, ({ gradNorm }) => gradNorm)], {
      ...x,
      title: "Gradient norm",
      yLabel: "before clipping",
      isLogarithmic: true,
    }),
    lineChart([curve("tokens/s", 0, ({ tokensPerSecond }) => tokensPerSecond)], {
      ...x,
      title: "Speed",
      yLabel: "training tokens per second",
    }),
  ];
  return page(title, [
    `<table class="facts">${facts.map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`).join("")}</table>`,
    `<section class="grid2">${charts.join("\n")}</section>`,
    `<h2>Load of every expert</h2><p>One row an expert, time from left to right; white is the fair share, blue less, red more.</p>`,
    `<section class="grid2">${loadMaps(steps).join("\n")}</section>`,
    samples.length > 0 ? `<h2>What it writes</h2>${samples.map(sampleHtml).join("\n")}` : "",
  ]);
}

/** A heat map per layer, at most 80 moments. */
function loadMaps(steps: readonly StepEvent[]): string[] {
  const stride = Math.max(1, Math.ceil(steps.length / 80));
  return (steps[0]?.layers ?? []).map(({ layer }, index) => {
    const cells: number[][] = [];
    const labels: string[] = [];
    for (let begin = 0; begin < steps.length; begin += stride) {
      const group = steps.slice(begin, begin + stride);
      const sums = (group[0]?.layers[index]?.counts ?? []).map((_, expert) =>
        group.reduce((sum, step) => sum + (step.layers[index]?.counts[expert] ?? 0), 0),
      );
      const fair = mean(sums) || 1;
      cells.push(sums.map((count) => count / fair));
      labels.push(`${shortNumber(group.at(-1)?.tokens ?? 0)} tokens`);
    }
    return heatMap(`Layer ${layer}`, cells, labels, "expert");
  });
}

function sampleHtml({ prompt, suffix, text, truth, step }: SampleEvent): string {
  const tail = suffix === null ? "" : `<span class="given">${escapeHtml(suffix)}</span>`;
  return `<article><h3>${suffix === null ? "Completion" : "Fill in the middle"} <small>step ${step}</small></h3>
<div class="pair"><div><h4>model</h4><pre><span class="given">${escapeHtml(prompt)}</span><mark>${escapeHtml(text)}</mark>${tail}</pre></div>
<div><h4>the file</h4><pre><span class="given">${escapeHtml(prompt)}</span><ins>${escapeHtml(truth)}</ins>${tail}</pre></div></div></article>`;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A whole page in the style of the reports. @param sections HTML */
export function page(title: string, sections: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>
:root { color-scheme: light dark; --bg: #fdfdfc; --ink: #1c2126; --soft: #68727d; --line: #e2e5e8; --card: #ffffff;
  --c1: #2463c4; --c2: #d0582b; --c3: #2f8f5b; --c4: #8650b8; --c5: #b08a12; --new: #fff0c2; --truth: #dff3e4; }
@media (prefers-color-scheme: dark) { :root { --bg: #14171a; --ink: #e6e9ec; --soft: #98a2ad; --line: #2c3238; --card: #1b1f23;
  --c1: #6ea3ff; --c2: #ff8f63; --c3: #6fce97; --c4: #c596f2; --c5: #e0bd4f; --new: #4b3f14; --truth: #1d4029; } }
body { margin: 0 auto; max-width: 1180px; padding: 24px 20px 60px; background: var(--bg); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 26px; margin: 0 0 12px; } h2 { font-size: 19px; margin: 36px 0 6px; } h3 { font-size: 15px; margin: 18px 0 6px; }
h4 { font-size: 12px; margin: 0; color: var(--soft); font-weight: 500; } small { color: var(--soft); font-weight: 400; }
p { margin: 0 0 10px; color: var(--soft); }
.facts { border-collapse: collapse; margin: 0 0 24px; } .facts th { text-align: left; font-weight: 500; color: var(--soft); padding: 2px 24px 2px 0; vertical-align: top; white-space: nowrap; } .facts td { padding: 2px 0; overflow-wrap: anywhere; }
.grid2 { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 16px; }
figure { margin: 0; padding: 12px 14px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
figcaption { font-weight: 600; } svg { display: block; width: 100%; height: auto; } svg.heat { border-radius: 3px; margin-top: 8px; }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); } .tick, .label { fill: var(--soft); font-size: 12px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; color: var(--soft); } .legend b { color: var(--ink); font-weight: 600; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 5px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 12px; }
pre { margin: 4px 0 0; padding: 10px 12px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; white-space: pre-wrap;
  overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, monospace; }
.given { color: var(--soft); } mark { background: var(--new); color: inherit; } ins { background: var(--truth); text-decoration: none; }
</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${sections.join("\n")}
</body>
</html>
`;
}
