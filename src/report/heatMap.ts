/**
 * The load of experts over time as a heat map: one row an expert, time from left to right, the fair share in the page's neutral colour, blue for
 * less and red for more. Colours are classes, `levels` on each side of the fair share, so that light and dark are one drawing.
 */
import { escapeHtml } from "./chart.js";

/** Colours on each side of the middle. */
const levels = 8;
/** An expert with this many times its fair share has the strongest colour. */
const most = 2;

const [left, right, top] = [36, 4, 2];
const plotWidth = 520;

export interface HeatMapOptions {
  readonly title: string;
  readonly rowName: string;
  /** One for each column. */
  readonly timeLabels: readonly string[];
}

/** @param cells [time][row], 1 = the row's fair share */
export function heatMap(cells: readonly (readonly number[])[], { title, rowName, timeLabels }: HeatMapOptions): string {
  const rows = cells[0]?.length ?? 0;
  if (rows === 0) return "";
  const rowHeight = Math.max(3, Math.min(12, Math.floor(320 / rows)));
  const cellWidth = plotWidth / cells.length;
  const height = rows * rowHeight;
  const x = (time: number): string => (left + time * cellWidth).toFixed(1);
  const parts: string[] = [];
  for (const [time, column] of cells.entries()) {
    for (const [row, share] of column.entries()) {
      const text = escapeHtml(`${rowName} ${row}, ${timeLabels[time] ?? ""}: ${share.toFixed(2)}`);
      parts.push(
        `<rect class="${levelOf(share)}" x="${x(time)}" y="${top + row * rowHeight}" width="${cellWidth.toFixed(1)}" height="${rowHeight}"><title>${text}</title></rect>`,
      );
    }
  }
  const every = [1, 2, 4, 8, 16, 32, 64].find((step) => step * rowHeight >= 36) ?? 128;
  for (let row = 0; row < rows; row += every) {
    parts.push(
      `<text class="tick" x="${left - 6}" y="${top + (row + 0.5) * rowHeight}" dy="0.34em" text-anchor="end">${row}</text>`,
    );
  }
  const y = top + height + 18;
  parts.push(`<text class="tick" x="${left}" y="${y}">${escapeHtml(timeLabels[0] ?? "")}</text>`);
  if (cells.length > 1) {
    parts.push(
      `<text class="tick" x="${left + plotWidth}" y="${y}" text-anchor="end">${escapeHtml(timeLabels.at(-1) ?? "")}</text>`,
    );
  }
  const last = cells.at(-1) ?? [];
  const told = `${title}: load of ${rows} ${rowName}s over time; at the end from ${Math.min(...last).toFixed(2)} to ${Math.max(...last).toFixed(2)} times the fair share`;
  return `<figure><figcaption>${escapeHtml(title)} <small>one row an ${escapeHtml(rowName)}</small></figcaption>
<svg class="heat" viewBox="0 0 ${left + plotWidth + right} ${top + height + 26}" role="img" aria-label="${escapeHtml(told)}">${parts.join("")}</svg></figure>`;
}

/** What the colours mean. */
export function heatLegend(): string {
  const names = Array.from({ length: 2 * levels + 1 }, (_, i) => className(i - levels));
  return `<div class="scale"><span>unused</span><span class="swatches" role="img" aria-label="Colours from blue, unused, over neutral, the fair share, to red, twice the fair share or more">${names
    .map((name) => `<i class="${name}"></i>`)
    .join("")}</span><span>twice the fair share or more</span></div>`;
}

function levelOf(share: number): string {
  const x = share < 1 ? share - 1 : (share - 1) / (most - 1);
  return className(Math.round(levels * Math.max(-1, Math.min(1, x))));
}

function className(level: number): string {
  return level < 0 ? `l${-level}` : `h${level}`;
}

export type Rgb = readonly [red: number, green: number, blue: number];

/** The rules for the classes, from the colours of the ends and of the middle. */
export function heatColors(low: Rgb, middle: Rgb, high: Rgb): string {
  const mixed = (end: Rgb, part: number): string =>
    `rgb(${middle.map((from, i) => Math.round(from + ((end[i] ?? 0) - from) * part)).join(",")})`;
  return Array.from({ length: 2 * levels + 1 }, (_, i) => {
    const level = i - levels;
    const color = mixed(level < 0 ? low : high, Math.abs(level) / levels);
    return `.${className(level)} { fill: ${color}; background: ${color}; }`;
  }).join(" ");
}
