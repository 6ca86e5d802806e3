import { expect, test } from "vitest";
import { callTests } from "./callTests.js";
import { problemAt } from "./families.js";

test("calls become their arguments as values", () => {
  const cases = [
    { call: 'solve("a, b)", [1, 2])', expected: 3 },
    { call: "solve()", expected: null },
  ];
  expect(callTests({ language: "python", entry: "solve", cases })).toEqual({
    kind: "calls",
    entryPoint: "solve",
    cases: [
      { args: ["a, b)", [1, 2]], expected: 3 },
      { args: [], expected: null },
    ],
  });
  const other = { language: "python", entry: "solve", cases: [{ call: "other(1)", expected: 1 }] } as const;
  expect(() => callTests(other)).toThrow("internal: the call other(1) is not one of solve");
});

test("the calls of every kind of generated program can be taken apart", () => {
  for (const family of ["code-python", "code-javascript"] as const) {
    for (let i = 0; i < 60; i++) {
      const { tests } = problemAt(family, "train", 1, i);
      if (!tests) throw new Error("no tests");
      const { entry, cases } = tests;
      const made = callTests(tests);
      expect(made.cases.map(({ args }) => `${entry}(${args.map(written).join(", ")})`)).toEqual(
        cases.map(({ call }) => call),
      );
    }
  }
});

/** A value as the families write it. */
function written(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(written).join(", ")}]` : JSON.stringify(value);
}
