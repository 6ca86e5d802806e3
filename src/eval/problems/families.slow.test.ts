import { expect, test } from "vitest";
import { problemAt } from "./families.js";
import { familyNames } from "./problem.js";

test.each(familyNames)("%s: of 20,000 problems drawn to train on, no two seeds meet a held-out one", (family) => {
  const text = (split: "train" | "heldout", seed: number, index: number): string => {
    const { prompt } = problemAt(family, split, seed, index, undefined, "plain");
    const isEitherOrder = (family === "multiplication" || / \+ /.test(prompt)) && !family.startsWith("code-");
    return isEitherOrder
      ? (prompt.match(/\d+/g) ?? [])
          .map(Number)
          .sort((a, b) => a - b)
          .join(" ")
      : prompt;
  };
  const held = new Set(Array.from({ length: 1000 }, (_, i) => text("heldout", 1, i)));
  expect(held.size).toBe(1000);
  const drawn = new Set<string>();
  for (const seed of [1, 2]) {
    for (let i = 0; i < 20_000; i++) {
      const question = text("train", seed, i);
      if (held.has(question)) throw new Error(`${question} is held out and was drawn as ${i} of seed ${seed}`);
      drawn.add(question);
    }
  }
  // Counted, not computed: there are more than 5,000 problems.
  expect(drawn.size).toBeGreaterThan(15_000);
});
