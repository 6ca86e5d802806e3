import { expect, test } from "vitest";
import { maxViolation, updateBias } from "./expertBias.js";

const counts = [10, 2, 6, 6, 0, 12];

test("the plain update moves each bias by gamma against its load and leaves balanced experts alone", () => {
  const bias = new Float32Array(6);
  updateBias(bias, counts, 0.001, "plain");
  expect([...bias].map((value) => Math.round(value * 1e6) / 1e3)).toEqual([-1, 1, 0, 0, 1, -1]);
});

test("the centred update differs from the plain one by the mean of the signs", () => {
  const bias = new Float32Array(4);
  updateBias(bias, [9, 1, 1, 1], 1, "centred");
  expect([...bias]).toEqual([-1.5, 0.5, 0.5, 0.5]);
});

test("maxViolation is the excess of the fullest expert over the mean", () => {
  expect(maxViolation(counts)).toBe(1);
  expect(maxViolation([3, 3, 3])).toBe(0);
});
