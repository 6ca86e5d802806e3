/** One chart, drawn by uPlot; the legend is ours, so that it can be read without a mouse: it shows the last values, or those under the pointer. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { logTicks, shortNumber } from "../../../src/report/chart.js";
import { colorOf, onThemeChange } from "../theme.js";

export interface Curve {
  readonly label: string;
  /** Custom property of the style sheet. */
  readonly color: string;
  /** In the order of x. */
  readonly points: readonly (readonly [x: number, y: number | null])[];
  /** Few values, each marked. */
  readonly hasPoints?: boolean;
}

interface ChartProps {
  readonly title: string;
  readonly unit: string;
  readonly curves: readonly Curve[];
  readonly format: (value: number) => string;
  readonly isLog?: boolean;
  readonly isFromZero?: boolean;
}

const height = 210;

export function Chart({ title, unit, curves, format, isLog = false, isFromZero = false }: ChartProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const [theme, setTheme] = useState(0);
  useEffect(() => onThemeChange(() => setTheme((count) => count + 1)), []);
  const data = aligned(curves);
  const hasValues = curves.some(({ points }) => points.some(([, y]) => y !== null));
  // What cannot change in a plot that is there.
  const shape = JSON.stringify([curves.map(({ label, color }) => [label, color]), isLog, isFromZero, theme, hasValues]);
  useEffect(() => {
    const node = place.current;
    if (!node || !hasValues) return;
    const made = new uPlot(optionsOf(node.clientWidth, curves, { isLog, isFromZero, format }, setAt), data, node);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: node.clientWidth, height }));
    observer.observe(node);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data));

  const xs = data[0];
  const shownX = at === null ? null : (xs[at] ?? null);
  const told = curves.map((curve, i) => {
    const value = at === null ? lastOf(curve) : nearest(data[curves.length - i] ?? [], at);
    return { ...curve, text: value === null ? "–" : format(value) };
  });
  const label = `${title}, ${unit}: ${curves.map((curve) => `${curve.label} ${rangeOf(curve, format)}`).join("; ")}`;
  return (
    <figure class="card chart">
      <figcaption>
        {title} <small>{unit}</small>
      </figcaption>
      {hasValues ? (
        <div class="plot" role="img" aria-label={label} ref={place} />
      ) : (
        <p class="plot-empty">No values yet.</p>
      )}
      <ul class="legend">
        {told.map((curve) => (
          <li key={curve.label}>
            <i class={`line ${curve.color.slice(2)}`} />
            {curve.label} <b>{curve.text}</b>
          </li>
        ))}
        {shownX !== null && <li class="legend-x">at {shortNumber(shownX)} tokens</li>}
      </ul>
    </figure>
  );
}

/** The first curve last, so that it is drawn on top: it is what the chart is about. */
function aligned(curves: readonly Curve[]): uPlot.AlignedData {
  const tables = curves
    .toReversed()
    .map(({ points }): uPlot.AlignedData => [points.map(([x]) => x), points.map(([, y]) => y)]);
  const [only] = tables;
  return only && tables.length === 1 ? only : uPlot.join(tables);
}

function lastOf({ points }: Curve): number | null {
  return points.findLast(([, y]) => y !== null)?.[1] ?? null;
}

/** The value at a place, or the one before it, for curves whose places differ. */
function nearest(values: ArrayLike<number | null | undefined>, at: number): number | null {
  for (let i = at; i >= 0; i--) {
    const value = values[i];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

function rangeOf(curve: Curve, format: (value: number) => string): string {
  const first = curve.points.find(([, y]) => y !== null)?.[1] ?? null;
  const last = lastOf(curve);
  return first === null || last === null ? "has no values yet" : `from ${format(first)} to ${format(last)}`;
}

function optionsOf(
  width: number,
  curves: readonly Curve[],
  { isLog, isFromZero, format }: { isLog: boolean; isFromZero: boolean; format: (value: number) => string },
  setAt: (index: number | null) => void,
): uPlot.Options {
  const soft = colorOf("--soft");
  const line = colorOf("--line");
  const axis: uPlot.Axis = {
    stroke: soft,
    font: "12px system-ui, sans-serif",
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
    gap: 6,
  };
  return {
    ...{ width, height },
    padding: [10, 14, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: "fathom", setSeries: false },
      drag: { x: true, y: false },
      points: { size: 7 },
      y: false,
    },
    scales: {
      x: { time: false },
      y: isLog ? { distr: 3 } : { range: (_, low, high) => yRange(low, high, isFromZero) },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 56, values: (_, splits) => splits.map(shortNumber) },
      {
        ...axis,
        size: 52,
        space: 30,
        values: (_, splits) => splits.map((value) => (value === null ? "" : shortNumber(value))),
        ...(isLog
          ? {
              splits: (_: uPlot, __: number, low: number, high: number) => logTicks(low, high),
              filter: (_: uPlot, splits: number[]) => splits,
            }
          : {}),
      },
    ],
    series: [
      {},
      ...curves.toReversed().map(
        ({ label, color, hasPoints = false }): uPlot.Series => ({
          label,
          stroke: colorOf(color),
          width: 1.75,
          spanGaps: true,
          points: { show: hasPoints, size: 5, fill: colorOf(color) },
          value: (_, value) => (value === null ? "–" : format(value)),
        }),
      ),
    ],
    hooks: { setCursor: [(made) => setAt(made.cursor.idx ?? null)] },
  };
}

function yRange(low: number | null, high: number | null, isFromZero: boolean): [number, number] {
  if (low === null || high === null) return [0, 1];
  const from = isFromZero ? Math.min(0, low) : low;
  const room = (high - from || Math.abs(high) || 1) * 0.06;
  return [isFromZero && from === 0 ? 0 : from - room, high + room];
}
