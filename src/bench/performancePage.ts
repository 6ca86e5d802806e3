/** docs/performance.md from stored results: what was measured where, a table for each bench, the plots, and each gap with its counts. */
import { basename } from "node:path";
import type { Plot } from "./plots.js";
import type { StoredResult } from "./results.js";
import type { BenchName, BenchRow } from "./row.js";
import { type Target, targetsOf, verdict } from "./targets.js";

const headings: Readonly<Record<BenchName, string>> = {
  train: "Training",
  prefill: "Prefill",
  decode: "Decoding",
  load: "Opening a checkpoint",
  tokenizer: "Encoding",
  kernels: "Kernels",
};

/** @param notes Markdown that a person wrote, or "" */
export function performancePage(results: readonly StoredResult[], plots: readonly Plot[], notes: string): string {
  const sections = (Object.keys(headings) as BenchName[]).flatMap((bench) => {
    const rows = results.flatMap((result) => result.rows.filter((row) => row.bench === bench));
    return rows.length === 0 ? [] : [`## ${headings[bench]}\n\n${tableOf(rows)}`];
  });
  const drawings = plots.map(({ name, title }) => `![${title}](${basename(plotFile(name))})`);
  return [
    "# Performance",
    "This page is written by `fathom bench report` from the results in `bench/results/`, which `fathom bench all --peer --save bench/results` stores; edit `bench/notes.md` for what the figures do not say.",
    "Every figure is a median, beside the floor of the machine (the best that its arithmetic and its memory allow, measured in the same run) and beside a peer that took turns with ours. Ratios are the better the larger. Only ratios of one run compare: the machine is shared, and its absolute speed changes.",
    runs(results),
    ...sections,
    ...(drawings.length === 0 ? [] : [`## Plots\n\n${drawings.join("\n\n")}`]),
    `## Gaps\n\n${gaps(results)}`,
    ...(notes.trim() === "" ? [] : [notes.trim()]),
  ]
    .join("\n\n")
    .concat("\n");
}

/** File of a plot, beside the page. */
export function plotFile(name: string): string {
  return `performance-${name}.svg`;
}

function runs(results: readonly StoredResult[]): string {
  const lines = results.map(({ command, date, machine, versions, floors }) => {
    const gibibytes = (machine.memoryBytes / 2 ** 30).toFixed(0);
    const peaks = floors
      ? `${(floors.f32Flops / 1e9).toFixed(0)} / ${(floors.bf16Flops / 1e9).toFixed(0)} GFLOP/s, ${(floors.readBytes / 1e9).toFixed(1)} GB/s`
      : "";
    const where = `${machine.processor}, ${machine.threads} cores, ${gibibytes} GiB, ${machine.instructionSet}`;
    return [`\`fathom bench ${command}\``, date, where, peaks, `${versions.fathom}, Node.js ${versions.node}`];
  });
  return markdown([["run", "date", "machine", "f32 / bf16 peak, memory read", "fathom"], ...lines]);
}

function tableOf(rows: readonly BenchRow[]): string {
  const lines = rows.map((row) => [
    row.case,
    String(row.threads),
    `${digits(row.figure)} ${row.unit}`,
    `${digits(row.floor)} ${row.unit}`,
    `${(100 * row.ratio).toFixed(0)} %`,
    row.peer === undefined ? (row.peerName ?? "") : `${digits(row.peer)} ${row.unit} (${row.peerName})`,
    row.peerRatio === undefined ? "" : row.peerRatio.toFixed(2),
    targetsOf(row).map(targetText).join("; "),
  ]);
  const head = ["case", "threads", "figure", "floor", "of the floor", "peer", "ratio", "target"];
  return markdown([head, ...lines]);
}

function targetText(target: Target): string {
  const { must, aim, what } = target;
  const unit = what.startsWith("times ") ? "x" : what === "of the floor" ? "of the floor" : what;
  const text = (bound: number): string =>
    unit === "of the floor" || unit.startsWith("of the") ? percent(bound) : digits(bound);
  const bounds = [must === null ? "" : `must ${text(must)}`, aim === null ? "" : `aim ${text(aim)}`].filter(Boolean);
  const state = { aim: "reached", must: "must reached", below: "**below**" }[verdict(target)];
  return `${bounds.join(", ")} ${unit}: ${state}`;
}

/** Each target that is not reached, with what the work takes at least and where the rest of the time is. */
function gaps(results: readonly StoredResult[]): string {
  const lines = results.flatMap(({ rows, floors }) =>
    rows.flatMap((row) =>
      targetsOf(row)
        .filter((target) => verdict(target) === "below")
        .map((target) => `- **${row.bench} ${row.case}** (${row.threads} threads): ${gapText(row, target, floors)}`),
    ),
  );
  return lines.length === 0 ? "Every lower bound that has a figure is reached." : lines.join("\n");
}

function gapText(row: BenchRow, target: Target, floors: StoredResult["floors"]): string {
  const { what, value, must } = target;
  const isShare = what.startsWith("of the");
  const shown = (number: number): string => (isShare ? percent(number) : number.toFixed(2));
  const parts = [`${shown(value)} ${what}, must be ${shown(must ?? 0)}.`];
  const { flops, bytes, per = "token", unit, figure } = row;
  const isRate = unit === "tokens/s";
  if (flops !== undefined && floors) {
    const peak =
      row.bench === "kernels" && / f32/.test(row.case) ? floors.f32Flops : Math.max(floors.f32Flops, floors.bf16Flops);
    parts.push(`A ${per} takes ${count(flops)} operations, ${milliseconds(flops / peak)} at the peak`);
    if (bytes !== undefined)
      parts.push(`and ${count(bytes)} bytes, ${milliseconds(bytes / floors.readBytes)} at the bandwidth`);
  } else if (bytes !== undefined && floors) {
    parts.push(`A ${per} takes ${count(bytes)} bytes, ${milliseconds(bytes / floors.readBytes)} at the bandwidth`);
  }
  if (isRate) parts.push(`; it took ${milliseconds(1 / figure)}`);
  return `${parts.join(" ").replace(" ; ", "; ")}${parts.length > 1 ? "." : ""}`;
}

function markdown([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}

function milliseconds(seconds: number): string {
  return `${digits(1000 * seconds)} ms`;
}

/** Three digits, with thousands apart. */
function digits(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return Number(value.toPrecision(3)).toString();
}

/** 213,400,000 as 213 M. */
function count(value: number): string {
  for (const [unit, size] of [
    ["T", 1e12],
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const) {
    if (value >= size) return `${Number((value / size).toPrecision(3))} ${unit}`;
  }
  return String(Math.round(value));
}
