import { expect, test } from "vitest";
import { heatMapSvg, heatMapText } from "./heatMap.js";

const map = {
  columns: [128, 4096],
  rows: [0, 50, 100],
  values: [
    [1, 0],
    [0.5, null],
    [0.34, 0.99],
  ],
  columnName: "tokens",
  rowName: "depth %",
};

test("shares are numbers and blocks, what is missing is a dash", () => {
  expect(heatMapText(map)).toBe(
    ["depth % |  128 4096  tokens", "      0 |100██  0  ", "     50 | 50▒▒    -", "    100 | 34░░ 99██"].join("\n"),
  );
});

test("the picture has a cell for each share, from red to green", () => {
  const svg = heatMapSvg(map, "Share found");
  expect(svg.match(/<rect x=/g)?.length).toBe(6);
  expect(svg).toContain('fill="hsl(120 70% 70%)"><title>tokens 128, depth % 0: 1.00</title></rect>');
  expect(svg).toContain('fill="hsl(0 70% 70%)"');
  expect(svg).toContain('fill="#ddd"><title>tokens 4096, depth % 50: none</title></rect></g>');
  expect(svg.startsWith("<svg ")).toBe(true);
});
