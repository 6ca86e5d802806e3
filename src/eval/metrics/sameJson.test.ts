import { expect, test } from "vitest";
import { sameJson } from "./sameJson.js";

test("layout, order of keys and ways to write a number do not matter", () => {
  expect(sameJson('[1, {"a": "x y", "b": null}]', '[1,{"b":null,"a":"x y"}]')).toBe(true);
  expect(sameJson("[2.0, 1e2, -0.0]", "[2, 100, 0]")).toBe(true);
  expect(sameJson('"\\u00fc"', '"ü"')).toBe(true);
});

test("values differ, also in white space of strings and in whole numbers beyond 2^53", () => {
  expect(sameJson("[1, 2]", "[2, 1]")).toBe(false);
  expect(sameJson('"a b"', '"ab"')).toBe(false);
  expect(sameJson("9007199254740993", "9007199254740992")).toBe(false);
  expect(sameJson("[9007199254740993]", "[ 9007199254740993 ]")).toBe(true);
  expect(sameJson("true", "1")).toBe(false);
});

test("a value that is no JSON equals nothing, an expected one is refused", () => {
  expect(sameJson("NaN", "1")).toBe(false);
  expect(() => sameJson("1", "x")).toThrow("expected value is no JSON: x");
});
