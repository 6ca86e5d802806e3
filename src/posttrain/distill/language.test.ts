import { expect, test } from "vitest";
import { languageShare, scriptOf } from "./language.js";

test("the script of a text is that of most of its words", () => {
  expect(scriptOf("How many apples are left?")).toBe("Latin");
  expect(scriptOf("还剩多少个苹果 apples?")).toBe("Han");
  expect(scriptOf("Сколько яблок осталось?")).toBe("Cyrillic");
  expect(scriptOf("12 + 7 = ?")).toBeNull();
});

test("the share of words in a script, by hand", () => {
  // Four Latin words and two characters.
  expect(languageShare("First we add them 因此", "Latin")).toBeCloseTo(4 / 6, 12);
  expect(languageShare("First we add them 因此", "Han")).toBeCloseTo(2 / 6, 12);
  expect(languageShare("First we add them", "Latin")).toBe(1);
  expect(languageShare("12 + 7 = 19", "Latin")).toBe(1);
  expect(languageShare("因此", null)).toBe(1);
});

test("formulas, code, commands, tags and single letters are no words", () => {
  const text =
    "<think>所以 x = 5，$\\text{area} = ab$，\\frac{a}{b} `print(total)`\n```python\nreturn total\n```</think>";
  expect(languageShare(text, "Han")).toBe(1);
  // Without the mark of a formula its words count: 所 以 and area.
  expect(languageShare("所以 area", "Han")).toBeCloseTo(2 / 3, 12);
});

test("kana and Han are one writing", () => {
  expect(languageShare("りんごは三つです", "Hiragana")).toBe(1);
  expect(languageShare("りんごは三つです", "Latin")).toBe(0);
});
