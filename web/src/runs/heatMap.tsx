/**
 * How many tokens each expert got over time, one map a layer: a row an expert, time from left to right, the fair share in a neutral colour, blue
 * for less and red for more, as in the report of a run. The pointer, or the arrow keys, read single cells.
 */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { shortNumber } from "../../../src/report/chart.js";
import type { LoadColumn } from "../../../src/serve/runEvents.js";
import { colorOf, onThemeChange } from "../theme.js";

/** An expert with this many times its fair share has the strongest colour. */
const most = 2;

export function HeatMaps({ loads }: { readonly loads: readonly LoadColumn[] }): JSX.Element | null {
  const layers = loads.at(-1)?.layers ?? [];
  if (layers.length === 0) return null;
  return (
    <section aria-labelledby="load-title">
      <div class="section-head">
        <h2 id="load-title">Load of every expert</h2>
        <span class="scale">
          unused{" "}
          <i class="swatches" role="img" aria-label="Blue is unused, neutral the fair share, red twice that or more" />{" "}
          twice the fair share
        </span>
      </div>
      <div class={layers.length > 4 ? "charts maps many" : "charts maps"}>
        {layers.map(({ layer }, index) => (
          <HeatMap
            key={layer}
            layer={layer}
            columns={sharesOf(loads, index)}
            tokens={loads.map(({ tokens }) => tokens)}
          />
        ))}
      </div>
    </section>
  );
}

/** @returns [time][expert], 1 = the fair share */
function sharesOf(loads: readonly LoadColumn[], index: number): number[][] {
  return loads.map(({ layers }) => {
    const counts = layers[index]?.counts ?? [];
    const fair = counts.reduce((sum, count) => sum + count, 0) / counts.length || 1;
    return counts.map((count) => count / fair);
  });
}

interface HeatMapProps {
  readonly layer: number;
  readonly columns: readonly (readonly number[])[];
  /** At the end of each column. */
  readonly tokens: readonly number[];
}

function HeatMap({ layer, columns, tokens }: HeatMapProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [cell, setCell] = useState<readonly [time: number, expert: number] | null>(null);
  const [theme, setTheme] = useState(0);
  useEffect(() => onThemeChange(() => setTheme((count) => count + 1)), []);
  const experts = columns.at(-1)?.length ?? 0;
  const rowHeight = Math.max(2, Math.min(9, Math.floor(150 / experts)));
  useEffect(() => {
    if (canvas.current) draw(canvas.current, columns, experts);
  }, [columns, experts, theme]);

  const at = (event: MouseEvent): void => {
    const box = canvas.current?.getBoundingClientRect();
    if (!box) return;
    const time = Math.floor(((event.clientX - box.left) / box.width) * columns.length);
    const expert = Math.floor(((event.clientY - box.top) / box.height) * experts);
    setCell([clamp(time, columns.length), clamp(expert, experts)]);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const moves: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const [time, expert] = cell ?? [columns.length - 1, 0];
    setCell([clamp(time + move[0], columns.length), clamp(expert + move[1], experts)]);
  };
  const last = columns.at(-1) ?? [];
  const [low, high] = [Math.min(...last), Math.max(...last)];
  const shown = cell ? columns[cell[0]]?.[cell[1]] : undefined;
  return (
    <figure class="card map">
      <figcaption>
        Layer {layer} <small>one row an expert</small>
      </figcaption>
      <canvas
        ref={canvas}
        height={experts * rowHeight}
        style={{ height: `${experts * rowHeight}px` }}
        role="img"
        tabIndex={0}
        aria-label={`Layer ${layer}: load of ${experts} experts over time; now from ${low.toFixed(2)} to ${high.toFixed(2)} times the fair share. Arrow keys read single cells.`}
        onMouseMove={at}
        onMouseLeave={() => setCell(null)}
        onBlur={() => setCell(null)}
        onKeyDown={onKeyDown}
      />
      <p class="map-foot" aria-live="polite">
        {cell && shown !== undefined
          ? `expert ${cell[1]} at ${shortNumber(tokens[cell[0]] ?? 0)} tokens: ${shown.toFixed(2)} of its fair share`
          : `now ${low.toFixed(2)} to ${high.toFixed(2)} of the fair share`}
      </p>
    </figure>
  );
}

function draw(canvas: HTMLCanvasElement, columns: readonly (readonly number[])[], experts: number): void {
  const context = canvas.getContext("2d");
  if (!context || experts === 0) return;
  const scale = Math.max(1, Math.round(devicePixelRatio));
  const height = Number(canvas.getAttribute("height"));
  canvas.width = columns.length * Math.max(1, Math.ceil((canvas.clientWidth * scale) / columns.length));
  const [low, middle, high] = ["--heat-low", "--heat-middle", "--heat-high"].map((name) => channels(colorOf(name)));
  if (!low || !middle || !high) return;
  const cellWidth = canvas.width / columns.length;
  const cellHeight = height / experts;
  for (const [time, column] of columns.entries()) {
    for (const [expert, share] of column.entries()) {
      context.fillStyle = mixed(
        middle,
        share < 1 ? low : high,
        Math.min(1, Math.abs(share - 1) / (share < 1 ? 1 : most - 1)),
      );
      context.fillRect(time * cellWidth, expert * cellHeight, cellWidth, cellHeight);
    }
  }
}

function channels(color: string): readonly number[] {
  return (color.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}

function mixed(from: readonly number[], to: readonly number[], part: number): string {
  return `rgb(${from.map((value, i) => Math.round(value + ((to[i] ?? 0) - value) * part)).join(",")})`;
}

function clamp(value: number, length: number): number {
  return Math.max(0, Math.min(length - 1, value));
}
