import { expect, test } from "vitest";
import {
  afterThought,
  areIntegers,
  isInteger,
  isText,
  lastBox,
  lastFence,
  parseDecimal,
  parseInteger,
  parseIntegers,
} from "./answers.js";

test.each([
  ["\\boxed{1} then \\boxed{2}", "2"],
  ["\\boxed{a{b}c}", "a{b}c"],
  ["so \\boxed{ 5 }.", "5"],
  ["\\boxed{\\text{Monday}}", "Monday"],
  ['\\boxed{"olleh"}', "olleh"],
  ["\\boxed{\\boxed{7}}", "7"],
  ["\\boxed{}", ""],
  ["\\boxed{5", null],
  ["\\boxed{1} but \\boxed{2", null],
  ["the answer is 5", null],
  ["\\boxed 5", "5"],
  ["<think>\\boxed{1}</think>\\boxed{2}", "2"],
  ["<think>\\boxed{1}</think>no box", null],
  ["<think>it is \\boxed{1}", null],
  ["<think>a</think>\\boxed{1}<think>\\boxed{2}", null],
  ["a prompt that opened the thought \\boxed{1}\n</think>\n\\boxed{2}", "2"],
])("the last box of %j is %j", (response, wanted) => {
  expect(lastBox(response)).toBe(wanted);
});

test("what follows the last thought is the answer, and an open thought has none", () => {
  expect(afterThought("<think>a</think>b")).toBe("b");
  expect(afterThought("b")).toBe("b");
  expect(afterThought("<think>b")).toBeNull();
});

test("the last fenced block is the program, whatever language it names", () => {
  expect(lastFence("```python\na = 1\n\nb = 2\n```\nand\n```\nc\n```\n")).toBe("c");
  expect(lastFence("text\n```js\na\n\n  b\n```")).toBe("a\n\n  b");
  expect(lastFence("no program")).toBeNull();
  expect(lastFence("```python\nopen")).toBeNull();
  expect(lastFence("```\nfirst\n```\n```python\nopen")).toBeNull();
  expect(lastFence("<think>\n```\na\n```\n</think>\nnothing")).toBeNull();
});

test.each([
  ["42", 42n],
  ["-7", -7n],
  ["\u22127", -7n],
  ["+7", 7n],
  ["007", 7n],
  ["-0", 0n],
  ["1,234,567", 1234567n],
  ["12345678901234567890123", 12345678901234567890123n],
  ["1,23", null],
  ["1.0", null],
  ["", null],
  ["4 2", null],
  ["0x10", null],
  ["1e3", null],
  ["9".repeat(41), null],
])("%j as a whole number is %s", (text, wanted) => {
  expect(parseInteger(text)).toBe(wanted);
});

test.each([
  ["4.350", "4.35"],
  ["4.000", "4"],
  ["4", "4"],
  ["04.5", "4.5"],
  ["-0.5", "-0.5"],
  ["-0.0", "0"],
  ["1,250.5", "1250.5"],
  ["4.", null],
  [".5", null],
  ["1.2.3", null],
  ["4.5 km", null],
])("%j as a decimal number is %j", (text, wanted) => {
  expect(parseDecimal(text)).toBe(wanted);
});

test.each([
  ["[3, 7, 12]", [3n, 7n, 12n]],
  ["3,7 , 12", [3n, 7n, 12n]],
  ["[]", []],
  ["[-4]", [-4n]],
  ["", null],
  ["[3, 7", null],
  ["[3, seven]", null],
  ["[3,, 7]", null],
])("%j as a list is %s", (text, wanted) => {
  expect(parseIntegers(text)).toEqual(wanted);
});

test("answers are compared exactly: numbers as numbers, lists in order, texts with their case", () => {
  expect(isInteger("\\boxed{1,000}", "1000")).toBe(true);
  expect(isInteger("\\boxed{1000.0}", "1000")).toBe(false);
  expect(isInteger("\\boxed{9007199254740993}", "9007199254740992")).toBe(false);
  expect(areIntegers("\\boxed{3, 7}", "[3, 7]")).toBe(true);
  expect(areIntegers("\\boxed{[7, 3]}", "[3, 7]")).toBe(false);
  expect(areIntegers("\\boxed{[3]}", "[3, 7]")).toBe(false);
  expect(areIntegers("\\boxed{[]}", "[]")).toBe(true);
  expect(areIntegers("no box", "[]")).toBe(false);
  expect(isText("\\boxed{moon  lake}", "moon lake")).toBe(true);
  expect(isText("\\boxed{Moon lake}", "moon lake")).toBe(false);
});
