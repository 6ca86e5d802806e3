/** The page that shows what a longer window is worth: bits by position of models that read the same text. */
import { escapeHtml, lineChart, type Series } from "./chart.js";
import { factsTable, page } from "./page.js";

export interface PositionCurve {
  readonly name: string;
  /** In the order of positions. */
  readonly buckets: readonly {
    readonly from: number;
    readonly to: number;
    readonly bitsPerToken: number;
    readonly bitsPerByte: number;
  }[];
}

export interface PositionsInput {
  readonly title: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** Where the old window ends. */
  readonly border: number;
  readonly curves: readonly PositionCurve[];
}

const colors = ["var(--c2)", "var(--c5)", "var(--c1)", "var(--c4)"];

export function renderPositions({ title, facts, border, curves }: PositionsInput): string {
  const chart = (name: string, value: (bucket: PositionCurve["buckets"][number]) => number): string => {
    const series = curves.map(
      (curve, i): Series => ({
        name: curve.name,
        color: colors[i % colors.length] ?? "gray",
        points: curve.buckets.map((bucket) => [(bucket.from + bucket.to) / 2, value(bucket)]),
      }),
    );
    const values = series.flatMap(({ points }) => points.map(([, y]) => y));
    const old: Series = {
      name: "end of the old window",
      color: "var(--soft)",
      points: [
        [border, Math.min(...values)],
        [border, Math.max(...values)],
      ],
      isReference: true,
    };
    return lineChart([...series, ...(values.length > 0 ? [old] : [])], {
      title: name,
      xLabel: "position in the window, in tokens",
      yLabel: "held-out documents; lower is better",
    });
  };
  const head = curves.map(({ name }) => `<th scope="col">${escapeHtml(name)}</th>`).join("");
  const rows = (curves[0]?.buckets ?? []).map(({ from, to }, b) => {
    const cells = curves.map(({ buckets }) => `<td>${(buckets[b]?.bitsPerByte ?? 0).toFixed(4)}</td>`).join("");
    return `<tr><th scope="row">${from} to ${to - 1}</th>${cells}</tr>`;
  });
  return page(title, [
    factsTable(facts),
    `<section class="charts">${chart("Bits per byte by position", ({ bitsPerByte }) => bitsPerByte)}
${chart("Bits per token by position", ({ bitsPerToken }) => bitsPerToken)}</section>`,
    `<h2>Bits per byte</h2><div class="wide"><table class="facts figures"><thead><tr><th scope="col">positions</th>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`,
  ]);
}
