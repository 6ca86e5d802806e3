import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { verify } from "./verify.js";

/** Spec section 11.18, row by row, and the rows that belong to the levels of 5.5. */
const verdicts: readonly (readonly [gold: string, answer: string, equal: boolean])[] = [
  ["1200000", "1,200,000", true],
  ["1200000", "1 200 000", true],
  ["2.5", "2,5", true],
  ["1500.25", "it costs $1,500.25", true],
  ["1500.25", "1,500.25€", true],
  ["1500.25", "1,500.25m²", true],
  ["2", "QRS2T", false],
  ["1/7", "\\frac17", true],
  ["1/7", "\\cfrac{1}{7}", true],
  ["1/7", "\\boxed{\\frac{1}{7}}", true],
  ["1/7", "k = \\frac{1}{7}", true],
  ["1/7", "\\frac{1}{7}\\text{ m}", true],
  ["31\\%", "31 percent", true],
  ["31\\%", "\\boxed{31} pct", true],
  ["31\\%", "$31$ %", true],
  ["[2,5)", "(2,5)", false],
  ["x ≥ 4", "4 ≤ x", true],
  ["x < 2", "−x > −2", true],
  ["x < 2", "x > −2", false],
  ["11", "x = 5+6 = 11", true],
  ["11", "x ≈ 11", true],
  ["3x + y = 2", "2", false],
  ["k = 2", "2", true],
  ["x + 2y = 3", "2x + 4y = 6", true],
  ["\\begin{pmatrix}1 & 2\\\\3 & 1/2\\end{pmatrix}", "\\begin{bmatrix}1&2\\\\ 3&0.5\\end{bmatrix}", true],
  ["\\begin{pmatrix}1 & 2\\\\3 & 4\\end{pmatrix}", "\\begin{array}{cc}1 & 2 \\\\ 3 & 4 \\\\\\end{array}", true],
  ["sin²y + cos²y", "1", true],
  // Section 11.17: what the string level refuses and the others accept.
  ["0.5", "\\frac12", true],
  ["1,000", "1000", true],
  ["0.50", "\\frac{1}{2}", true],
  ["2/4", "1/2", true],
  // Numbers.
  ["2", "2.0", true],
  ["2", "3", false],
  ["-2", "2", false],
  ["3\\frac{1}{2}", "7/2", true],
  ["1 1/2", "1.5", true],
  ["10^{20}", "100000000000000000000", true],
  ["100000000000000000001", "100000000000000000000", false],
  ["1000001", "1000000", false],
  ["6.02 \\times 10^{23}", "602 \\cdot 10^{21}", true],
  ["2\\sqrt{2}", "\\sqrt8", true],
  ["\\sqrt{2}", "1.41421356", true],
  ["\\sqrt{2}", "1.41", false],
  ["\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}", true],
  ["\\frac{\\pi}{4}", "0.25π", true],
  ["\\pi", "3.14", false],
  ["\\sqrt[3]{27}", "3", true],
  ["0.1\\overline{6}", "1/6", true],
  ["5!", "120", true],
  ["\\binom{5}{2}", "10", true],
  ["\\log_2 8", "3", true],
  ["e^{i\\pi}", "-1", true],
  ["2i", "(1+i)^2", true],
  ["3 + 4i", "4i + 3", true],
  ["|{-7}|", "7", true],
  ["2^{100}", "2^{101}", false],
  ["9^{9^{9^9}}", "9^{9^{9^8}}", false],
  ["1/0", "2/0", false],
  // Units, degrees, currency, percent.
  ["5", "5 cm", true],
  ["5", "5\\text{ apples}", true],
  ["90", "90^\\circ", true],
  ["60", "60 km/hr", true],
  ["5", "5x", false],
  ["0.5", "50\\%", true],
  ["50", "50\\%", true],
  ["50\\%", "0.5", true],
  ["50\\%", "5", false],
  ["\\$10", "10 dollars", true],
  // Shapes.
  ["(1,2)", "( 1 , 4/2 )", true],
  ["(1,2)", "(2,1)", false],
  ["(1,2)", "1, 2", true],
  ["1, 2", "2, 1", true],
  ["1, 2", "2 and 1", true],
  ["1, 2", "1, 2, 2", false],
  ["1, 1", "1, 2", false],
  ["\\{1,2\\}", "\\{2,1\\}", true],
  ["\\{1,2\\}", "\\{2,3\\}", false],
  ["3 \\pm 2", "1, 5", true],
  ["x = \\pm 2", "-2, 2", true],
  ["[2,5)", "[2, 5)", true],
  ["(-\\infty, 2]", "x \\le 2", true],
  ["(-\\infty, 2]", "x < 2", false],
  ["1 < x \\le 2", "x \\in (1, 2]", true],
  ["(-\\infty,0)\\cup(1,\\infty)", "(1,\\infty) \\cup (-\\infty,0)", true],
  ["(-\\infty,0)\\cup(1,\\infty)", "(-\\infty,0]\\cup(1,\\infty)", false],
  ["\\infty", "-\\infty", false],
  // Expressions with letters.
  ["x^2 - 1", "(x-1)(x+1)", true],
  ["x^2 - 1", "(x-1)^2", false],
  ["2xy", "2yx", true],
  ["\\frac{a}{b}", "a/b", true],
  ["\\frac{x^2}{x}", "x", true],
  ["\\sqrt{x^2}", "x", false],
  ["y = 2x + 1", "2x - y + 1 = 0", true],
  ["y = 2x + 1", "y = 2x + 2", false],
  ["f(x) = x^2", "x^2", true],
  ["2\\sin x\\cos x", "\\sin(2x)", true],
  ["\\sin^{-1} x", "\\arcsin x", true],
  ["x_1 + x_2", "x_2 + x_1", true],
  ["n^2", "m^2", false],
  // Words and choices.
  ["\\text{even}", "Even", true],
  ["even", "odd", false],
  ["B", "(B)", true],
  ["B", "\\textbf{(B)}", true],
  ["A", "B", false],
  ["Yes", "yes.", true],
  ["No", "no", true],
  ["1101_2", "1101_{2}", true],
  ["1101_2", "13", false],
];

describe("verify", () => {
  test.for(verdicts)("gold %s, answer %s: %s", ([gold, answer, equal]) => {
    expect(verify(gold, answer).equal).toBe(equal);
  });

  test("1/3 is 0.3333 at 4 decimals and not at 6", () => {
    expect(verify("1/3", "0.3333", { decimals: 4 })).toEqual({ equal: true, level: "numeric" });
    expect(verify("1/3", "0.3333", { decimals: 6 })).toEqual({ equal: false, level: "numeric" });
  });

  test("50% is not 0.5 where that is switched off", () => {
    expect(verify("0.5", "50\\%", { percentIsFraction: false }).equal).toBe(false);
    expect(verify("50", "50\\%", { percentIsFraction: false }).equal).toBe(true);
  });

  test("the level says which comparison decided", () => {
    expect(verify("\\frac{1}{2}", "0.5").level).toBe("string");
    expect(verify("0.50", "1/2").level).toBe("numeric");
    expect(verify("1, 2", "2, 1").level).toBe("structure");
    expect(verify("a+b", "b+a").level).toBe("symbolic");
  });

  test("verify is not symmetric: prose and units are read in the answer alone", () => {
    expect(verify("12", "I get 12").equal).toBe(true);
    expect(verify("I get 12", "12").equal).toBe(false);
  });

  test("an empty answer and an empty gold are equal to nothing", () => {
    expect(verify("", "").equal).toBe(false);
    expect(verify("1", " ").equal).toBe(false);
    expect(verify("$$", "\\boxed{}").equal).toBe(false);
  });
});

test("integers and fractions are compared exactly, whatever their size", () => {
  const integer = fc.bigInt({ min: -(10n ** 60n), max: 10n ** 60n });
  fc.assert(
    fc.property(integer, integer, fc.integer({ min: 1, max: 999 }), (a, b, d) => {
      expect(verify(String(a), String(b)).equal).toBe(a === b);
      // a/d against (a k)/(d k), and against the neighbour.
      expect(verify(`\\frac{${a}}{${d}}`, `${a * 7n}/${d * 7}`).equal).toBe(true);
      expect(verify(`\\frac{${a}}{${d}}`, `\\frac{${a + 1n}}{${d}}`).equal).toBe(false);
    }),
    { numRuns: 200 },
  );
});

test("polynomials written in two ways are equal, and with another coefficient they are not", () => {
  const coefficient = fc.integer({ min: -9, max: 9 });
  fc.assert(
    fc.property(coefficient, coefficient, coefficient, (a, b, c) => {
      // (x + a)(x + b) + c, multiplied out by hand.
      const factored = `(x + (${a}))(x + (${b})) + (${c})`;
      expect(verify(`x^2 + (${a + b})x + (${a * b + c})`, factored).equal).toBe(true);
      expect(verify(`x^2 + (${a + b})x + (${a * b + c + 1})`, factored).equal).toBe(false);
      expect(verify(`x^2 + (${a + b + 1})x + (${a * b + c})`, factored).equal).toBe(false);
    }),
    { numRuns: 100 },
  );
});

/** Pieces of which answers, broken ones too, are made. */
const piece = fc.constantFrom(
  ...'0 1 2 9 . , ; x y e i ( ) [ ] { } | + - * / ^ _ ! = < > % $ & \\ " \\\\ cm and ² ½ − √'.split(" "),
  ..."\\frac \\sqrt \\sin \\log \\pi \\infty \\cup \\pm \\text{ \\left( \\{ \\} \\le \\in \\binom \\boxed{".split(" "),
  ..."\\begin{pmatrix} \\end{pmatrix}".split(" "),
  " ",
);
const broken = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(""));

test("no text makes verify throw, and every text that is not empty equals itself", () => {
  fc.assert(
    fc.property(broken, broken, (a, b) => {
      expect(typeof verify(a, b).equal).toBe("boolean");
      if (a.trim() !== "") expect(verify(a, a).equal).toBe(true);
    }),
    { numRuns: 3000 },
  );
});

test("what would take long is refused: powers of powers, deep nesting, long texts", () => {
  const hostile = [
    `${"9^".repeat(400)}9`,
    `2^{${"9".repeat(900)}}`,
    `${"(".repeat(450)}1${")".repeat(450)}`,
    `${"\\frac{1}{".repeat(90)}2${"}".repeat(90)}`,
    `${"\\sqrt{".repeat(160)}2${"}".repeat(160)}`,
    `${"1,".repeat(499)}1`,
    `${"(1,2)\\cup".repeat(100)}(1,2)`,
    `${"x+".repeat(490)}y`,
    `${"500!".repeat(240)}`,
    "1 ".repeat(10_000),
    "9".repeat(19_999),
    "(".repeat(19_999),
    `\\begin{pmatrix}${"1&".repeat(400)}1\\end{pmatrix}`,
    `${"a=".repeat(400)}b`,
    `${"!".repeat(900)}`,
    `3${"!".repeat(900)}`,
    `0.${"1".repeat(990)}`,
    "\\boxed{".repeat(900),
    '"'.repeat(999),
  ];
  for (const text of hostile) expect(verify("17", text).equal).toBe(false);
  for (const text of hostile) expect(verify(text, "17").equal).toBe(false);
  for (const a of hostile) for (const b of hostile) expect(typeof verify(a, b).equal).toBe("boolean");
});
