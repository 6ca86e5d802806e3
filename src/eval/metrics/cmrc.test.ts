import { expect, test } from "vitest";
import { cmrcScore } from "./cmrc.js";

test("CMRC F1 counts the longest contiguous run, as worked out in the specification, 13.7", () => {
  const { exactMatch, f1 } = cmrcScore("霍夫堡皇宫", ["奥地利霍夫堡"]);
  expect(exactMatch).toBe(0);
  expect(f1).toBeCloseTo(0.545455, 6);
});

test("CMRC F1 does not join runs with a gap between them", () => {
  // Units A甲乙B丙 against A乙B: the subsequence A乙B has 3, the longest run is 乙B with 2: P 2/5, R 2/3.
  expect(cmrcScore("A甲乙B丙", ["A乙B"]).f1).toBeCloseTo(0.5, 12);
});

test("CMRC exact match ignores case, punctuation and spaces, and the best answer counts", () => {
  expect(cmrcScore("《Java 语言》。", ["x", "java语言"])).toEqual({ exactMatch: 1, f1: 1 });
  expect(cmrcScore("1990年", ["1991年"]).f1).toBeCloseTo(0.5, 12); // 1990 is one unit
  expect(cmrcScore("", ["甲"])).toEqual({ exactMatch: 0, f1: 0 });
});
