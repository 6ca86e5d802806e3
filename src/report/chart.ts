/**
 * Curves as SVG text: no script, no server, so a report is one file that opens anywhere. Colours are custom properties of the page (page.ts),
 * and so light and dark are one drawing. Values that are not finite (JSON writes them as null) leave a gap.
 */

export interface Series {
  readonly name: string;
  /** CSS colour, or a custom property of the page. */
  readonly color: string;
  /** In the order of x. */
  readonly points: readonly (readonly [x: number, y: number])[];
  /** A yardstick, drawn dashed, rather than a measured curve. */
  readonly isReference?: boolean;
  /** Single points that no line joins. */
  readonly isScatter?: boolean;
}

export interface ChartOptions {
  readonly title: string;
  /** With its unit. */
  readonly xLabel: string;
  /** What the values are and their unit, beside the title. */
  readonly yLabel: string;
  readonly isLogarithmic?: boolean;
  readonly isXLogarithmic?: boolean;
  /** The y axis begins at 0, for costs whose size is the point. */
  readonly isFromZero?: boolean;
  /** Ticks of the x axis at whole numbers alone. */
  readonly isXWhole?: boolean;
  /** Values are shares of 1, shown in percent. */
  readonly isShare?: boolean;
}

const [width, height] = [560, 284];
const margin = { left: 58, right: 18, top: 12, bottom: 50 };
const [left, right, top, bottom] = [margin.left, width - margin.right, margin.top, height - margin.bottom];
const maxPoints = 600;
/** Curves of few points show them. */
const maxMarkers = 60;

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
  // From where three digits round up to the next unit.
  if (size >= 999.5e6) return `${trimmed(value / 1e9)}G`;
  if (size >= 999.5e3) return `${trimmed(value / 1e6)}M`;
  if (size >= 999.5) return `${trimmed(value / 1e3)}k`;
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

/** Values of a logarithmic axis: 1, 2 and 5 times the powers of ten, the powers alone where those are many. */
export function logTicks(low: number, high: number): number[] {
  const within = (factors: readonly number[]): number[] => {
    const result: number[] = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const factor of factors) result.push(Number(`${factor}e${power}`));
    }
    return result.filter((value) => value >= low && value <= high);
  };
  const fine = within([1, 2, 5]);
  if (fine.length < 3) return ticks(low, high, 4).filter((value) => value > 0);
  return fine.length <= 8 ? fine : within([1]);
}

/** A line chart; the values are readable in each curve's title, in the legend and, by screen readers, in the picture's label. */
export function lineChart(series: readonly Series[], options: ChartOptions): string {
  const { title, yLabel, xLabel, isLogarithmic = false, isXLogarithmic = false, isShare = false } = options;
  const { isFromZero = false, isXWhole = false } = options;
  const isDrawable = (y: number): boolean => Number.isFinite(y) && (!isLogarithmic || y > 0);
  const measured = series.filter(({ points }) => points.some(([, y]) => isDrawable(y)));
  const caption = `<figcaption>${escapeHtml(title)} <small>${escapeHtml(yLabel)}</small></figcaption>`;
  // Yardsticks alone say nothing.
  if (measured.every(({ isReference }) => isReference))
    return `<figure>${caption}<p class="empty">No values yet.</p></figure>`;
  const scale = (y: number): number => (isLogarithmic ? Math.log10(y) : y);
  const all = measured.flatMap(({ points }) => points.filter(([, y]) => isDrawable(y)));
  const xScale = (x: number): number => (isXLogarithmic ? Math.log10(x) : x);
  const [xLow, xHigh] = range(
    all.map(([x]) => xScale(x)),
    series.some(({ isScatter }) => isScatter) ? 0.04 : 0,
  );
  const [yRangeLow, yHigh] = range(
    all.map(([, y]) => scale(y)),
    0.05,
  );
  const yLow = isFromZero ? 0 : yRangeLow;
  const px = (x: number): string => (left + ((xScale(x) - xLow) / (xHigh - xLow)) * (right - left)).toFixed(1);
  const py = (y: number): string => (bottom - ((scale(y) - yLow) / (yHigh - yLow)) * (bottom - top)).toFixed(1);
  const number = (value: number): string => (isShare ? `${trimmed(100 * value)} %` : shortNumber(value));
  const parts: string[] = [];
  for (const tick of isLogarithmic ? logTicks(10 ** yLow, 10 ** yHigh) : ticks(yLow, yHigh, 7)) {
    const y = py(tick);
    parts.push(`<line class="grid" x1="${left}" x2="${right}" y1="${y}" y2="${y}"/>`);
    parts.push(`<text class="tick" x="${left - 7}" y="${y}" dy="0.34em" text-anchor="end">${number(tick)}</text>`);
  }
  const xTicks = isXLogarithmic ? logTicks(10 ** xLow, 10 ** xHigh) : ticks(xLow, xHigh, 8);
  parts.push(...xAxis(isXWhole ? xTicks.filter(Number.isInteger) : xTicks, px, xLabel));
  // The first on top, for it is what the chart is about.
  for (const one of measured.toReversed()) parts.push(curve(one, isDrawable, px, py, number));
  const last = (one: Series): string =>
    isUpright(one)
      ? exact(one.points[0]?.[0], false)
      : exact(one.points.findLast(([, y]) => isDrawable(y))?.[1], isShare);
  const first = ({ points }: Series): string => exact(points.find(([, y]) => isDrawable(y))?.[1], isShare);
  const told = measured.map((one) =>
    one.isReference ? `${one.name} ${last(one)}` : `${one.name} from ${first(one)} to ${last(one)}`,
  );
  const legend = measured.map(
    (one) =>
      `<span><i${one.isReference ? ' class="dashed"' : ""} style="border-color:${one.color}"></i>${escapeHtml(one.name)} <b>${last(one)}</b></span>`,
  );
  return `<figure>${caption}
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(`${title}, ${yLabel}: ${told.join("; ")}`)}">${parts.join("")}</svg>
<div class="legend">${legend.join("")}</div></figure>`;
}

function xAxis(values: readonly number[], px: (x: number) => string, label: string): string[] {
  return [
    `<line class="axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    ...values.map(
      (tick, i) =>
        `<text class="tick${i % 2 === 1 ? " odd" : ""}" x="${px(tick)}" y="${bottom + 20}" text-anchor="middle">${shortNumber(tick)}</text>`,
    ),
    `<text class="label" x="${(left + right) / 2}" y="${height - 5}" text-anchor="middle">${escapeHtml(label)}</text>`,
  ];
}

function curve(
  { name, color, points, isReference = false, isScatter = false }: Series,
  isDrawable: (y: number) => boolean,
  px: (x: number) => string,
  py: (y: number) => string,
  number: (value: number) => string,
): string {
  let path = "";
  let isDown = false;
  for (const [x, y] of thinned(points, isDrawable)) {
    if (isDrawable(y)) path += `${isDown ? "L" : "M"}${px(x)} ${py(y)}`;
    isDown = isDrawable(y);
  }
  const kind = isReference ? ' class="reference"' : ' class="curve"';
  const line = `<path${kind} d="${path}" stroke="${color}"><title>${escapeHtml(name)}</title></path>`;
  const drawn = isScatter ? "" : line;
  if (isReference || points.length > maxMarkers) return drawn;
  const markers = points
    .filter(([, y]) => isDrawable(y))
    .map(([x, y]) => {
      const text = escapeHtml(`${name} at ${shortNumber(x)}: ${number(y)}`);
      return `<circle cx="${px(x)}" cy="${py(y)}" r="2.8" fill="${color}"><title>${text}</title></circle>`;
    });
  return drawn + markers.join("");
}

/** A yardstick that marks a place on the x axis: what is told of it is that place. */
function isUpright({ points, isReference = false }: Series): boolean {
  return isReference && points.length > 1 && points.every(([x]) => x === points[0]?.[0]);
}

/** Four digits, for the legend. */
function exact(value: number | undefined, isShare: boolean): string {
  if (value === undefined) return "";
  if (isShare) return `${(100 * value).toFixed(1)} %`;
  const size = Math.abs(value);
  if (size >= 1e4) return Math.round(value).toLocaleString("en-US");
  return Number(value.toPrecision(4)).toString();
}

/** At most `maxPoints` points, each the mean of those of its neighbours that can be drawn. */
function thinned(
  points: readonly (readonly [number, number])[],
  isDrawable: (y: number) => boolean,
): readonly (readonly [number, number])[] {
  const step = Math.ceil(points.length / maxPoints);
  if (step <= 1) return points;
  const result: (readonly [number, number])[] = [];
  for (let i = 0; i < points.length; i += step) {
    const group = points.slice(i, i + step).filter(([, y]) => isDrawable(y));
    const mean = (axis: 0 | 1): number => group.reduce((sum, point) => sum + point[axis], 0) / group.length;
    result.push([mean(0), mean(1)]); // Not a number where the group is empty: a gap.
  }
  return result;
}

function range(values: readonly number[], room: number): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  // One value, or values that floating point cannot tell apart: it stands in the middle.
  if (high - low <= Math.abs(high) * 1e-12) {
    const half = Math.abs(high) * 0.5 || 0.5;
    return [low - half, high + half];
  }
  return [low - (high - low) * room, high + (high - low) * room];
}
