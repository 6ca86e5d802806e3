import fc from "fast-check";
import { expect, test } from "vitest";
import { splitByPrompt } from "./splitRecords.js";

test("records of one prompt are never on both sides, and none is lost", () => {
  const cases = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 50 })), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(cases, fc.nat(), (pairs, seed) => {
      fc.pre(new Set(pairs.map(([key]) => key)).size > 1);
      const items = pairs.map(([key, size], n) => ({ key: String(key), size, n }));
      const { training, validation } = splitByPrompt(
        items,
        ({ key }) => key,
        ({ size }) => size,
        { fraction: 0.3, seed },
      );
      const held = new Set(validation.map(({ key }) => key));
      expect(training.some(({ key }) => held.has(key))).toBe(false);
      expect([...training, ...validation].sort((a, b) => a.n - b.n)).toEqual(items);
      expect(validation.length).toBeGreaterThan(0);
      expect(training.length).toBeGreaterThan(0);
    }),
  );
});

test("nothing is held out at 0, and what cannot be split is refused", () => {
  const items = ["a", "a"];
  const split = (fraction: number): unknown =>
    splitByPrompt(
      items,
      (key) => key,
      () => 1,
      { fraction, seed: 1 },
    );
  expect(split(0)).toEqual({ training: items, validation: [] });
  expect(() => split(0.1)).toThrow("validation share 0.1: all 2 records have the same prompt; expected two or more");
});
