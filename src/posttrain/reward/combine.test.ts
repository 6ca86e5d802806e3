import { expect, test } from "vitest";
import { combineRewards, normalizeInGroups, weightedSum } from "./combine.js";

const group = [0, 0, 0, 0];
const a = [1, 0, 0, 0];
const b = [0, 1, 1, 0];

function expectClose(got: readonly number[], expected: readonly number[]): void {
  expect(got).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(got[i]).toBeCloseTo(value, 6);
  });
}

test("two rewards whose sum is constant cancel, although each has variance (11.15)", () => {
  const opposite = [
    [1, 1, 0, 0],
    [0, 0, 1, 1],
  ];
  expect(combineRewards(opposite, [1, 1], group, "sum-then-normalize")).toEqual([0, 0, 0, 0]);
});

test("sum-then-normalise and normalise-then-sum (11.15)", () => {
  expectClose(combineRewards([a, b], [1, 1], group, "sum-then-normalize"), [0.4999, 0.4999, 0.4999, -1.4997]);
  expectClose(combineRewards([a, b], [1, 1], group, "normalize-then-sum"), [0.633825, 0.365975, 0.365975, -1.365775]);
});

test("the advantages of one reward (11.1), with both spreads", () => {
  const sample = { std: "sample", epsilon: 1e-6 } as const;
  expectClose(
    combineRewards([a], [1], group, "sum-then-normalize", sample),
    [1.499997, -0.499999, -0.499999, -0.499999],
  );
  const population = { std: "population", epsilon: 0 } as const;
  expectClose(
    combineRewards([a], [1], group, "sum-then-normalize", population),
    [1.732051, -0.57735, -0.57735, -0.57735],
  );
  const eight = [1, 0.5, 0, 0.25, 1, 0, 0.75, 0.5];
  expectClose(
    combineRewards([eight], [1], Array(8).fill(3), "sum-then-normalize"),
    [1.246908, 0, -1.246908, -0.623454, 1.246908, -1.246908, 0.623454, 0],
  );
});

test("groups do not see each other, in any order of samples", () => {
  const groups = [7, 9, 7, 9];
  const result = combineRewards([[1, 100, 0, 100]], [1], groups, "sum-then-normalize");
  // Two values 1 and 0: mean 1/2, sample spread 0.707107.
  expectClose(result, [0.5 / (Math.SQRT1_2 + 1e-4), 0, -0.5 / (Math.SQRT1_2 + 1e-4), 0]);
});

test("weights count, and a reward that does not apply leaves the sum", () => {
  expect(
    weightedSum(
      [
        [1, null, 2],
        [10, 20, null],
      ],
      [1, 0.5],
    ),
  ).toEqual([6, 10, 2]);
});

test("a sample that no reward applies to is an error that names it", () => {
  expect(() =>
    weightedSum(
      [
        [1, null],
        [1, null],
      ],
      [1, 1],
    ),
  ).toThrow("none of them gave sample 1 a score");
});

test("null scores are left out of the group's mean and spread", () => {
  const normalized = normalizeInGroups([1, null, 0, null], group, { std: "population", epsilon: 0 });
  expect(normalized).toEqual([1, null, -1, null]);
  // Nothing to add for the samples without a score.
  expectClose(
    combineRewards(
      [
        [1, null, 0, null],
        [2, 2, 2, 2],
      ],
      [1, 1],
      group,
      "normalize-then-sum",
      { std: "population", epsilon: 0 },
    ),
    [1, 0, -1, 0],
  );
});

test("shapes that do not fit are refused", () => {
  expect(() => weightedSum([], [])).toThrow("there are none");
  expect(() => weightedSum([[1]], [1, 2])).toThrow("2 weights for 1 rewards");
  expect(() => weightedSum([[1], [1, 2]], [1, 1])).toThrow("they scored 1 and 2 samples");
  expect(() => combineRewards([[1]], [1], [0, 0], "sum-then-normalize")).toThrow("2 groups for 1 samples");
});
