import { expect, test } from "vitest";
import { type ChartOptions, escapeHtml, lineChart, logTicks, type Series, shortNumber, ticks } from "./chart.js";
import { heatMap } from "./heatMap.js";

const options: ChartOptions = { title: "Loss", xLabel: "tokens", yLabel: "nats" };

function series(points: readonly (readonly [number, number])[], rest: Partial<Series> = {}): Series {
  return { name: "loss", color: "red", points, ...rest };
}

/** Coordinates of the path with this class, in the order drawn; M begins a piece. */
function path(svg: string, kind = "curve"): { readonly pen: string; readonly x: number; readonly y: number }[] {
  const d = new RegExp(`class="${kind}" d="([^"]*)"`).exec(svg)?.[1] ?? "";
  return Array.from(d.matchAll(/([ML])([-\d.]+) ([-\d.]+)/g), ([, pen = "", x, y]) => ({
    pen,
    x: Number(x),
    y: Number(y),
  }));
}

/** Labels of the axis: those on the left end at it, those below stand in the middle. */
function tickTexts(svg: string, anchor: "end" | "middle"): string[] {
  return Array.from(svg.matchAll(/<text class="tick[^>]*text-anchor="(\w+)"[^>]*>([^<]*)</g))
    .filter(([, at]) => at === anchor)
    .map(([, , text = ""]) => text);
}

test("ticks are round, lie inside the range and have one distance", () => {
  expect(ticks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
  expect(ticks(1.62, 3.39, 5)).toEqual([2, 2.5, 3]);
  expect(ticks(-0.3, 0.3, 6)).toEqual([-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]);
  expect(ticks(0, 762_000, 8)).toEqual([0, 1e5, 2e5, 3e5, 4e5, 5e5, 6e5, 7e5]);
});

test("ticks of a range of no width end", () => {
  expect(ticks(3, 3, 5)).toEqual([3]);
});

test("logTicks are 1, 2 and 5 times powers of ten, the powers alone over many decades, round values within one", () => {
  expect(logTicks(0.4, 12)).toEqual([0.5, 1, 2, 5, 10]);
  expect(logTicks(1e-5, 10)).toEqual([1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10]);
  expect(logTicks(3, 4.4)).toEqual([3, 3.5, 4]);
});

test("shortNumber keeps three digits and goes to the next unit where rounding does", () => {
  expect([0, 1, 999, 1500, 12_288, 999_900, 761_856, 14.8e12, -2500].map(shortNumber)).toEqual([
    "0",
    "1",
    "999",
    "1.5k",
    "12.3k",
    "1M",
    "762k",
    "14800G",
    "-2.5k",
  ]);
  expect([0.00022, 0.002, 0.5, 1.234].map(shortNumber)).toEqual(["2.2e-4", "2e-3", "0.5", "1.23"]);
});

test("lineChart puts the largest value highest and the last to the right, in proportion", () => {
  const drawn = path(
    lineChart(
      [
        series([
          [0, 4],
          [10, 3],
          [20, 1],
        ]),
      ],
      options,
    ),
  );
  expect(drawn.map(({ pen }) => pen).join("")).toBe("MLL");
  const [a, b, c] = drawn;
  if (!a || !b || !c) throw new Error("three points");
  expect(b.x - a.x).toBeCloseTo(c.x - b.x, 0);
  // From 4 to 3 is half of from 3 to 1, downwards; coordinates are written to a tenth.
  expect(2 * (b.y - a.y)).toBeCloseTo(c.y - b.y, 0);
  expect(a.y).toBeLessThan(c.y);
});

test("lineChart without values says so, with its title and without a picture", () => {
  for (const none of [[], [series([])], [series([[1, Number.NaN]])], [series([[0, 2]], { isReference: true })]]) {
    const html = lineChart(none, options);
    expect(html).toContain("No values yet.");
    expect(html).toContain("Loss");
    expect(html).not.toContain("<svg");
  }
});

test("lineChart draws one point in the middle, as a dot", () => {
  const html = lineChart([series([[4096, 8.35]])], options);
  expect(html.match(/<circle/g)).toHaveLength(1);
  expect(html).not.toMatch(/NaN|Infinity/);
  const [point] = path(html);
  expect(point?.x).toBeGreaterThan(200);
  expect(point?.x).toBeLessThan(400);
});

test("lineChart draws a curve that never changes", () => {
  for (const value of [0, 0.3, -7, 1e-9, 1e15]) {
    const html = lineChart(
      [
        series([
          [0, value],
          [1, value],
        ]),
      ],
      options,
    );
    expect(html).not.toMatch(/NaN|Infinity/);
    expect(tickTexts(html, "end").length).toBeGreaterThan(1);
  }
});

test("lineChart leaves a gap where a value is not finite, and JSON's null is not 0", () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, JSON.parse("null") as number]) {
    for (const isLogarithmic of [false, true]) {
      const html = lineChart(
        [
          series([
            [0, 5],
            [1, 4],
            [2, bad],
            [3, 3],
            [4, 2],
          ]),
        ],
        { ...options, isLogarithmic },
      );
      expect(
        path(html)
          .map(({ pen }) => pen)
          .join(""),
      ).toBe("MLML");
      expect(html).not.toMatch(/NaN|Infinity|null/);
      // The axis does not reach to 0.
      expect(Math.min(...tickTexts(html, "end").map(Number))).toBeGreaterThanOrEqual(1.5);
    }
  }
});

test("lineChart of many points stays small and keeps its ends, gaps and mean", () => {
  const points = Array.from({ length: 100_000 }, (_, i): [number, number] => [
    i,
    i >= 40_000 && i < 60_000 ? Number.NaN : i % 2,
  ]);
  const html = lineChart([series(points)], options);
  const drawn = path(html);
  expect(drawn.length).toBeGreaterThan(400);
  expect(drawn.length).toBeLessThanOrEqual(600);
  expect(drawn.filter(({ pen }) => pen === "M")).toHaveLength(2);
  expect(html).not.toContain("<circle");
  // 0, 1, 0, 1, …: the means are all near a half.
  expect(Math.max(...drawn.map(({ y }) => y)) - Math.min(...drawn.map(({ y }) => y))).toBeLessThan(3);
});

test("a logarithmic axis has equal steps for equal factors and leaves out what is not positive", () => {
  const html = lineChart(
    [
      series([
        [0, 1],
        [1, 10],
        [2, 100],
        [3, 0],
        [4, -5],
      ]),
    ],
    { ...options, isLogarithmic: true },
  );
  const drawn = path(html);
  expect(drawn).toHaveLength(3);
  const [a, b, c] = drawn;
  if (!a || !b || !c) throw new Error("three points");
  expect(a.y - b.y).toBeCloseTo(b.y - c.y, 0);
  expect(tickTexts(html, "end")).toEqual(["1", "2", "5", "10", "20", "50", "100"]);
});

test("shares are shown in percent", () => {
  const html = lineChart(
    [
      series([
        [0, 0.05],
        [1, 0.1704],
      ]),
    ],
    { ...options, isShare: true },
  );
  expect(html).toContain("<b>17.0 %</b>");
  expect(tickTexts(html, "end")).toContain("10 %");
});

test("the picture's name tells every curve's first and last value", () => {
  const yardstick = series(
    [
      [0, 2.031],
      [1, 2.031],
    ],
    { name: "gzip -9", isReference: true },
  );
  const html = lineChart(
    [
      series([
        [0, 8],
        [1, 2.7461],
      ]),
      yardstick,
    ],
    options,
  );
  expect(html).toContain('role="img" aria-label="Loss, nats: loss from 8 to 2.746; gzip -9 2.031"');
  expect(path(html, "reference")).toHaveLength(2);
});

test("names and titles are text, whatever they hold", () => {
  const hostile = `"><script>alert('1')</script>&<img src=x onerror=alert(1)>`;
  expect(escapeHtml(`<a b="c" d='e'>&amp;`)).toBe("&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;");
  const html =
    lineChart(
      [
        series(
          [
            [0, 1],
            [1, 2],
          ],
          { name: hostile },
        ),
      ],
      { title: hostile, xLabel: hostile, yLabel: hostile },
    ) +
    lineChart([], { title: hostile, xLabel: hostile, yLabel: hostile }) +
    heatMap([[1, 2]], { title: hostile, rowName: hostile, timeLabels: [hostile] });
  const tags = new Set(Array.from(html.matchAll(/<\/?(\w+)/g), ([, tag]) => tag));
  expect([...tags].sort()).toEqual(
    ["b", "circle", "div", "figcaption", "figure", "i", "line", "p", "path", "rect", "small", "span", "svg"].concat([
      "text",
      "title",
    ]),
  );
  // Inside a tag there is nothing but names and quoted values.
  for (const [tag] of html.matchAll(/<\w[^>]*>/g)) expect(tag).toMatch(/^<\w+( [\w-]+="[^"<>]*")*\/?>$/);
  expect(html.replace(/&(amp|lt|gt|quot|#39);/g, "")).not.toContain("&");
});

test("heatMap has a cell for each row and moment, the fair share in the middle colour, the ends in the strongest", () => {
  const html = heatMap(
    [
      [0, 1, 2],
      [0.5, 1, 9],
    ],
    { title: "Layer 1", rowName: "expert", timeLabels: ["1k tokens", "2k tokens"] },
  );
  const cells = Array.from(html.matchAll(/<rect class="(\w+)" x="([\d.]+)" y="(\d+)"[^>]*><title>([^<]*)</g));
  expect(cells.map(([, color]) => color)).toEqual(["l8", "h0", "h8", "l4", "h0", "h8"]);
  expect(cells.map(([, , , , title]) => title)[3]).toBe("expert 0, 2k tokens: 0.50");
  expect(new Set(cells.map(([, , x]) => x)).size).toBe(2);
  expect(new Set(cells.map(([, , , y]) => y)).size).toBe(3);
  expect(html).toContain("at the end from 0.50 to 9.00 times the fair share");
});

test("heatMap without rows is nothing, and 256 rows have labels that do not touch", () => {
  expect(heatMap([], { title: "t", rowName: "expert", timeLabels: [] })).toBe("");
  const html = heatMap([Array.from({ length: 256 }, () => 1)], { title: "t", rowName: "expert", timeLabels: ["1k"] });
  const labels = Array.from(html.matchAll(/y="([\d.]+)" dy="0.34em" text-anchor="end"/g), ([, y]) => Number(y));
  expect(labels.length).toBeGreaterThan(5);
  for (const [i, y] of labels.entries()) if (i > 0) expect(y - (labels[i - 1] ?? 0)).toBeGreaterThanOrEqual(20);
});

test("a yardstick that stands upright tells its place, not its height", () => {
  const border = series(
    [
      [256, 2],
      [256, 4],
    ],
    { name: "end of the window", isReference: true },
  );
  const html = lineChart(
    [
      series([
        [0, 4],
        [1000, 2],
      ]),
      border,
    ],
    options,
  );
  expect(html).toContain("end of the window <b>256</b>");
  const [low, high] = path(html, "reference");
  expect(low?.x).toBe(high?.x);
});
