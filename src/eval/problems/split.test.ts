import { expect, test } from "vitest";
import { rankAt } from "./split.js";

const space = { key: 12345, size: 70, held: 9 };
const train = (seed: number, from: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => rankAt(space, "train", seed, from + i));
const heldOut = (seed: number): number[] =>
  Array.from({ length: space.held }, (_, i) => rankAt(space, "heldout", seed, i));
const sorted = (ranks: readonly number[]): number[] => [...ranks].sort((a, b) => a - b);

test("the two splits together are every rank once", () => {
  const all = Array.from({ length: 70 }, (_, rank) => rank);
  expect(sorted([...train(1, 0, 61), ...heldOut(1)])).toEqual(all);
});

test("a seed changes the order of both splits and neither set", () => {
  expect(sorted(heldOut(2))).toEqual(sorted(heldOut(1)));
  expect(heldOut(2)).not.toEqual(heldOut(1));
  expect(sorted(train(2, 0, 61))).toEqual(sorted(train(1, 0, 61)));
  expect(train(2, 0, 61)).not.toEqual(train(1, 0, 61));
});

test("when all have been drawn, training goes through them in another order", () => {
  expect(sorted(train(1, 61, 61))).toEqual(sorted(train(1, 0, 61)));
  expect(train(1, 61, 61)).not.toEqual(train(1, 0, 61));
});

test("another key holds others out", () => {
  const others = Array.from({ length: 9 }, (_, i) => rankAt({ ...space, key: 54321 }, "heldout", 1, i));
  expect(sorted(others)).not.toEqual(sorted(heldOut(1)));
});

test("a draw far out is as near as any: a walk through those before it would never end", () => {
  const large = { key: 1, size: 2 ** 51, held: 500 };
  const ranks = Array.from({ length: 1000 }, (_, i) => rankAt(large, "train", 1, Number.MAX_SAFE_INTEGER - i));
  expect(ranks.filter((rank) => !(Number.isSafeInteger(rank) && rank >= 0 && rank < large.size))).toEqual([]);
  expect(new Set(ranks).size).toBe(1000);
});

test("indices out of range are refused with what there is", () => {
  expect(() => rankAt(space, "heldout", 1, 9)).toThrow("held-out problem 9: there are 9, from 0 to 8");
  expect(() => rankAt(space, "train", 1, -1)).toThrow("got -1");
  expect(() => rankAt(space, "train", 1, 0.5)).toThrow("got 0.5");
});
