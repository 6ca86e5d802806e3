/** Curves and heat maps as SVG text: no script, no server, so a report is one file that opens anywhere. */

export interface Series {
  readonly name: string;
  /** CSS colour, or a custom property of the page. */
  readonly color: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** A horizontal yardstick rather than a measured curve. */
  readonly isReference?: boolean;
}

export interface ChartOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly isLogarithmic?: boolean;
}

const [width, height] = [640, 300];
const margin = { left: 56, right: 16, top: 12, bottom: 40 };

export function escapeHtml(text: string): string {
  return text
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/"/g, "&quot;")
    .replace(/'/g, "&#39;");
}

/** A number as a reader wants it on an axis: 1500 as 1.5k, 0.00022 as 2.2e-4. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e9) return `${trimmed(value / 1e9)}G`;
  if (size >= 1e6) return `${trimmed(value / 1e6)}M`;
  if (size >= 1e3) return `${trimmed(value / 1e3)}k`;
  if (size < 0.01) return value.toExponential(1).replace(/\.0e/, "e");
  return trimmed(value);
}

function trimmed(value: number): string {
  return Number(value.toPrecision(3)).toString();
}

/** About `count` round values that span [low, high]. */
export function ticks(low: number, high: number, count: number): number[] {
  const span = high - low || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.ceil(low / step - 1e-9);
  const result: number[] = [];
  for (let i = first; i * step <= high + step * 1e-9; i++) result.push(Number((i * step).toPrecision(12)));
  return result;
}

/** A line chart; the values are readable in each curve's title and, by screen readers, in its label. */
export function lineChart(series: readonly Series[], options: ChartOptions): string {
  const measured = series.filter(({ points }) => points.length > 0);
  const xs = measured.flatMap(({ points }) => points.map(([x]) => x));
  const scaleY = (y: number): number => (options.isLogarithmic ? Math.log10(Math.max(y, 1e-12)) : y);
  const ys = measured.flatMap(({ points }) => points.map(([, y]) => scaleY(y))).filter(Number.isFinite);
  if (xs.length === 0 || ys.length === 0) return `<p class="empty">No values yet.</p>`;
  const [xLow, xHigh] = range(xs, 0);
  const [yLow, yHigh] = range(ys, 0.05);
  const px = (x: number): number => margin.left + ((x - xLow) / (xHigh - xLow)) * (width - margin.left - margin.right);
  const py = (y: number): number =>
    height - margin.bottom - ((scaleY(y) - yLow) / (yHigh - yLow)) * (height - margin.top - margin.bottom);
  const parts: string[] = [];
  const [left, right, bottom] = [margin.left, width - margin.right, height - margin.bottom];
  for (const tick of ticks(yLow, yHigh, 5)) {
    const value = options.isLogarithmic ? 10 ** tick : tick;
    const y = py(value).toFixed(1);
    parts.push(`<line class="grid" x1="${left}" x2="${right}" y1="${y}" y2="${y}"/>`);
    parts.push(
      `<text class="tick" x="${left - 6}" y="${y}" dy="0.32em" text-anchor="end">${shortNumber(value)}</text>`,
    );
  }
  for (const tick of ticks(xLow, xHigh, 6)) {
    const x = px(tick).toFixed(1);
    parts.push(`<text class="tick" x="${x}" y="${bottom + 16}" text-anchor="middle">${shortNumber(tick)}</text>`);
  }
  parts.push(`<line class="axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`);
  parts.push(
    `<text class="label" x="${(left + right) / 2}" y="${height - 6}" text-anchor="middle">${escapeHtml(options.xLabel)}</text>`,
  );
  for (const { name, color, points, isReference } of measured) {
    const path = thinned(points)
      .filter(([, y]) => Number.isFinite(y))
      .map(([x, y], i) => `${i === 0 ? "M" : "L"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`)
      .join("");
    const last = points.at(-1);
    const title = `${name}: ${last ? Number(last[1].toPrecision(4)) : ""}`;
    parts.push(
      `<path d="${path}" fill="none" stroke="${color}" stroke-width="${isReference ? 1.2 : 1.8}"${
        isReference ? ' stroke-dasharray="5 4"' : ""
      }><title>${escapeHtml(title)}</title></path>`,
    );
    if (!isReference && points.length <= 60) {
      for (const [x, y] of points) {
        const at = `${shortNumber(x)}: ${Number(y.toPrecision(5))}`;
        parts.push(
          `<circle cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}" r="2.6" fill="${color}"><title>${escapeHtml(`${name} at ${at}`)}</title></circle>`,
        );
      }
    }
  }
  const legend = measured
    .map(({ name, color, points }) => {
      const last = points.at(-1);
      return `<span><i style="background:${color}"></i>${escapeHtml(name)} <b>${last ? Number(last[1].toPrecision(4)) : ""}</b></span>`;
    })
    .join("");
  return `<figure><figcaption>${escapeHtml(options.title)} <small>${escapeHtml(options.yLabel)}</small></figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(options.title)}">${parts.join("")}</svg>
<div class="legend">${legend}</div></figure>`;
}

/** At most 600 points, each the mean of its neighbours. */
function thinned(points: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const step = Math.ceil(points.length / 600);
  if (step <= 1) return points;
  const result: (readonly [number, number])[] = [];
  for (let i = 0; i < points.length; i += step) {
    const group = points.slice(i, i + step);
    const mean = (axis: 0 | 1): number => group.reduce((sum, point) => sum + point[axis], 0) / group.length;
    result.push([mean(0), mean(1)]);
  }
  return result;
}

function range(values: readonly number[], margin: number): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low === high) return [low - 0.5, high + 0.5];
  const room = (high - low) * margin;
  return [low - room, high + room];
}

/**
 * Rows of cells over time: blue below the mean, red above it.
 * @param cells [time][row], 1 = the row's fair share
 */
export function heatMap(
  title: string,
  cells: readonly (readonly number[])[],
  timeLabels: readonly string[],
  rowName: string,
): string {
  const rows = cells[0]?.length ?? 0;
  if (rows === 0) return "";
  const [cellWidth, cellHeight] = [Math.max(2, Math.floor(560 / cells.length)), rows > 32 ? 4 : 10];
  const [w, h] = [cells.length * cellWidth, rows * cellHeight];
  const parts = cells.flatMap((column, time) =>
    column.map(
      (share, row) =>
        `<rect x="${time * cellWidth}" y="${row * cellHeight}" width="${cellWidth}" height="${cellHeight}" fill="${heat(share)}"><title>${escapeHtml(
          `${rowName} ${row}, ${timeLabels[time] ?? ""}: ${share.toFixed(2)} of its fair share`,
        )}</title></rect>`,
    ),
  );
  return `<figure><figcaption>${escapeHtml(title)}</figcaption>
<svg class="heat" viewBox="0 0 ${w} ${h}" preserveAspectRatio="none" style="height:${h}px" role="img" aria-label="${escapeHtml(title)}">${parts.join("")}</svg></figure>`;
}

/** White at 1, blue towards 0, red towards 2 and above. */
function heat(share: number): string {
  const x = Math.max(-1, Math.min(1, share - 1));
  const fade = Math.round(255 * (1 - Math.abs(x)));
  return x < 0 ? `rgb(${fade},${fade},255)` : `rgb(255,${fade},${fade})`;
}
