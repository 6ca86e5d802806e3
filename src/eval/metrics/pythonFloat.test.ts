import { expect, test } from "vitest";
import { formatPythonFloat, parsePythonFloat } from "./pythonFloat.js";

/** What CPython 3.11 prints for `str(float(text))`; null where `float` raises. */
const asPython: readonly (readonly [string, string | null])[] = [
  ["3", "3.0"],
  ["3.0", "3.0"],
  ["", null],
  ["  7 ", "7.0"],
  ["1_000", "1000.0"],
  ["1__0", null],
  ["_1", null],
  ["1_", null],
  ["inf", "inf"],
  ["-Infinity", "-inf"],
  ["nan", "nan"],
  ["0x10", null],
  ["1e5", "100000.0"],
  ["1e16", "1e+16"],
  ["123456789012345678", "1.2345678901234568e+17"],
  ["1e-5", "1e-05"],
  ["0.0001", "0.0001"],
  ["1.5e300", "1.5e+300"],
  ["-0", "-0.0"],
  ["٣", "3.0"],
  ["１２", "12.0"],
  ["1,000", null],
  [".5", "0.5"],
  ["5.", "5.0"],
  [".", null],
  ["+3", "3.0"],
  ["1e", null],
  ["1e5_0", "1e+50"],
  ["\u00a05\u2003", "5.0"],
  ["\x1c5", null],
  ["\ufeff5", null],
  ["𝟝", "5.0"],
  ["1e400", "inf"],
  ["-1e-400", "-0.0"],
  ["100000000000000000000000", "1e+23"],
  ["12345678.9", "12345678.9"],
  ["9007199254740993", "9007199254740992.0"],
  ["1e21", "1e+21"],
  ["5e-324", "5e-324"],
  ["２_３", "23.0"],
  ["-12.50", "-12.5"],
];

test("numbers are read and printed as CPython does", () => {
  const ours = asPython.map(([text]) => {
    const value = parsePythonFloat(text);
    return [text, value === null ? null : formatPythonFloat(value)];
  });
  expect(ours).toEqual(asPython);
});
