import { expect, test } from "vitest";
import { pieces } from "./pieces.js";

test.each([
  [0, 1e6, []],
  [1, 1e12, [1]],
  [1024, 1e6, [1024]],
  [1024, 15e6, [384, 384, 256]], // 400 rows are 6e9 operations, 6 whole tiles
  [1000, 6e9, [...new Array<number>(15).fill(64), 40]],
  [704, 10e6, [384, 320]],
])("%i rows of %d operations are cut evenly at whole tiles", (rows, operations, lengths) => {
  const cut = [...pieces(rows, operations)];
  expect(cut.map((piece) => piece.rows)).toEqual(lengths);
  let next = 0;
  for (const piece of cut) {
    expect(piece.begin).toBe(next);
    next += piece.rows;
  }
  expect(next).toBe(rows);
});
