import { expect, test } from "vitest";
import { bestAssignment } from "./assignment.js";

/** The best sum over every pairing, by trying all. */
function bestByTrial(scores: readonly (readonly number[])[], row = 0, used: ReadonlySet<number> = new Set()): number {
  if (row === scores.length) return 0;
  let best = bestByTrial(scores, row + 1, used);
  for (const [column, score] of (scores[row] ?? []).entries()) {
    if (!used.has(column)) best = Math.max(best, score + bestByTrial(scores, row + 1, new Set([...used, column])));
  }
  return best;
}

test("an assignment takes the larger sum where greedy pairing would not", () => {
  // Greedy takes 9 first and is left with 0; the best is 8 + 7.
  expect(
    bestAssignment([
      [9, 8],
      [7, 0],
    ]),
  ).toEqual([1, 0]);
});

test("an assignment is as good as the best of all pairings", () => {
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 16) % 50;
  };
  for (const [rows, columns] of [
    [1, 1],
    [1, 5],
    [5, 1],
    [3, 6],
    [6, 3],
    [5, 5],
  ] as const) {
    for (let trial = 0; trial < 20; trial++) {
      const scores = Array.from({ length: rows }, () => Array.from({ length: columns }, random));
      const columnOf = bestAssignment(scores);
      const taken = columnOf.filter((column) => column !== null);
      expect(new Set(taken).size).toBe(Math.min(rows, columns));
      const sum = columnOf.reduce<number>((total, column, r) => total + (scores[r]?.[column ?? -1] ?? 0), 0);
      expect(sum).toBe(bestByTrial(scores));
    }
  }
});

test("an empty matrix has an empty assignment, ragged and infinite ones are refused", () => {
  expect(bestAssignment([])).toEqual([]);
  expect(bestAssignment([[], []])).toEqual([null, null]);
  expect(() => bestAssignment([[1], [1, 2]])).toThrow("row 1 has 2 scores, row 0 has 1");
  expect(() => bestAssignment([[Number.NaN]])).toThrow("row 0 has NaN");
});
