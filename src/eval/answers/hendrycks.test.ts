import { expect, test } from "vitest";
import { normalizeHendrycks } from "./hendrycks.js";

/** Spec section 11.17. */
test.for([
  ["\\dfrac12", "\\frac{1}{2}"],
  ["0.5", "\\frac{1}{2}"],
  [".5", "\\frac{1}{2}"],
  ["1/2", "\\frac{1}{2}"],
  ["\\tfrac{3}{4}", "\\frac{3}{4}"],
  ["2/4", "\\frac{2}{4}"],
  ["\\sqrt3", "\\sqrt{3}"],
  ["3\\text{ cm}", "3"],
  ["\\left(1,2\\right)", "(1,2)"],
  ["(1, 2)", "(1,2)"],
  ["1,000", "1,000"],
  ["x=5", "5"],
  ["\\$10", "10"],
  ["50\\%", "50"],
  ["90^\\circ", "90"],
  ["90^{\\circ}", "90"],
  ["\\text{even}", "\\text{even}"],
  ["10\\!000", "10000"],
  ["0.50", "0.50"],
  // What the steps say beyond the table.
  ["k = \\frac17", "\\frac{1}{7}"],
  ["abc=5", "abc=5"],
  ["\\frac1{72}", "\\frac{1}{72}"],
  ["a/b", "a/b"],
  ["\\frac", "\\frac"],
  ["x = .5", "\\frac{1}{2}"],
  ["\\{.5\\}", "\\{0.5\\}"],
  ["a\nb", "ab"],
] as const)("%s becomes %s", ([text, normalized]) => {
  expect(normalizeHendrycks(text)).toBe(normalized);
});

test("the verdicts of the string level", () => {
  const equal = (a: string, b: string): boolean => normalizeHendrycks(a) === normalizeHendrycks(b);
  expect(equal("0.5", "\\frac12")).toBe(true);
  expect(equal("x=5", "5")).toBe(true);
  expect(equal("50\\%", "50")).toBe(true);
  expect(equal("1,000", "1000")).toBe(false);
  expect(equal("0.50", "\\frac{1}{2}")).toBe(false);
  expect(equal("2/4", "1/2")).toBe(false);
});
