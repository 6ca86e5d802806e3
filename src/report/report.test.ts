import { expect, test } from "vitest";
import type { SampleEvent, StepEvent, TrainEvent, ValidationEvent } from "../train/events.js";
import type { LayerLoad } from "../train/trainer.js";
import { type Palette, page, palettes } from "./page.js";
import { renderPositions } from "./positions.js";
import { renderReport } from "./report.js";

function load(layer: number, counts: readonly number[]): LayerLoad {
  const fair = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return { layer, counts: [...counts], maxVio: Math.max(...counts) / fair - 1, biasMin: -0.01, biasMax: 0.01 };
}

function step(number: number, changes: Partial<StepEvent> = {}): StepEvent {
  return {
    kind: "step",
    stage: "pretrain",
    step: number,
    tokens: 1000 * number,
    totalTokens: 5000,
    loss: 8 / number,
    mtpLosses: [9 / number],
    mtpAccuracy: [0.02 * number],
    balanceLoss: 1e-4,
    learningRate: 1e-3,
    gamma: 1e-3,
    alpha: 1e-4,
    lambda: 0.3,
    batchSize: 4,
    gradNorm: 1.5,
    tokensPerSecond: 4000,
    peakFraction: 0.4,
    memoryBytes: 1e8,
    layers: [load(1, [10, 30, 20, 20]), load(2, [0, 80, 0, 0])],
    skipped: [],
    ...changes,
  };
}

const validation: ValidationEvent = {
  kind: "validation",
  stage: "pretrain",
  step: 5,
  tokens: 5000,
  valLoss: 3,
  valMtpLosses: [4],
  valBitsPerByte: 2.7456,
  seconds: 1,
};

function sample(text: string, changes: Partial<SampleEvent> = {}): SampleEvent {
  return { kind: "sample", stage: "pretrain", step: 5, prompt: "p", suffix: null, text, truth: "t", ...changes };
}

const steps = [1, 2, 3, 4, 5].map((number) => step(number));
const compressors = [{ name: "gzip -9", bitsPerByte: 2.0312 }];

function render(events: readonly TrainEvent[]): string {
  return renderReport({ title: "Fathom: runs/a", facts: [["run", "runs/a"]], events, compressors });
}

const headings = (html: string): string[] => Array.from(html.matchAll(/<h2>([^<]*)</g), ([, text = ""]) => text);
const charts = (html: string): string[] =>
  Array.from(html.matchAll(/<figcaption>(.*?) <small>/g), ([, text = ""]) => text);

test("a finished run's report has every curve, a heat map a layer, and the samples", () => {
  const html = render([...steps, validation, sample("written"), sample("filled", { suffix: "rest" })]);
  expect(headings(html)).toEqual(["Learning", "Load of every expert", "What it writes"]);
  expect(charts(html)).toEqual(
    ["Bits per byte", "Training loss", "MaxVio", "MTP accuracy", "Learning rate", "Gradient norm", "Speed"].concat([
      "Use of the machine",
      "Layer 1",
      "Layer 2",
    ]),
  );
  expect(html).toContain("<dd>2.746</dd>");
  expect(html).toContain("<dt>gzip -9, same files</dt><dd>2.031</dd>");
  expect(html).toContain("Fill in the middle");
  expect(html.match(/<svg[^>]*role="img" aria-label="[^"]{10,}"/g)).toHaveLength(10);
});

test("a run that has just begun has a report", () => {
  const start: TrainEvent = {
    kind: "start",
    stage: "pretrain",
    step: 0,
    tokens: 0,
    totalTokens: 5000,
    parameters: { total: 10, activated: 8, mtp: 2 },
    world: 1,
    peakFlops: 1e11,
  };
  for (const events of [[], [start], [start, step(1)]]) {
    const html = render(events);
    expect(headings(html)[0]).toBe("Learning");
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
    expect(html).toContain("No values yet.");
  }
});

test("a model without experts and MTP has neither heat maps nor their curves", () => {
  const html = render(steps.map((event) => ({ ...event, layers: [], mtpLosses: [], mtpAccuracy: [] })));
  expect(headings(html)).toEqual(["Learning"]);
  expect(charts(html)).toEqual(
    ["Training loss", "Learning rate", "Gradient norm", "Speed", "Use of the machine"].toSpliced(0, 0, "Bits per byte"),
  );
});

test("losses that were not finite leave a gap, as null too", () => {
  const read = JSON.parse(
    JSON.stringify(step(3, { loss: Number.NaN, gradNorm: Number.POSITIVE_INFINITY })),
  ) as StepEvent;
  expect(read.loss).toBeNull();
  expect(render([step(1), step(2), read, step(4), step(5)])).not.toMatch(/NaN|Infinity|null|undefined/);
});

test("the heat map sums the steps of a column, and an expert without tokens has the strongest blue", () => {
  const html = render(steps);
  const cells = Array.from(html.matchAll(/<rect class="(\w+)"[^>]*><title>expert (\d), ([\d.]+k) tokens: ([\d.]+)</g));
  expect(cells).toHaveLength(5 * 4 * 2);
  expect(cells.slice(0, 4).map(([, color, expert, , share]) => [color, expert, share])).toEqual([
    ["l4", "0", "0.50"],
    ["h4", "1", "1.50"],
    ["h0", "2", "1.00"],
    ["h0", "3", "1.00"],
  ]);
  expect(cells.slice(20, 24).map(([, color]) => color)).toEqual(["l8", "h8", "l8", "l8"]);
  const long = render(Array.from({ length: 1000 }, (_, i) => step(i + 1)));
  expect(long.match(/<rect/g)?.length).toBeLessThanOrEqual(2 * 4 * 80);
});

test("samples, facts and titles are shown as text, whatever they hold", () => {
  const hostile = `</pre></script><script>alert(1)</script><img src=x onerror=alert(1)> & <!-- "'`;
  const html = renderReport({
    title: hostile,
    facts: [[hostile, hostile]],
    events: [...steps, sample(hostile, { prompt: hostile, suffix: hostile, truth: hostile })],
    compressors: [{ name: hostile, bitsPerByte: 2 }],
  });
  const escaped =
    "&lt;/pre&gt;&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt; &amp; &lt;!-- &quot;&#39;";
  expect(html).toContain(`<mark>${escaped}</mark><span class="given">${escaped}</span>`);
  expect(html).toContain(`<ins>${escaped}</ins>`);
  expect(html).toContain(`<title>${escaped}</title>`);
  expect(html).not.toMatch(/<script|<img|<!--|onerror=[^&]*"/);
  expect(Array.from(html.matchAll(/<(\w+)/g), ([, tag]) => tag).filter((tag) => tag === "script")).toEqual([]);
});

test("the page loads nothing: no scripts, no addresses, and a policy that forbids them", () => {
  const position = renderPositions({
    title: "t",
    facts: [],
    border: 4,
    curves: [{ name: "old", buckets: [{ from: 0, to: 4, bitsPerToken: 5, bitsPerByte: 2 }] }],
  });
  for (const html of [render([...steps, validation, sample("x")]), position, page("t", [])]) {
    expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`);
    expect(html).not.toMatch(/<script|<iframe|<object|<embed|@import|url\(|https?:|\bsrc=|\bon\w+="/);
    expect(Array.from(html.matchAll(/href="([^"]*)"/g), ([, address]) => address)).toEqual(["data:,"]);
  }
});

/** WCAG 2.2: contrast of two colours #rrggbb. */
function contrast(a: string, b: string): number {
  const luminance = (color: string): number => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5]
      .map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

test("contrast is measured as WCAG has it", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 5);
  expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.48, 2);
});

test.each(Object.entries(palettes))("text and curves stand out from what is behind them, %s", (_, palette: Palette) => {
  const { bg, card, ink, soft, curves, written, truth } = palette;
  for (const [text, behind] of [
    [ink, bg],
    [ink, card],
    [soft, bg],
    [soft, card],
    [ink, written],
    [ink, truth],
    [curves[0], card],
  ] as const) {
    expect(contrast(text, behind), `${text} on ${behind}`).toBeGreaterThanOrEqual(4.5);
  }
  for (const color of curves) expect(contrast(color, card), `${color} on ${card}`).toBeGreaterThanOrEqual(3);
});

test("a run that went on by reinforcement stands behind it with curves of its own, its last figure among the first ones", () => {
  const policy = {
    ...{ reward: 0.25, rewardStd: 0.4, rewards: {}, zeroStdShare: 0.5, kl: 0.01, oldKl: 0, entropy: 0.07 },
    ...{ clipLow: 0, clipHigh: 0, clipLowMin: 0, clipHighMax: 0, advantage: { mean: 0, min: -1, max: 1 } },
    ...{ length: { mean: 30, min: 20, max: 48, terminated: null }, truncatedShare: 1, importance: null },
    mismatch: { mean: 0, max: 0, k1: 0, k3: 0, ratio: { mean: 1, min: 1, max: 1 }, effectiveShare: 1 },
    ...{ answers: 8, learned: 8 },
    seconds: { rollout: 1, reward: 0, logprobs: 0.1, update: 0.5 },
  };
  const evaluation = (number: number, accuracy: number): TrainEvent => ({
    ...{ kind: "evaluation", stage: "grpo", step: number, tokens: 0, seconds: 1 },
    figures: { accuracy, length: 30, truncated: 0 },
  });
  const events = [evaluation(0, 0.5), ...[1, 2].map((n) => step(n, { stage: "grpo", policy })), evaluation(2, 0.875)];
  const html = renderReport({
    ...{ title: "t", facts: [], events: [...steps, validation], compressors: [] },
    later: [{ heading: "grpo", facts: [["run", "runs/a-grpo"]], events }],
  });
  expect(headings(html)).toEqual(["Learning", "Load of every expert", "grpo"]);
  expect(charts(html.slice(html.indexOf("<h2>grpo")))).toEqual(
    ["Held-out problems", "Reward", "Entropy", "KL to the reference", "Length of answers", "Shares"].concat([
      "Gradient norm",
      "Time of a step",
    ]),
  );
  expect(html).toContain("<dt>held-out problems, grpo</dt><dd>87.5 %</dd>");
  expect(html).toContain("runs/a-grpo");
});
