import { expect, test } from "vitest";
import { samePrint } from "./printed.js";

test.for([
  ["the same text", "a\nb\n", "a\nb\n", true],
  ["no line end at the end", "a\nb", "a\nb\n", true],
  ["white space at the ends of lines", "a \nb\t\r\n\n\n", "a\nb", true],
  ["white space before a line", " a", "a", false],
  ["an empty line between", "a\n\nb", "a\nb", false],
  ["another letter", "A", "a", false],
  ["numbers in another form", "0.50 1e3\n2", "0.5 1000\n2.0", true],
  ["numbers within one part in a million", "3.1415926", "3.1415927", true],
  ["numbers apart", "3.1415", "3.1416", false],
  ["large numbers within one part in a million", "1000000.5", "1000001", true],
  ["integers of any size are equal or not", "100000000000000000001", "100000000000000000002", false],
  ["numbers among words are compared as words", "x 0.50", "x 0.5", false],
  ["a line of words and one of numbers in another form", "YES\n0.50", "YES\n0.5", true],
  ["a sign before a number", "2.0 +5", "2 5", true],
  ["words that are equal beside numbers that are not", "YES\n0.51", "YES\n0.5", false],
  ["more numbers than expected", "1 2 3", "1 2", false],
  ["no output", "", "\n", true],
  ["no output where a number is expected", "", "0", false],
  ["nan is no number", "nan", "NaN", false],
] as const)("%s", ([, got, expected, equal]) => {
  expect(samePrint(got, expected)).toBe(equal);
});
