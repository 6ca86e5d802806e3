import fc from "fast-check";
import { expect, test } from "vitest";
import { describeTree, matches, toTree } from "./values.js";

test("JSON values become trees: lists and dicts are tagged, big integers are hexadecimal", () => {
  expect(toTree({ a: [1, 2.5, null, "x"], b: 2n ** 64n, c: -(2n ** 64n), d: 5n })).toEqual([
    "d",
    ["a", ["l", 1, 2.5, null, "x"]],
    ["b", ["i", "0x10000000000000000"]],
    ["c", ["i", "-0x10000000000000000"]],
    ["d", 5],
  ]);
  expect(() => toTree([() => 1])).toThrow("an argument is a function, which cannot be sent to a program");
});

test.for([
  ["1 is 1.0", 1, 1.0, true],
  ["an integer is its bigint", ["i", "0x20000000000001"], 2n ** 53n + 1n, true],
  ["a bigint is not its neighbour", ["i", "0x20000000000001"], 2n ** 53n, false],
  ["a tuple is a list", ["t", 1, ["l", 2]], [1, [2]], true],
  ["a set is no list", ["s", 1], [1], false],
  ["a longer list is another one", ["l", 1, 2], [1], false],
  ["dicts do not depend on order", ["d", ["b", 2], ["a", 1]], { a: 1, b: 2 }, true],
  ["a dict with another key", ["d", ["a", 1], ["c", 2]], { a: 1, b: 2 }, false],
  ["a dict that names a key twice", ["d", ["a", 1], ["a", 1]], { a: 1, b: 1 }, false],
  ["keys that are numbers count as their text", ["d", [1, "x"]], { 1: "x" }, true],
  ["True is 1 in Python", true, 1, true],
  ["1 is true in Python", 1, true, true],
  ["2 is not true", 2, true, false],
  ["null is null alone", 0, null, false],
  ["a text is no number", "1", 1, false],
  ["nan is what was expected where it was", ["f", "nan"], Number.NaN, true],
  ["an object of the program's is nothing", ["h", 0, "o", true, "Yes"], { length: 5 }, false],
  ["garbage is nothing", ["d", 5, null, ["d"]], {}, false],
  ["a number written wrongly is nothing", ["i", "12"], 12, false],
] as const)("%s", ([, tree, expected, equal]) => {
  expect(matches(tree, expected, "python", 0)).toBe(equal);
});

test("true is not 1 in JavaScript", () => {
  expect(matches(true, 1, "javascript", 0)).toBe(false);
  expect(matches(1, true, "javascript", 0)).toBe(false);
});

test("the tolerance is relative to the larger of 1 and the expected value", () => {
  expect(matches(0.3333, 1 / 3, "python", 0)).toBe(false);
  expect(matches(0.3333, 1 / 3, "python", 1e-4)).toBe(true);
  expect(matches(1000.05, 1000, "python", 1e-4)).toBe(true);
  expect(matches(1000.5, 1000, "python", 1e-4)).toBe(false);
});

test("every JSON value matches its own tree, and no tree of another value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(matches(toTree(value), value, "javascript", 0)).toBe(true);
    }),
  );
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      // Oracle: the text of JSON, keys sorted; -0 is 0 there, as it is for ===.
      expect(matches(toTree(a), b, "javascript", 0)).toBe(sorted(a) === sorted(b));
    }),
    {
      examples: [
        [{}, []],
        [[{}], [[]]],
      ],
    },
  );
});

/** An object is told from a list of its entries. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item !== "object" || item === null) return item;
    if (Array.isArray(item)) return ["list", ...item];
    return ["object", ...Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))];
  });
}

test("descriptions are short", () => {
  expect(describeTree(["l", ["t", 1, "a"], ["d", ["k", ["i", "0x10"]]], ["h", 3, "o", true, "Yes"]])).toBe(
    '[[1,"a"],{"k":16},"<Yes object>"]',
  );
  expect(describeTree("x".repeat(1000))).toHaveLength(203);
});
