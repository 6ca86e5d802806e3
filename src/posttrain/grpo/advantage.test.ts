import { describe, expect, test } from "vitest";
import { type AdvantageOptions, advantages, defaultAdvantage, processAdvantages } from "./advantage.js";

const near = (got: ArrayLike<number>, expected: readonly number[]): void => {
  expect(got.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 6);
};
const options = (changes: Partial<AdvantageOptions>): AdvantageOptions => ({ ...defaultAdvantage, ...changes });
const population = options({ std: "population", epsilon: 0 });

describe("advantages, with the worked numbers of post-training.md 11.1, 11.13 and 11.14", () => {
  const eight = [1, 0.5, 0, 0.25, 1, 0, 0.75, 0.5];

  test("of two right and two wrong answers", () => {
    near(advantages([1, 0, 0, 1], 4, population), [1, -1, -1, 1]);
    near(advantages([1, 0, 0, 1], 4), [0.865875, -0.865875, -0.865875, 0.865875]);
    near(advantages([1, 0, 0, 1], 4, options({ epsilon: 1e-6 })), [0.866024, -0.866024, -0.866024, 0.866024]);
    near(advantages([1, 0, 0, 1], 4, options({ scale: "none" })), [0.5, -0.5, -0.5, 0.5]);
  });

  test("of one right answer among four, and of graded rewards", () => {
    near(advantages([1, 0, 0, 0], 4, population), [1.732051, -0.57735, -0.57735, -0.57735]);
    near(advantages([1, 0, 0, 0], 4), [1.4997, -0.4999, -0.4999, -0.4999]);
    near(advantages(eight, 8, population), [1.333333, 0, -1.333333, -0.666667, 1.333333, -1.333333, 0.666667, 0]);
    near(advantages(eight, 8), [1.246908, 0, -1.246908, -0.623454, 1.246908, -1.246908, 0.623454, 0]);
    near(advantages(eight, 8, options({ scale: "none" })), [0.5, 0, -0.5, -0.25, 0.5, -0.5, 0.25, 0]);
  });

  test("of equal rewards are exactly 0, also beside another group", () => {
    expect([...advantages([1, 1, 1, 1], 4)]).toEqual([0, 0, 0, 0]);
    const mixed = advantages([0.1, 0.1, 0.1, 1, 0, 0], 3, options({ scale: "batch" }));
    expect([...mixed.slice(0, 3)]).toEqual([0, 0, 0]);
    expect(mixed[3]).toBeGreaterThan(0);
  });

  test("against the mean of the others (RLOO)", () => {
    const rloo = options({ baseline: "leave-one-out", scale: "none" });
    near(advantages([1, 0, 0, 1], 4, rloo), [0.666667, -0.666667, -0.666667, 0.666667]);
    near(advantages([1, 0, 0, 0], 4, rloo), [1, -0.333333, -0.333333, -0.333333]);
  });

  test("against the whole batch, a group that is all right counts as better than one that is all wrong", () => {
    near(
      advantages([1, 1, 0, 0], 2, options({ baseline: "batch", scale: "batch", std: "population", epsilon: 0 })),
      [1, 1, -1, -1],
    );
  });

  test("with rewards at the ends of steps", () => {
    const outputs = [
      { length: 4, ends: [2, 4], rewards: [1, 0] },
      { length: 3, ends: [3], rewards: [1] },
    ];
    const [first = [], second = []] = processAdvantages(outputs, { std: "population", epsilon: 0 });
    near(first, [-Math.SQRT1_2, -Math.SQRT1_2, -Math.SQRT2, -Math.SQRT2]);
    near(second, [Math.SQRT1_2, Math.SQRT1_2, Math.SQRT1_2]);
    const [, sample = []] = processAdvantages(outputs, { std: "sample", epsilon: 0 });
    near(sample, [0.57735, 0.57735, 0.57735]);
  });

  test("refuses rewards that are no whole groups, or no numbers", () => {
    expect(() => advantages([1, 0, 1], 2)).toThrow("3 rewards are not groups of 2");
    expect(() => advantages([1, Number.NaN], 2)).toThrow("reward 1 is NaN");
  });
});
