import { expect, test } from "vitest";
import { endingOf, formatProblem } from "./format.js";

test.each([
  ["2+2=4\n\\boxed{4}", null],
  ["<think>\nhm\n</think>\n\\boxed{4}", null],
  [" <think>hm \\boxed{3}?</think>\\boxed{\\frac{1}{2}}", null],
  ["It is 4.", "no box"],
  ["<think>\\boxed{4}</think>\nIt is 4.", "no box"],
  ["\\boxed{4", "no box"],
  ["\\boxed{3}, no, \\boxed{4}", "several boxes"],
  ["\\boxed{4} \\boxed{", "several boxes"],
  ["<think>hm\n\\boxed{4}", "a thought that is not closed"],
  ["hm</think>\n\\boxed{4}", "a thought that is not closed"],
  ["</think>hm<think>\n\\boxed{4}", "a thought amid the answer"],
  ["<think>a</think><think>b</think>\\boxed{4}", "several thoughts"],
  ["<think>a</think></think>\\boxed{4}", "several thoughts"],
  ["So <think>hm</think>\\boxed{4}", "a thought amid the answer"],
  ["<think>hm</think>\n ", "no answer"],
  ["", "no answer"],
])("with a box: %j is %j", (completion, problem) => {
  expect(formatProblem(completion, "box")).toBe(problem);
});

test("a program stands in a closed fence behind the thought; a free answer needs neither", () => {
  expect(formatProblem("Like this:\n```python\npass\n```", "program")).toBeNull();
  expect(formatProblem("<think>\n```\npass\n```\n</think>\nno", "program")).toBe("no program");
  expect(formatProblem("```python\npass", "program")).toBe("no program");
  expect(formatProblem("Hello", "free")).toBeNull();
  expect(formatProblem("<think>Hello", "free")).toBe("a thought that is not closed");
});

test("how an answer has to end follows from how it is checked", () => {
  const base = { id: "1", domain: "math", prompt: "?", source: "f", license: "MIT" } as const;
  expect(endingOf({ ...base, answer: "4", checker: "math" })).toBe("box");
  expect(endingOf({ ...base, tests: [], checker: "tests" })).toBe("program");
  expect(endingOf({ ...base, answer: "4" })).toBe("free");
});
