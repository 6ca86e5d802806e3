import { expect, test } from "vitest";
import { eloExpectedPlace, eloExpectedScore, eloPerformance } from "./elo.js";

test("an Elo difference of 400 is ten to one", () => {
  expect(eloExpectedScore(1600, 1200)).toBeCloseTo(10 / 11, 12);
  expect(eloExpectedScore(1200, 1600)).toBeCloseTo(1 / 11, 12);
  expect(eloExpectedScore(1500, 1500)).toBe(0.5);
});

test("a place is one plus the chance of each other to be ahead", () => {
  expect(eloExpectedPlace(1500, [1500, 1100, 1900])).toBeCloseTo(1 + 0.5 + 1 / 11 + 10 / 11, 12);
});

test("the rating of a place is the one that expects it", () => {
  // Among equals the middle place is worth their rating.
  expect(eloPerformance([{ place: 2, opponents: [1700, 1700] }])).toBeCloseTo(1700, 1);
  // One opponent and half a place each time: over two contests 1 + 2 = 3 expects equal strength on average.
  expect(
    eloPerformance([
      { place: 1, opponents: [1000] },
      { place: 2, opponents: [1800] },
    ]),
  ).toBeCloseTo(1400, 1);
  // Two to one against a single rating: 1/(1+10^(-d/400)) = 2/3, d = 400 log10(2).
  const thrice = [1, 1, 2].map((place) => ({ place, opponents: [9000] }));
  expect(eloPerformance(thrice)).toBeCloseTo(9000 + 400 * Math.log10(2), 1);
});

test("no finite rating expects to be first or last everywhere", () => {
  expect(eloPerformance([{ place: 1, opponents: [1500] }])).toBe(Number.POSITIVE_INFINITY);
  expect(eloPerformance([{ place: 3, opponents: [1500, 1400] }])).toBe(Number.NEGATIVE_INFINITY);
  expect(() => eloPerformance([])).toThrow("no contests");
  expect(() => eloPerformance([{ place: 3, opponents: [1500] }])).toThrow("place must be in 1..2, got 3");
});
