import { expect, test } from "vitest";
import { lastBoxed } from "./boxed.js";

test("the last box is found with its braces, as in the specification, 11.17", () => {
  expect(lastBoxed("\\boxed{1} then \\boxed{2}")).toBe("2");
  expect(lastBoxed("\\boxed{a{b}c}")).toBe("a{b}c");
  expect(lastBoxed("so \\boxed{1} and \\boxed{2")).toBeNull();
  expect(lastBoxed("$\\boxed 5$")).toBe("5");
  expect(lastBoxed("\\fbox{3}")).toBe("3");
});

test("escaped braces are no braces, and a text without a box has none", () => {
  expect(lastBoxed("\\boxed{\\{1, 2\\}} .")).toBe("\\{1, 2\\}");
  expect(lastBoxed("\\boxed{\\left\\{x\\right.}")).toBe("\\left\\{x\\right.");
  expect(lastBoxed("\\boxed{\\frac{1}{2}} and more")).toBe("\\frac{1}{2}");
  expect(lastBoxed("5")).toBeNull();
  expect(lastBoxed("\\boxed")).toBeNull();
});
