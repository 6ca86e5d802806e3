import { expect, test } from "vitest";
import { lastBox } from "./box.js";
import { extractAnswer, extractGsm8k, lastNumber } from "./extract.js";

/** Spec section 11.17. */
test.for([
  ["\\boxed{1} then \\boxed{2}", "2"],
  ["\\boxed{a{b}c}", "a{b}c"],
  ["\\boxed{12", null],
  ["\\boxed{1} and \\boxed{12", null],
  ["$\\boxed 5$", "5"],
  ["\\fbox{3}", "3"],
  ["\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"],
  ["\\boxed{\\left\\{x\\right.}", "\\left\\{x\\right."],
  ["\\boxed{\\frac{1}{2}} and more", "\\frac{1}{2}"],
  ["so \\boxed{ 5 }.", "5"],
  ["\\boxed", null],
  ["no box", null],
] as const)("the last box of %s is %s", ([text, box]) => {
  expect(lastBox(text)).toBe(box);
});

test.for([
  ["the box is first", "so $x=4$, \\boxed{3}. The final answer is 5.", "3", "box"],
  ["only what follows the thought counts", "<think>\\boxed{1}</think> it is \\boxed{2}", "2", "box"],
  ["a box in the thought is none", "<think>\\boxed{1}</think> I get 7", "7", "number"],
  [
    "Minerva's form",
    "Final Answer: The final answer is $\\frac{1}{2}$. I hope it is correct.",
    "$\\frac{1}{2}$",
    "statement",
  ],
  ["the last statement counts", "The answer is 3. No, the answer is 3.5.", "3.5", "statement"],
  ["a statement in Chinese", "所以答案是 42。", "42", "statement"],
  ["the answer after a colon", "**Answer:** 12", "12", "statement"],
  ["the last formula", "first $a$, then $$b +\nc$$ done", "b +\nc", "formula"],
  ["the last formula in brackets", "first $a$, then \\(b\\) done", "b", "formula"],
  ["a single dollar does not cross lines", "it costs $5\nand $6 more, 11", "11", "number"],
  ["the last number", "first 3, then 1,234.5 in all", "1,234.5", "number"],
  ["a fraction", "so it is 3/4 of it", "3/4", "number"],
] as const)("%s", ([, text, answer, place]) => {
  expect(extractAnswer(text)).toEqual({ text: answer, place });
});

test("only the places that are asked for are looked at", () => {
  expect(extractAnswer("the answer is 5", ["box"])).toBeNull();
  expect(extractAnswer("\\boxed{4}, the answer is 5", ["statement"])).toEqual({ text: "5", place: "statement" });
  expect(extractAnswer("nothing here")).toBeNull();
});

test("a number is none if a letter stands before it", () => {
  expect(lastNumber("QRS2T")).toBeNull();
  expect(lastNumber("room A12")).toBeNull();
  expect(lastNumber("x = -3")).toBe("-3");
  expect(lastNumber("1,234,")).toBe("1,234");
});

test("GSM8K's answer stands after the last #### of the last 300 characters", () => {
  expect(extractGsm8k("She has 3 + 4 = <<3+4=7>>7 apples.\n#### 7")).toBe("7");
  expect(extractGsm8k("#### 1\nmore\n#### -1,234.50")).toBe("-1234.50");
  expect(extractGsm8k(`#### 5${" ".repeat(300)}`)).toBeNull();
  expect(extractGsm8k("#### five")).toBeNull();
});

test("a long hostile text takes no long", () => {
  const texts = [
    "$".repeat(100_000),
    "\\boxed{".repeat(50_000),
    "answer is ".repeat(30_000),
    "1,".repeat(100_000),
    "\\(".repeat(50_000),
  ];
  for (const text of texts) expect(() => extractAnswer(text)).not.toThrow();
});
