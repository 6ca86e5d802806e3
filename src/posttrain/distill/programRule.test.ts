import { expect, test } from "vitest";
import { problemAt } from "../../eval/problems/families.js";
import { callTests } from "./programRule.js";

test("calls become their arguments as values", () => {
  expect(callTests("solve", ['solve("a, b)", [1, 2])', "solve()"], [3, null])).toEqual({
    kind: "calls",
    entryPoint: "solve",
    cases: [
      { args: ["a, b)", [1, 2]], expected: 3 },
      { args: [], expected: null },
    ],
  });
  expect(() => callTests("solve", ["other(1)"], [1])).toThrow("internal: the call other(1) is not one of solve");
});

test("the calls of every kind of generated program can be taken apart", () => {
  for (const family of ["code-python", "code-javascript"] as const) {
    for (let i = 0; i < 60; i++) {
      const { tests } = problemAt(family, "train", 1, i);
      if (!tests) throw new Error("no tests");
      const { entry, cases } = tests;
      const made = callTests(
        entry,
        cases.map(({ call }) => call),
        cases.map(({ expected }) => expected),
      );
      expect(
        made.kind === "calls" && made.cases.map(({ args }) => `${entry}(${args.map(written).join(", ")})`),
      ).toEqual(cases.map(({ call }) => call));
    }
  }
});

/** A value as the families write it. */
function written(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(written).join(", ")}]` : JSON.stringify(value);
}
