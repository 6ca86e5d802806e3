import { expect, test } from "vitest";
import { costRow, fastest, rateRow } from "./row.js";

const facts = { bench: "decode", case: "a case", threads: 2 } as const;

test("a rate is work over the median time, and its ratio the share of the floor", () => {
  // 32 tokens in 0.5 s is 64 a second; the floor, 0.4 s, would be 80: 0.8 of it is reached.
  const row = rateRow(facts, "tokens/s", 32, [0.9, 0.5, 0.4], 0.4);
  expect(row).toMatchObject({ figure: 64, unit: "tokens/s", floor: 80, ratio: 0.8 });
  expect(row.samples).toEqual([32 / 0.9, 64, 80]);
  expect(row).not.toHaveProperty("peerName");
});

test("a rate's unit scales figure, floor and peer alike", () => {
  const row = rateRow(facts, "GFLOP/s", 4e9, [0.1], 0.05, { name: "other", samples: [0.08] });
  expect(row.figure).toBeCloseTo(40, 10);
  expect(row.floor).toBeCloseTo(80, 10);
  expect(row.peer).toBeCloseTo(50, 10);
  expect(row.peerRatio).toBeCloseTo(0.8, 10);
});

test("a cost's ratios are the better the larger, as those of a rate", () => {
  const row = costRow(facts, "s", [4, 2, 3], 1.5, { name: "other", samples: [6] });
  expect(row).toMatchObject({ figure: 3, floor: 1.5, ratio: 0.5, peer: 6, peerRatio: 2, peerName: "other" });
});

test("a peer that is missing leaves what it needs and no figure", () => {
  const row = rateRow(facts, "tokens/s", 1, [1], 1, { missing: "npm install other" });
  expect(row).toMatchObject({ peerName: "npm install other" });
  expect(row).not.toHaveProperty("peer");
  expect(row).not.toHaveProperty("peerRatio");
});

test("fastest takes the shortest median, and a missing peer only where none ran", () => {
  const slow = { name: "slow", samples: [3, 3, 1] };
  const quick = { name: "quick", samples: [2, 9, 2] };
  const missing = { missing: "install it" };
  expect(fastest([missing, slow, null, quick])).toBe(quick);
  expect(fastest([null, missing])).toBe(missing);
  expect(fastest([])).toBeNull();
});
