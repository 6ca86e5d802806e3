import { describe, expect, test } from "vitest";
import { type AdvantageOptions, advantages, defaultAdvantage, momentsOf, processAdvantages } from "./advantage.js";

const near = (got: ArrayLike<number>, expected: readonly number[]): void => {
  expect(got.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 6);
};
const options = (changes: Partial<AdvantageOptions>): AdvantageOptions => ({ ...defaultAdvantage, ...changes });
const population = options({ std: "population", epsilon: 0 });
/** verl's addend to the spread; the default is TRL's. */
const verl = options({ epsilon: 1e-6 });

describe("advantages, with the worked numbers of post-training.md 11.1, 11.13 and 11.14", () => {
  const eight = [1, 0.5, 0, 0.25, 1, 0, 0.75, 0.5];

  test("divide by spreads of n and of n - 1", () => {
    const spreads = [[1, 0, 0, 1], [1, 0, 0, 0], [1, 1, 1, 1], eight, [1, 0, 1]].map((rewards) =>
      (["population", "sample"] as const).map((kind) => momentsOf(rewards, kind).std),
    );
    near(spreads.flat(), [0.5, 0.57735, 0.433013, 0.5, 0, 0, 0.375, 0.400892, 0.471405, 0.57735]);
    expect([[1, 0, 0, 1], [1, 0, 0, 0], eight].map((rewards) => momentsOf(rewards, "sample").mean)).toEqual([
      0.5, 0.25, 0.5,
    ]);
  });

  test("of two right and two wrong answers", () => {
    near(advantages([1, 0, 0, 1], 4, population), [1, -1, -1, 1]);
    near(advantages([1, 0, 0, 1], 4), [0.865875, -0.865875, -0.865875, 0.865875]);
    near(advantages([1, 0, 0, 1], 4, verl), [0.866024, -0.866024, -0.866024, 0.866024]);
    near(advantages([1, 0, 0, 1], 4, options({ scale: "none" })), [0.5, -0.5, -0.5, 0.5]);
  });

  test("of one right answer among four, and of graded rewards", () => {
    near(advantages([1, 0, 0, 0], 4, population), [1.732051, -0.57735, -0.57735, -0.57735]);
    near(advantages([1, 0, 0, 0], 4), [1.4997, -0.4999, -0.4999, -0.4999]);
    near(advantages([1, 0, 0, 0], 4, verl), [1.499997, -0.499999, -0.499999, -0.499999]);
    near(advantages([1, 0, 0, 0], 4, options({ scale: "none" })), [0.75, -0.25, -0.25, -0.25]);
    near(advantages(eight, 8, population), [1.333333, 0, -1.333333, -0.666667, 1.333333, -1.333333, 0.666667, 0]);
    near(advantages(eight, 8), [1.246908, 0, -1.246908, -0.623454, 1.246908, -1.246908, 0.623454, 0]);
    near(advantages(eight, 8, verl), [1.247216, 0, -1.247216, -0.623608, 1.247216, -1.247216, 0.623608, 0]);
    near(advantages(eight, 8, options({ scale: "none" })), [0.5, 0, -0.5, -0.25, 0.5, -0.5, 0.25, 0]);
  });

  test("of equal rewards are exactly 0, also beside another group", () => {
    for (const each of [defaultAdvantage, population, verl, options({ scale: "none" })]) {
      expect([...advantages([1, 1, 1, 1], 4, each)]).toEqual([0, 0, 0, 0]);
    }
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
    // Of the steps 1, 0, 1 the deviations by n - 1 are 0.577350, -1.154701, 0.577350.
    const [early = [], late = []] = processAdvantages(outputs, { std: "sample", epsilon: 0 });
    near(early, [-0.57735, -0.57735, -1.154701, -1.154701]);
    near(late, [0.57735, 0.57735, 0.57735]);
  });

  test("refuses rewards that are no whole groups, or no numbers", () => {
    expect(() => advantages([1, 0, 1], 2)).toThrow("3 rewards are not groups of 2");
    expect(() => advantages([1, Number.NaN], 2)).toThrow("reward 1 is NaN");
  });
});
