/**
 * Written arithmetic, one column of digits a line, from the ones. Made for small models that read every digit as a token: the lines of sums
 * and differences have one shape, token for token, and a token depends on a digit of the problem or on what stands a few places back.
 *
 * 347 + 185   07+5=12     the result of a line has two digits: what is carried, and the digit of the sum. From the second line on the
 *             04+8+1=13   carry comes last. The sum is read from the last line up: 5 (with the last carry, 05), 3, 2.
 *             03+1+1=05
 * 347 - 185   17-5=12     ten is added to every upper digit, so that no column falls below zero; where the tens of a result are 0, the
 *             14-8-0=06   ten was used up, and the next column gives one back. Read alike, without the last 1.
 *             13-1-1=11
 *
 * What else was tried, and how much of it a small model learned in the same time, stands in docs/problems.md.
 */

/** A slip: the result of one column is off by `by`. */
export interface Slip {
  readonly column: number;
  readonly by: number;
}

export interface Columns {
  readonly lines: readonly string[];
  readonly result: number;
}

/** @param numbers two to nine, none negative, whose sum is exact */
export function addColumns(numbers: readonly number[], slip: Slip | null = null): Columns {
  const lines: string[] = [];
  let [carry, result, place] = [0, 0, 1];
  for (const column of columnsOf(numbers)) {
    const at = lines.length;
    const off = slip?.column === at ? slip.by : 0;
    // A slip of -1 where one is carried is the carry forgotten.
    const isForgotten = off === -1 && carry > 0;
    if (isForgotten) carry--;
    const sum = column.reduce((total, digit) => total + digit, carry) + (isForgotten ? 0 : off);
    lines.push(`0${column.join("+")}${at > 0 ? `+${carry}` : ""}=${twoDigits(sum)}`);
    result += (sum % 10) * place;
    carry = Math.floor(sum / 10);
    place *= 10;
  }
  return { lines, result: result + carry * place };
}

/** @param upper at least `lower`, neither negative */
export function subtractColumns(upper: number, lower: number, slip: Slip | null = null): Columns {
  const lines: string[] = [];
  let [borrow, result, place] = [0, 0, 1];
  for (const [top = 0, bottom = 0] of columnsOf([upper, lower])) {
    const at = lines.length;
    const off = slip?.column === at ? slip.by : 0;
    const isForgotten = off === 1 && borrow > 0;
    if (isForgotten) borrow = 0;
    const left = 10 + top - bottom - borrow + (isForgotten ? 0 : off);
    lines.push(`${10 + top}-${bottom}${at > 0 ? `-${borrow}` : ""}=${twoDigits(left)}`);
    result += (left % 10) * place;
    borrow = left < 10 ? 1 : 0;
    place *= 10;
  }
  return { lines, result };
}

/** Times one digit: `7*6=42`, `4*6+4=28`. @param off added to the first column, for a slip */
export function multiplyColumns(number: number, digit: number, off = 0): Columns {
  const lines: string[] = [];
  let [carry, result, place] = [0, 0, 1];
  for (const [factor = 0] of columnsOf([number])) {
    const product = factor * digit + carry + (lines.length === 0 ? off : 0);
    lines.push(`${factor}*${digit}${lines.length > 0 ? `+${carry}` : ""}=${twoDigits(product)}`);
    result += (product % 10) * place;
    carry = Math.floor(product / 10);
    place *= 10;
  }
  return { lines, result: result + carry * place };
}

/** By a divisor, one digit of the dividend a line: `36=7*5+1`, what is left over standing before the next digit. */
export function divideColumns(dividend: number, divisor: number): Columns & { readonly remainder: number } {
  const lines: string[] = [];
  let [left, result] = [0, 0];
  for (const digit of String(dividend)) {
    left = 10 * left + Number(digit);
    const times = Math.floor(left / divisor);
    lines.push(`${left}=${divisor}*${times}+${left - divisor * times}`);
    left -= divisor * times;
    result = 10 * result + times;
  }
  return { lines, result, remainder: left };
}

/** The first column at which a sum can go wrong by one, counted on from `from`: the carry forgotten where one is. */
export function slipInSum(numbers: readonly number[], from: number): Slip {
  const columns = columnsOf(numbers);
  let carry = 0;
  const carries = columns.map((column) => {
    const into = carry;
    carry = Math.floor(column.reduce((total, digit) => total + digit, carry) / 10);
    return into;
  });
  const places = columns.map((_, i) => (from + i) % columns.length);
  const forgotten = places.find((at) => (carries[at] ?? 0) > 0);
  // Without a carry one is missing from a column that has something.
  const column = forgotten ?? places.find((at) => columns[at]?.some((digit) => digit > 0)) ?? 0;
  return { column, by: -1 };
}

/** As `slipInSum`: what was borrowed forgotten, or else one missing from a digit of the result. */
export function slipInDifference(upper: number, lower: number, from: number): Slip {
  const { lines, result } = subtractColumns(upper, lower);
  const places = lines.map((_, i) => (from + i) % lines.length);
  const borrowed = places.find((at) => /-\d-1=/.test(lines[at] ?? ""));
  if (borrowed !== undefined) return { column: borrowed, by: 1 };
  const digits = columnsOf([result]).map(([digit = 0]) => digit);
  return { column: places.find((at) => (digits[at] ?? 0) > 0) ?? 0, by: -1 };
}

/** The digits of each place, from the ones, up to the longest number. */
function columnsOf(numbers: readonly number[]): readonly (readonly number[])[] {
  const digits = numbers.map((number) => Array.from(String(number), Number).reverse());
  const width = Math.max(...digits.map(({ length }) => length));
  return Array.from({ length: width }, (_, at) => digits.map((own) => own[at] ?? 0));
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}
