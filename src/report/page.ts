/**
 * The page around a report: one HTML file without scripts that loads nothing (its policy forbids it), light or dark as the reader's system is.
 * Text colours stand at least 4.5 : 1 from what is behind them, curves 3 : 1 (WCAG AA; report.test.ts measures it).
 */
import { escapeHtml } from "./chart.js";
import { heatColors, type Rgb } from "./heatMap.js";

export interface Palette {
  readonly bg: string;
  readonly card: string;
  readonly ink: string;
  /** Text of second rank. */
  readonly soft: string;
  readonly line: string;
  readonly curves: readonly [string, string, string, string, string];
  /** Behind the model's text and behind what the file says. */
  readonly written: string;
  readonly truth: string;
  readonly heat: { readonly low: Rgb; readonly middle: Rgb; readonly high: Rgb };
}

export const palettes: { readonly light: Palette; readonly dark: Palette } = {
  light: {
    bg: "#f6f7f8",
    card: "#ffffff",
    ink: "#1a1f24",
    soft: "#57606a",
    line: "#dfe3e7",
    curves: ["#2463c4", "#c64f22", "#2a8352", "#8650b8", "#94720b"],
    written: "#ffedb8",
    truth: "#d5f0dd",
    heat: { low: [28, 84, 178], middle: [240, 241, 242], high: [190, 52, 20] },
  },
  dark: {
    bg: "#121518",
    card: "#1b1f24",
    ink: "#e8ebee",
    soft: "#a3adb8",
    line: "#323940",
    curves: ["#6ea3ff", "#ff8f63", "#6fce97", "#c596f2", "#e0bd4f"],
    written: "#4b3f14",
    truth: "#1b4429",
    heat: { low: [88, 152, 255], middle: [44, 50, 57], high: [255, 126, 84] },
  },
};

/** Colours of curves in the order in which a chart takes them. */
export const curveColors: readonly string[] = ["var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)"];

function variables({ bg, card, ink, soft, line, curves, written, truth }: Palette): string {
  const colors = curves.map((color, i) => `--c${i + 1}: ${color};`).join(" ");
  return `--bg: ${bg}; --card: ${card}; --ink: ${ink}; --soft: ${soft}; --line: ${line}; ${colors} --written: ${written}; --truth: ${truth};`;
}

const { light, dark } = palettes;
const style = `
:root { color-scheme: light dark; ${variables(light)} }
${heatColors(light.heat.low, light.heat.middle, light.heat.high)}
@media (prefers-color-scheme: dark) {
:root { ${variables(dark)} }
${heatColors(dark.heat.low, dark.heat.middle, dark.heat.high)}
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1200px; padding: 32px 24px 64px; background: var(--bg); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 26px; line-height: 1.25; letter-spacing: -0.01em; margin: 0 0 20px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 40px 0 10px; } h3 { font-size: 15px; margin: 20px 0 8px; }
h4 { font-size: 13px; margin: 0 0 4px; color: var(--soft); font-weight: 500; }
small { color: var(--soft); font-size: 13px; font-weight: 400; }
p { margin: 0 0 12px; color: var(--soft); max-width: 72ch; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 0 0 20px; }
.numbers div, figure, pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.numbers div { padding: 12px 16px; display: flex; flex-direction: column; }
.numbers dt { color: var(--soft); font-size: 13px; line-height: 1.35; order: 2; }
.numbers dd { margin: 0; font-size: 24px; font-weight: 650; line-height: 1.3; }
.numbers .main dd { color: var(--c1); }
.facts { border-collapse: collapse; margin: 0 0 8px; font-size: 14px; }
.facts th { text-align: left; font-weight: 500; color: var(--soft); padding: 2px 24px 2px 0; vertical-align: top; white-space: nowrap; }
.facts td { padding: 2px 0; overflow-wrap: anywhere; } 
.figures td, .figures thead th:not(:first-child) { text-align: right; padding: 2px 0 2px 24px; }
.facts + .charts { margin-top: 20px; }
.wide { overflow-x: auto; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 16px; }
figure { margin: 0; padding: 14px 16px; container-type: inline-size; min-width: 0; }
figcaption { font-weight: 600; line-height: 1.4; margin-bottom: 6px; } figcaption small { margin-left: 4px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); } .tick, .label { fill: var(--soft); font-size: 12.5px; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; } .reference { fill: none; stroke-width: 1.6; stroke-dasharray: 6 4; }
.heat rect { shape-rendering: crispEdges; }
@container (max-width: 440px) { .tick, .label { font-size: 18px; } .tick.odd { display: none; } }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin-top: 4px; font-size: 13px; color: var(--soft); }
.legend b { color: var(--ink); font-weight: 600; }
.legend i { display: inline-block; width: 16px; height: 0; border-top: 3px solid; border-radius: 2px; margin-right: 6px; vertical-align: middle; }
.legend i.dashed { border-top-style: dashed; border-top-width: 2px; border-radius: 0; }
.scale { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 10px; font-size: 13px; color: var(--soft); margin: 0 0 12px; }
.swatches { display: inline-flex; border-radius: 3px; overflow: hidden; } .swatches i { width: 12px; height: 14px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 12px 16px; }
.pair > div { min-width: 0; display: flex; flex-direction: column; }
pre { margin: 0; padding: 12px 14px; flex: 1; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.given { color: var(--soft); } mark, ins { color: inherit; text-decoration: none; border-radius: 3px; -webkit-box-decoration-break: clone; box-decoration-break: clone; }
mark { background: var(--written); } ins { background: var(--truth); }
.empty { margin: 24px 0; text-align: center; }
@media (max-width: 500px) { body { padding: 20px 14px 40px; } .numbers { grid-template-columns: repeat(2, minmax(0, 1fr)); } .numbers dd { font-size: 20px; } .facts th { padding-right: 14px; } .figures { font-size: 13px; } .figures td, .figures thead th:not(:first-child) { padding-left: 14px; } }
@media print { body { background: none; padding: 0; } figure, article { break-inside: avoid; } }
`;

/** @param sections HTML, whose text is escaped already */
export function page(title: string, sections: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${sections.filter((section) => section !== "").join("\n")}
</main>
</body>
</html>
`;
}

/** Names and values, one a line. */
export function factsTable(facts: readonly (readonly [name: string, value: string])[]): string {
  const rows = facts.map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<table class="facts">${rows.join("")}</table>`;
}
