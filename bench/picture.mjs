/** Curves as an SVG file of their own, for the pages in docs: the report's chart with its colours written out and a legend inside. */
import { lineChart } from "../dist/report/chart.js";

export const palette = ["#2f6feb", "#d1495b", "#2a9d5c", "#8a5cd1", "#c77d0a", "#5b6770"];

/** @param legendX where the names begin */
export function picture(title, yLabel, series, { legendX = 66, xLabel = "step", ...options } = {}) {
  return svg(lineChart(series, { title, xLabel, yLabel, ...options })).replace(
    "</svg>",
    `${series.map(({ name, color }, i) => `<text x="${legendX}" y="${22 + 14 * i}" style="fill:${color}">${name}</text>`).join("")}</svg>`,
  );
}

function svg(html) {
  const drawing = /<svg[\s\S]*<\/svg>/.exec(html)[0].replace(/<svg /, '<svg xmlns="http://www.w3.org/2000/svg" ');
  const style =
    "<style>svg{background:#fff;color:#333;font:11px system-ui,sans-serif}text{fill:#555}" +
    ".grid{stroke:#ddd}.axis{stroke:#999}path,polyline{fill:none}</style>";
  return drawing.replace(/(<svg[^>]*>)/, `$1${style}`).replaceAll(/var\(--[a-z-]+\)/g, "#777");
}
