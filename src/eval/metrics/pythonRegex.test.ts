import { expect, test } from "vitest";
import { escapeRegex, pythonRegex } from "./pythonRegex.js";

/** Pattern, text, and all matches that CPython 3.11's `re.finditer` gives. */
const asPython: readonly (readonly [string, string, readonly string[]])[] = [
  ["#### (\\-?[0-9\\.\\,]+)", "so\n#### 1,234.", ["#### 1,234."]],
  ["(?s).*#### ", "a\n#### 7 b #### 8", ["a\n#### 7 b #### "]],
  ["\\w+", "naïve 東京 दिन x_1 ٣", ["naïve", "東京", "द", "न", "x_1", "٣"]],
  ["\\bcat\\b", "Cat cat's concat ñcat cat", ["cat", "cat"]],
  ["(?i)\\bcat\\b", "Cat cat's concat ñcat cat", ["Cat", "cat", "cat"]],
  ["(?P<a>x)(?P=a)", "xxyxx", ["xx", "xx"]],
  ["a{,2}b", "b ab aab aaab", ["b", "ab", "aab", "aab"]],
  ["a{x}", "a{x} aa", ["a{x}"]],
  ["end.$", "the end.\n", ["end."]],
  ["(?m)^.$", "a\nb\r\nc", ["a", "c"]],
  ["^.", "\nq", []],
  ["[\\w-]+", "a-b c", ["a-b", "c"]],
  ["[\\]\\[]+", "x[]]y", ["[]]"]],
  ["[]a]+", "x]a]y", ["]a]"]],
  ["[^]a]+", "x]a]y", ["x", "y"]],
  ["\\d+", "１２ 34 ५", ["１２", "34", "५"]],
  ["\\Aab|cd\\Z", "ab cd", ["ab", "cd"]],
  ["a\\-b\\_c\\ d", "a-b_c d", ["a-b_c d"]],
  ["x.y", "x\ny x\ry x\u2028y", ["x\ry", "x\u2028y"]],
  ["\\Bs\\b", "cats s", ["s"]],
  ["(?<=is )\\(?([A-D])\\)?", "answer is (B)", ["(B)"]],
  ["\\$\\{", "a ${ b", ["${"]],
];

test("a Python pattern matches what CPython matches", () => {
  const ours = asPython.map(([pattern, text]) => [
    pattern,
    text,
    [...text.matchAll(pythonRegex(pattern, "g"))].map(([found]) => found),
  ]);
  expect(ours).toEqual(asPython);
});

test("a pattern without an equal in JavaScript is refused by name", () => {
  expect(() => pythonRegex("(?x) a b")).toThrow('regular expression "(?x) a b": the flag (?x) has no equal');
  expect(() => pythonRegex("a(?#note)b")).toThrow('"(?#n" has no equal');
  expect(() => pythonRegex("a++")).toThrow('the possessive "++"');
  expect(() => pythonRegex("a{2}+")).toThrow('the possessive "{2}+"');
  expect(() => pythonRegex("[\\Wx]")).toThrow("\\W inside a class");
  expect(() => pythonRegex("(a")).toThrow("has no equal in JavaScript");
});

test("an escaped text matches itself", () => {
  const text = "a.b*(c)[d]{e}^$|\\/-+?";
  expect(pythonRegex(escapeRegex(text)).exec(`xx${text}`)?.[0]).toBe(text);
});
