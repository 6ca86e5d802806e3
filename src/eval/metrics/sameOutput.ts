/**
 * Whether a program printed what was expected: white space at the end of lines and of the text does not count; lines that consist of
 * numbers on both sides may differ by rounding. Post-training specification, 5.6; the tolerance is that of 5.5.
 */

/** Relative to the larger of 1 and the expected number. */
const tolerance = 1e-6;

export function sameOutput(printed: string, expected: string): boolean {
  const [ours, theirs] = [lines(printed), lines(expected)];
  return (
    ours.length === theirs.length && ours.every((line, i) => line === theirs[i] || sameNumbers(line, theirs[i] ?? ""))
  );
}

function lines(text: string): string[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.trimEnd());
}

function sameNumbers(printed: string, expected: string): boolean {
  const [ours, theirs] = [printed.split(/\s+/), expected.split(/\s+/)];
  return ours.length === theirs.length && ours.every((token, i) => sameNumber(token, theirs[i] ?? ""));
}

function sameNumber(printed: string, expected: string): boolean {
  const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
  if (!number.test(printed) || !number.test(expected)) return false;
  // Rounding is for fractions: two whole numbers are equal or not.
  const whole = /^[+-]?\d+$/;
  if (whole.test(printed) && whole.test(expected)) return wholeValue(printed) === wholeValue(expected);
  return Math.abs(Number(printed) - Number(expected)) <= tolerance * Math.max(1, Math.abs(Number(expected)));
}

function wholeValue(text: string): bigint {
  return BigInt(text.replace(/^\+/, ""));
}
