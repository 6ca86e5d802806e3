import { expect, test } from "vitest";
import { check, problemAt } from "./families.js";

function draws(family: "multiplication" | "division"): ReturnType<typeof problemAt>[] {
  return (["train", "heldout"] as const).flatMap((split) =>
    Array.from({ length: 1000 }, (_, i) => problemAt(family, split, 3, i)),
  );
}

test("a product is that of the two numbers in the question", () => {
  for (const { prompt, answer } of draws("multiplication")) {
    const form =
      /^(What is \d+ (\*|times) \d+\?|Compute \d+ \* \d+\.|\d+ \* \d+ =|Multiply \d+ by \d+\.|Find the product of \d+ and \d+\.)$/;
    expect(prompt).toMatch(form);
    const [a = 0n, b = 0n, ...others] = (prompt.match(/\d+/g) ?? []).map(BigInt);
    expect(others).toEqual([]);
    expect(answer, prompt).toBe(String(a * b));
  }
});

test("quotient and remainder are those of the two numbers in the question", () => {
  for (const { prompt, answer } of draws("division")) {
    const question = prompt.replace(/ Give quotient and remainder, as in 3 remainder 1\.$/, "");
    expect(question).not.toBe(prompt);
    const turned = /^How often does (\d+) go into (\d+), and what is left\?$/.exec(question);
    const plain = /^(?:What is|Divide|Compute) (\d+) (?:\/|by|divided by) (\d+)[?.]$/.exec(question);
    const [a, b] = turned ? [turned[2], turned[1]] : [plain?.[1], plain?.[2]];
    const [dividend, divisor] = [BigInt(a ?? "x"), BigInt(b ?? "x")];
    expect(answer, prompt).toBe(`${dividend / divisor} remainder ${dividend % divisor}`);
  }
});

test("a quotient may be written with r, and both of its numbers must be right", () => {
  const problem = { ...problemAt("division", "train", 1, 0), answer: "12 remainder 3" };
  expect(check(problem, "\\boxed{12 remainder 3}")).toBe(true);
  expect(check(problem, "\\boxed{12r3}")).toBe(true);
  expect(check(problem, "\\boxed{12 R 3}")).toBe(true);
  expect(check(problem, "\\boxed{12}")).toBe(false);
  expect(check(problem, "\\boxed{12 remainder 4}")).toBe(false);
  expect(check(problem, "\\boxed{remainder 3}")).toBe(false);
});
