/** Multiplication and division with remainder, in written form: one digit of the second factor, or of the dividend, after the other. */
import { boxed, isInteger, lastBox, parseInteger } from "./answers.js";
import { addColumns, divideColumns, multiplyColumns } from "./columns.js";
import { multisetAt, multisetCount } from "./multisets.js";
import type { Draft, Family, Kind } from "./problem.js";
import type { Wording } from "./wording.js";

export const multiplication: Family = {
  about: "products of two numbers",
  splitKey: "multiplication",
  levels: [
    { about: "two or three digits by one digit", kinds: [factors("product", [10, 990], [2, 8])] },
    {
      about: "two digits by two digits",
      kinds: [
        {
          name: "product",
          bases: [multisetCount(90, 2)],
          make: ([rank = 0], wording) => {
            const [small = 0, large = 0] = multisetAt(rank, 2);
            return product(10 + large, 10 + small, wording);
          },
        },
      ],
    },
    { about: "three digits by two digits", kinds: [factors("product", [100, 900], [10, 90])] },
    { about: "four digits by three digits", kinds: [factors("product", [1000, 9000], [100, 900])] },
  ],
  close: boxed,
  check: (problem, response) => isInteger(response, problem.answer),
};

export const division: Family = {
  about: "quotients with remainder",
  splitKey: "division",
  levels: [
    { about: "two or three digits by one digit", kinds: [dividends([10, 990], [2, 8])] },
    { about: "four digits by one digit", kinds: [dividends([1000, 9000], [2, 8])] },
    { about: "four digits by two digits", kinds: [dividends([1000, 9000], [11, 89])] },
    { about: "six digits by two digits", kinds: [dividends([100_000, 900_000], [11, 89])] },
  ],
  close: boxed,
  check: (problem, response) => {
    const [given, wanted] = [parseQuotient(lastBox(response) ?? ""), parseQuotient(problem.answer)];
    return given !== null && wanted !== null && given.every((number, i) => number === wanted[i]);
  },
};

/** Two factors, each of a range [smallest, how many]; they differ in digits, so that their order is told. */
function factors(name: string, [low, many]: readonly [number, number], [less, few]: readonly [number, number]): Kind {
  return { name, bases: [many, few], make: ([a = 0, b = 0], wording) => product(low + a, less + b, wording) };
}

function dividends([low, many]: readonly [number, number], [less, few]: readonly [number, number]): Kind {
  return {
    name: "quotient",
    bases: [many, few],
    make: ([a = 0, b = 0], wording) => quotient(low + a, less + b, wording),
  };
}

/** @param long has at least as many digits as `short` */
function product(long: number, short: number, wording: Wording): Draft {
  const [left, right] = wording.pick([long, short], [short, long]);
  const text = `${left} * ${right}`;
  const { lines, result } = multiplied(long, short);
  const slip = multiplied(long, short, long % 10 === 0 ? 1 : wording.pick(1, -1));
  const turned = multiplied(short, long);
  return {
    prompt: wording.ask(
      `What is ${text}?`,
      `Compute ${text}.`,
      `${text} =`,
      `Multiply ${left} by ${right}.`,
      `What is ${left} times ${right}?`,
      `Find the product of ${left} and ${right}.`,
    ),
    answer: String(result),
    work: lines,
    thought: [
      `${wording.pick("I need", "The task is", "Wanted is")} ${text}. ` +
        wording.pick(`I take ${long} times each digit of ${short}.`, `Digit by digit of ${short}, from the ones.`),
      ...lines,
      `${wording.pick("That makes", "So the product is")} ${result}.`,
      wording.pick("Let me check the other way round:", "Is that right? With the factors exchanged:") +
        ` ${short} times each digit of ${long}.`,
      ...turned.lines,
      wording.pick(`Again ${turned.result}, as it should be.`, `That is ${turned.result} too, so it holds.`),
    ],
    slip: { work: slip.lines, answer: String(slip.result) },
  };
}

/** Rows `factor*digit` with their places, then their sum. @param off added to the first column of the first row, for a slip */
function multiplied(
  factor: number,
  digits: number,
  off = 0,
): { readonly lines: readonly string[]; readonly result: number } {
  const lines: string[] = [];
  const rows: number[] = [];
  const written = Array.from(String(digits), Number).reverse();
  written.forEach((digit, place) => {
    if (digit === 0) return; // a row of zeros
    const row = multiplyColumns(factor, digit, rows.length === 0 ? off : 0);
    const moved = row.result * 10 ** place;
    rows.push(moved);
    if (written.length > 1) lines.push(`${factor}*${digit * 10 ** place}:`);
    lines.push(...row.lines);
    if (written.length > 1) lines.push(String(moved));
  });
  if (rows.length < 2) return { lines, result: rows[0] ?? 0 };
  const sum = addColumns(rows);
  return { lines: [...lines, `${rows.join("+")}:`, ...sum.lines], result: sum.result };
}

function quotient(dividend: number, divisor: number, wording: Wording): Draft {
  const { lines, result, remainder } = divideColumns(dividend, divisor);
  const answer = `${result} remainder ${remainder}`;
  const back = multiplied(result, divisor);
  const total = addColumns([back.result, remainder]);
  return {
    prompt: `${wording.ask(
      `What is ${dividend} / ${divisor}?`,
      `Divide ${dividend} by ${divisor}.`,
      `How often does ${divisor} go into ${dividend}, and what is left?`,
      `Compute ${dividend} divided by ${divisor}.`,
    )} Give quotient and remainder, as in 3 remainder 1.`,
    answer,
    work: lines,
    thought: [
      wording.pick("Long division, digit by digit from the left.", "I go through the digits from the left.") +
        ` Each line says how often ${divisor} fits and what is left.`,
      ...lines,
      `${wording.pick("So the quotient is", "The digits make")} ${result}, and ${remainder} ${wording.pick("is left", "remains")}.`,
      wording.pick("Let me check by multiplying:", "Is that right? Going back:") +
        ` ${result} * ${divisor} + ${remainder} ${wording.pick("should be", "must be")} ${dividend}.`,
      ...back.lines,
      `${back.result} + ${remainder}:`,
      ...total.lines,
      `That gives ${total.result}, and ${remainder} is less than ${divisor}, so it holds.`,
    ],
    slip: slipped(dividend, divisor, wording),
  };
}

/** One too few in a digit of the quotient, so that too much is left; or the remainder off by one. */
function slipped(dividend: number, divisor: number, wording: Wording): Draft["slip"] {
  const { lines, result, remainder } = divideColumns(dividend, divisor);
  const [before, wrong] = [lines.slice(0, -1), remainder === 0 ? 1 : remainder - 1];
  const end = lines.at(-1) ?? "";
  const misread = { work: [...before, end.replace(/\d+$/, String(wrong))], answer: `${result} remainder ${wrong}` };
  if (result % 10 === 0) return misread;
  const left = remainder + divisor;
  const short = end.replace(/\*\d\+\d+$/, `*${(result % 10) - 1}+${left}`);
  return wording.pick(misread, { work: [...before, short], answer: `${result - 1} remainder ${left}` });
}

/** `12 remainder 3`, also with r for the word. */
function parseQuotient(text: string): readonly [bigint, bigint] | null {
  const [, first, second] = /^(\S+)\s*(?:remainder|r|R)\s*(\S+)$/.exec(text) ?? [];
  const [quotient, remainder] = [parseInteger(first ?? ""), parseInteger(second ?? "")];
  return quotient === null || remainder === null ? null : [quotient, remainder];
}
