/**
 * Whether what a program printed is what was expected. Spec: post-training.md section 5.6: white space at the end of a line does not
 * count, then exact; then numbers with a tolerance, where both sides consist of nothing but numbers. Both are asked of each line alone.
 */

/** Largest difference of two printed numbers, relative to the larger of 1 and the expected one (our choice; the spec names none). */
const tolerance = 1e-6;

export function samePrint(got: string, expected: string): boolean {
  const ours = lines(got);
  const theirs = lines(expected);
  if (ours.length !== theirs.length) return false;
  return ours.every((line, i) => {
    const wanted = theirs[i] ?? "";
    return line === wanted || sameNumbers(line.split(/\s+/), wanted.split(/\s+/));
  });
}

/** Lines without white space at their ends, and without empty lines at the end of the text. */
function lines(text: string): string[] {
  return text
    .replace(/\s+$/, "")
    .split("\n")
    .map((line) => line.trimEnd());
}

function sameNumbers(got: readonly string[], expected: readonly string[]): boolean {
  if (got.length !== expected.length) return false;
  return got.every((token, i) => {
    const wanted = expected[i] ?? "";
    if (token === wanted) return isNumber(token) || token === "";
    if (!isNumber(token) || !isNumber(wanted)) return false;
    // Two integers are equal or not: rounding is for fractions.
    if (isInteger(token) && isInteger(wanted)) return BigInt(token) === BigInt(wanted);
    return Math.abs(Number(token) - Number(wanted)) <= tolerance * Math.max(1, Math.abs(Number(wanted)));
  });
}

function isNumber(token: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(token);
}

function isInteger(token: string): boolean {
  return /^-?\d+$/.test(token);
}
