/**
 * Numbers as Python reads and prints them. Reference metrics were written in Python, and some of their verdicts hang on it: DROP calls a
 * token a number when `float(token)` does not fail, and compares `str(float(token))`. JavaScript's `Number` differs at the edges that
 * matter ("" is 0, "inf" and "1_000" are none, "0x10" is one) and prints 3 where Python prints 3.0. Evaluation specification, 7.4.
 */

/**
 * @returns what Python's `float(text)` gives, NaN included; null where Python raises ValueError
 */
export function parsePythonFloat(text: string): number | null {
  // White space around is fine; U+0085 is such in Python alone, U+FEFF in JavaScript alone.
  const body = text.replace(/^(?:(?!\ufeff)[\s\x85])+|(?:(?!\ufeff)[\s\x85])+$/g, "");
  if (/^[+-]?nan$/i.test(body)) return Number.NaN;
  const infinity = /^([+-]?)inf(?:inity)?$/i.exec(body);
  if (infinity) return infinity[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  // Digits of every script count, and one underscore may stand between two digits.
  const digits = "\\p{Nd}+(?:_\\p{Nd}+)*";
  const number = new RegExp(`^[+-]?(?:${digits}(?:\\.(?:${digits})?)?|\\.${digits})(?:[eE][+-]?${digits})?$`, "u");
  if (!number.test(body)) return null;
  return Number(body.replaceAll("_", "").replace(/\p{Nd}/gu, asciiDigit));
}

/** @returns what Python's `str(value)` gives for a float: "3.0", "1e+16", "1e-05", "inf", "nan" */
export function formatPythonFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (Object.is(value, -0)) return "-0.0";
  const [mantissa = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  // Both languages print the shortest digits that read back the same; they differ in where exponents begin.
  if (value !== 0 && (exponent < -4 || exponent >= 16)) {
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace(/[-.]/g, "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** Decimal digits come in runs of ten, zero first: the digit's value is its distance from the run's start. */
function asciiDigit(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  // Mathematical digits (U+1D7CE on) are five runs without a gap.
  if (code >= 0x1d7ce && code <= 0x1d7ff) return String((code - 0x1d7ce) % 10);
  let value = 0;
  while (value < 9 && /^\p{Nd}$/u.test(String.fromCodePoint(code - value - 1))) value++;
  return String(value);
}
