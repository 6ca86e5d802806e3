import { expect, test } from "vitest";
import { addColumns, divideColumns, multiplyColumns, slipInDifference, slipInSum, subtractColumns } from "./columns.js";

/** Whether both sides of `left=right` are equal, by JavaScript's own arithmetic. */
function isTrue(line: string): boolean {
  const [left = "", right = ""] = line.split("=");
  const value = (text: string): number => new Function(`return ${text.replace(/\b0+(?=\d)/g, "")}`)();
  return value(left) === value(right);
}

test("347 + 185, by hand", () => {
  expect(addColumns([347, 185])).toEqual({ lines: ["07+5=12", "04+8+1=13", "03+1+1=05"], result: 532 });
});

test("95 + 7 has a column without digits for the shorter number, and a last carry", () => {
  expect(addColumns([95, 7])).toEqual({ lines: ["05+7=12", "09+0+1=10"], result: 102 });
});

test("47 * 6 and 8365 / 7, by hand", () => {
  expect(multiplyColumns(47, 6)).toEqual({ lines: ["7*6=42", "4*6+4=28"], result: 282 });
  expect(divideColumns(8365, 7)).toEqual({
    lines: ["8=7*1+1", "13=7*1+6", "66=7*9+3", "35=7*5+0"],
    result: 1195,
    remainder: 0,
  });
});

const numbers = [0, 1, 9, 10, 19, 50, 90, 99, 100, 101, 109, 190, 199, 347, 500, 899, 900, 909, 990, 999, 1000, 5005];

test("every line is a true statement, and the result is the sum, difference, product or quotient", () => {
  for (const a of numbers) {
    for (const b of numbers) {
      const sum = addColumns([a, b, 77]);
      expect(sum.result).toBe(a + b + 77);
      const lines = [...sum.lines];
      if (a >= b) {
        const difference = subtractColumns(a, b);
        expect(difference.result).toBe(a - b);
        lines.push(...difference.lines);
      }
      const product = multiplyColumns(a, b % 10);
      expect(product.result).toBe(a * (b % 10));
      lines.push(...product.lines);
      if (b > 0) {
        const quotient = divideColumns(a, b);
        expect([quotient.result, quotient.remainder]).toEqual([Math.trunc(a / b), a % b]);
        lines.push(...quotient.lines);
      }
      expect(lines.filter((line) => !isTrue(line))).toEqual([]);
    }
  }
});

test("347 - 185, by hand", () => {
  expect(subtractColumns(347, 185)).toEqual({ lines: ["17-5=12", "14-8-0=06", "13-1-1=11"], result: 162 });
});

test("sums and differences have the same shape, sign aside", () => {
  const shape = (lines: readonly string[]): string[] =>
    lines.map((line) => line.replace(/\d/g, "d").replace(/-/g, "+"));
  expect(shape(addColumns([999, 12]).lines)).toEqual(["dd+d=dd", "dd+d+d=dd", "dd+d+d=dd"]);
  expect(shape(subtractColumns(999, 12).lines)).toEqual(shape(addColumns([999, 12]).lines));
});

test("a slip leads to another result, from whichever column the search begins", () => {
  for (const a of numbers) {
    for (const b of numbers) {
      for (const from of [0, 1, 2, 3]) {
        if (a + b > 0) expect(addColumns([a, b], slipInSum([a, b], from)).result).not.toBe(a + b);
        if (a > b) expect(subtractColumns(a, b, slipInDifference(a, b, from)).result).not.toBe(a - b);
      }
    }
  }
});

test("a forgotten carry and a forgotten borrow, by hand", () => {
  expect(addColumns([347, 185], slipInSum([347, 185], 0))).toEqual({
    lines: ["07+5=12", "04+8+0=12", "03+1+1=05"],
    result: 522,
  });
  expect(subtractColumns(347, 185, slipInDifference(347, 185, 0)).result).toBe(262);
});
