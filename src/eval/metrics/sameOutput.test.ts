import { expect, test } from "vitest";
import { sameOutput } from "./sameOutput.js";

test("white space at ends does not count, inside and at the beginning it does", () => {
  expect(sameOutput("1 2 \n3\n\n", "1 2\n3")).toBe(true);
  expect(sameOutput("a  b", "a b")).toBe(false);
  expect(sameOutput(" a", "a")).toBe(false);
  expect(sameOutput("a\n\nb", "a\nb")).toBe(false);
});

test("numbers may differ by rounding, whole numbers may not", () => {
  expect(sameOutput("0.3333333", "0.33333333")).toBe(true);
  expect(sameOutput("0.3333", "0.33333333")).toBe(false);
  expect(sameOutput("2.0 +5", "2 5")).toBe(true);
  expect(sameOutput("10000000000000001", "10000000000000000")).toBe(false);
  expect(sameOutput("1e3", "1000")).toBe(true);
  expect(sameOutput("x 1.0", "x 1")).toBe(false);
});
