import { expect, test } from "vitest";
import { multisetAt, multisetCount } from "./multisets.js";

/** All multisets of `many` numbers below `count`, by nested loops. */
function every(count: number, many: number, from = 0): number[][] {
  if (many === 0) return [[]];
  const result: number[][] = [];
  for (let first = from; first < count; first++) {
    for (const rest of every(count, many - 1, first)) result.push([first, ...rest]);
  }
  return result;
}

test.each([
  [1, 1],
  [7, 1],
  [9, 2],
  [6, 3],
  [5, 4],
])("of %i numbers, %i at a time, every choice has one rank", (count, many) => {
  const wanted = every(count, many);
  expect(multisetCount(count, many)).toBe(wanted.length);
  const found = wanted.map((_, rank) => multisetAt(rank, many).join(","));
  expect(found.sort()).toEqual(wanted.map((numbers) => numbers.join(",")).sort());
});

test("worked by hand: pairs are ordered by their larger number, then by the smaller", () => {
  const pairs = Array.from({ length: 7 }, (_, rank) => multisetAt(rank, 2).join(""));
  expect(pairs).toEqual(["00", "01", "11", "02", "12", "22", "03"]);
});

test("large ranks stay exact: the last pairs of numbers of six digits", () => {
  const count = multisetCount(900_000, 2);
  expect(BigInt(count)).toBe((900_000n * 900_001n) / 2n);
  expect(multisetAt(count - 1, 2)).toEqual([899_999, 899_999]);
  expect(multisetAt(count - 900_000, 2)).toEqual([0, 899_999]);
  expect(multisetAt(count - 900_001, 2)).toEqual([899_998, 899_998]);
});
