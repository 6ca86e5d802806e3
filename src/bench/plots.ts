/** Plots of stored rows as SVG files of their own: each opens from a page or alone, light or dark as the reader's system is. */
import { type ChartOptions, escapeHtml, lineChart, type Series } from "../report/chart.js";
import { curveColors, palettes } from "../report/page.js";
import { median } from "../train/measure.js";
import type { StoredResult } from "./results.js";
import type { BenchRow } from "./row.js";

export interface Plot {
  /** File name without its ending. */
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

/** The plots that there are values for. */
export function plots(results: readonly StoredResult[]): Plot[] {
  const rows = results.flatMap((result) => result.rows);
  return [roofline(results), threadScaling(rows), expertCost(rows), contextCost(rows)].filter((plot) => plot !== null);
}

/** Kernels under the roof: operations per byte against GFLOP/s. */
function roofline(results: readonly StoredResult[]): Plot | null {
  const kernels = results.findLast(({ rows }) => rows.some(({ bench }) => bench === "kernels"));
  if (!kernels?.floors) return null;
  const { f32Flops, bf16Flops, readBytes } = kernels.floors;
  const points = (narrow: boolean): [number, number][] =>
    kernels.rows.flatMap(({ flops, bytes, figure, unit, case: name }): [number, number][] => {
      if (!flops || !bytes || / f32/.test(name) === narrow) return [];
      return [[flops / bytes, unit === "GB/s" ? (figure * flops) / bytes : figure]];
    });
  const [f32, bf16] = [points(false), points(true)];
  const intensities = [...f32, ...bf16].map(([x]) => x);
  if (intensities.length === 0) return null;
  const [low, high] = [Math.min(...intensities), Math.max(...intensities)];
  const roof = (peak: number): [number, number][] => {
    const ridge = peak / readBytes;
    const xs = ridge > low && ridge < high ? [low, ridge, high] : [low, high];
    return xs.map((x) => [x, Math.min(peak, x * readBytes) / 1e9]);
  };
  const series: Series[] = [
    { name: "bf16 and quantised weights", color: color(0), points: bf16, isScatter: true },
    { name: "f32", color: color(1), points: f32, isScatter: true },
    { name: "bf16 peak and bandwidth", color: color(0), points: roof(bf16Flops), isReference: true },
    { name: "f32 peak and bandwidth", color: color(1), points: roof(f32Flops), isReference: true },
  ];
  return plot("roofline", series, {
    title: "Kernels under the roofline",
    xLabel: "operations per byte",
    yLabel: "GFLOP/s",
    isLogarithmic: true,
    isXLogarithmic: true,
  });
}

/** Speed with more threads over speed with one. */
function threadScaling(rows: readonly BenchRow[]): Plot | null {
  const series = grouped(
    rows.filter(({ unit, bench }) => unit.endsWith("/s") && bench !== "kernels"),
    (row) => `${row.bench} ${row.case.replace(/, \d+ threads?$/, "")}`,
    (row) => [row.threads, row.figure],
  ).flatMap(({ name, points }) => {
    const one = points.find(([threads]) => threads === 1)?.[1];
    if (one === undefined || points.length < 2) return [];
    return [{ name, points: points.map(([x, y]): [number, number] => [x, y / one]) }];
  });
  if (series.length === 0) return null;
  const most = Math.max(...series.flatMap(({ points }) => points.map(([x]) => x)));
  const ideal: Series = {
    name: "ideal",
    color: "var(--soft)",
    points: [
      [1, 1],
      [most, most],
    ],
    isReference: true,
  };
  return plot("threads", [...colored(series), ideal], {
    title: "Scaling with threads",
    xLabel: "threads",
    yLabel: "speed over that of one thread",
    isXWhole: true,
  });
}

/** Time of a token in training against the number of experts, of which as many as before are active. */
function expertCost(rows: readonly BenchRow[]): Plot | null {
  const training = rows.filter(
    ({ bench, unit, at }) => bench === "train" && unit === "tokens/s" && at?.experts !== undefined,
  );
  const byShape = (row: BenchRow): string => row.case.replace(/ \d+ experts/, "") + ofThreads(row);
  const measured = grouped(training, byShape, (row) => [row.at?.experts ?? 0, 1e6 / row.figure]);
  const series = measured.filter(({ points }) => points.length > 1);
  if (series.length === 0) return null;
  return plot("experts", colored(series), {
    title: "Cost against the number of experts",
    xLabel: "routed experts, a fixed number of them active",
    yLabel: "microseconds of training a token",
    isFromZero: true,
  });
}

/** Time of a token in decoding against the depth, and what bytes and operations allow. */
function contextCost(rows: readonly BenchRow[]): Plot | null {
  const decoding = rows.filter(({ bench, at }) => bench === "decode" && at?.batch === 1);
  const nameOf = (row: BenchRow): string => row.case.replace(/ depth \d+/, "") + ofThreads(row);
  const depthOf = (row: BenchRow): number => row.at?.depth ?? 0;
  const ours = grouped(decoding, nameOf, (row) => [depthOf(row), 1000 / row.figure]).filter(
    ({ points }) => points.length > 1,
  );
  if (ours.length === 0) return null;
  const floors = grouped(decoding, nameOf, (row) => [depthOf(row), 1000 / row.floor]);
  const peers = grouped(
    decoding.filter(({ peer }) => peer !== undefined),
    (row) => row.peerName ?? "",
    (row) => [depthOf(row), 1000 / (row.peer ?? Number.NaN)],
  );
  const series = colored([...ours, ...peers]);
  const references = ours.flatMap(({ name }, i): Series[] => {
    const floor = floors.find((one) => one.name === name);
    return floor ? [{ name: `floor of ${name}`, color: color(i), points: floor.points, isReference: true }] : [];
  });
  return plot("context", [...series, ...references], {
    title: "Cost against context length",
    xLabel: "tokens in the cache",
    yLabel: "milliseconds a token",
    isFromZero: true,
  });
}

const ofThreads = ({ threads }: BenchRow): string => `, ${threads} ${threads === 1 ? "thread" : "threads"}`;

interface Curve {
  readonly name: string;
  readonly points: readonly [number, number][];
}

/** Rows of a name as a curve, by x; of several at one x the median. */
function grouped(
  rows: readonly BenchRow[],
  nameOf: (row: BenchRow) => string,
  pointOf: (row: BenchRow) => [number, number],
): Curve[] {
  const curves = new Map<string, Map<number, number[]>>();
  for (const row of rows) {
    const points = curves.get(nameOf(row)) ?? new Map<number, number[]>();
    const [x, y] = pointOf(row);
    points.set(x, [...(points.get(x) ?? []), y]);
    curves.set(nameOf(row), points);
  }
  return Array.from(curves, ([name, points]) => ({
    name,
    points: Array.from(points, ([x, values]): [number, number] => [x, median(values)]).sort(([a], [b]) => a - b),
  }));
}

function colored(curves: readonly Curve[]): Series[] {
  return curves.map((curve, i) => ({ ...curve, color: color(i) }));
}

function color(index: number): string {
  return curveColors[index % curveColors.length] ?? "currentColor";
}

function plot(name: string, series: readonly Series[], options: ChartOptions): Plot {
  return { name, title: options.title, svg: standalone(lineChart(series, options), series, options) };
}

const legendLine = 18;

/** The drawing of a chart as a file: with its colours, its title above and its legend below. */
function standalone(figure: string, series: readonly Series[], { title, yLabel }: ChartOptions): string {
  const [, box = "", label = "", drawing = ""] =
    /<svg viewBox="([^"]*)" role="img" aria-label="([^"]*)">(.*)<\/svg>/s.exec(figure) ?? [];
  const [, , width = 0, height = 0] = box.split(" ").map(Number);
  const head = 40;
  const legend = series.map(({ name, color: stroke, isReference, isScatter }, i) => {
    const y = head + height + 12 + i * legendLine;
    const dash = isReference ? ' stroke-dasharray="5 3"' : "";
    const line = `<line x1="58" x2="78" y1="${y}" y2="${y}" stroke="${stroke}" stroke-width="3"${dash}/>`;
    const mark = isScatter ? `<circle cx="68" cy="${y}" r="3.5" fill="${stroke}"/>` : line;
    return `${mark}<text class="tick" x="86" y="${y}" dy="0.34em">${escapeHtml(name)}</text>`;
  });
  const total = head + height + series.length * legendLine + 16;
  const { light, dark } = palettes;
  const colors = ({ ink, soft, line, card, curves }: typeof light): string =>
    `svg { --ink: ${ink}; --soft: ${soft}; --line: ${line}; --card: ${card}; ${curves.map((c, i) => `--c${i + 1}: ${c};`).join(" ")} }`;
  const style = `${colors(light)} @media (prefers-color-scheme: dark) { ${colors(dark)} }
text { font: 12.5px system-ui, sans-serif; fill: var(--soft); } .title { font-size: 15px; font-weight: 600; fill: var(--ink); }
.back { fill: var(--card); } .grid { stroke: var(--line); } .axis { stroke: var(--soft); }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; } .reference { fill: none; stroke-width: 1.6; stroke-dasharray: 6 4; }`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" width="${width}" height="${total}" role="img" aria-label="${label}">
<style>${style}</style>
<rect class="back" width="${width}" height="${total}" rx="8"/>
<text class="title" x="14" y="25">${escapeHtml(title)} <tspan font-weight="400" font-size="12.5">${escapeHtml(yLabel)}</tspan></text>
<g transform="translate(0 ${head})">${drawing}</g>
${legend.join("\n")}
</svg>
`;
}
