import { expect, test } from "vitest";
import { averageAtN, majorityAnswer, passAtK } from "./passAtK.js";

test("pass@k is as worked out in the specification, 13.3", () => {
  const cases = [
    [10, 3, 1, 0.3],
    [10, 3, 5, 0.916667],
    [10, 0, 5, 0],
    [10, 8, 5, 1],
    [20, 5, 10, 0.983746],
    [5, 2, 3, 0.9],
    [64, 16, 8, 0.914746],
  ] as const;
  for (const [n, c, k, expected] of cases) expect(passAtK(n, c, k)).toBeCloseTo(expected, 6);
  const mean = (k: number): number => [3, 0, 10].reduce((sum, c) => sum + passAtK(10, c, k), 0) / 3;
  expect(mean(1)).toBeCloseTo(0.433333, 6);
  expect(mean(5)).toBeCloseTo(0.638889, 6);
});

test("pass@1 is the mean over samples", () => {
  expect(averageAtN([true, false, false, true])).toBe(0.5);
  expect(passAtK(4, 2, 1)).toBeCloseTo(0.5, 12);
  expect(() => averageAtN([])).toThrow("no samples");
});

test("pass@k refuses counts that cannot be", () => {
  expect(() => passAtK(10, 11, 1)).toThrow("c must be a whole number in 0..10, got 11 (n 10, c 11, k 1)");
  expect(() => passAtK(4, 1, 5)).toThrow("k must be a whole number in 1..4, got 5");
  expect(() => passAtK(4, 0.5, 1)).toThrow("c must be a whole number");
});

test("the vote goes to the most frequent answer, ties to the first, and no answer is no vote", () => {
  expect(majorityAnswer(["3", "4", "4", null, null, null])).toBe("4");
  expect(majorityAnswer(["5", "4", "4", "5"])).toBe("5");
  expect(majorityAnswer([null, null])).toBeNull();
});
