/** Conversions between units: by a whole factor, to decimals, and to and from several units at once. */
import { boxed, lastBox, parseDecimal, parseInteger } from "./answers.js";
import { divideColumns, multiplyColumns } from "./columns.js";
import type { Draft, Family, Kind } from "./problem.js";
import type { Wording } from "./wording.js";

interface Step {
  readonly large: string;
  readonly small: string;
  readonly factor: number;
}

const decimalSteps: readonly Step[] = [
  { large: "km", small: "m", factor: 1000 },
  { large: "m", small: "cm", factor: 100 },
  { large: "cm", small: "mm", factor: 10 },
  { large: "m", small: "mm", factor: 1000 },
  { large: "kg", small: "g", factor: 1000 },
  { large: "t", small: "kg", factor: 1000 },
  { large: "g", small: "mg", factor: 1000 },
  { large: "l", small: "ml", factor: 1000 },
];

const otherSteps: readonly Step[] = [
  { large: "h", small: "min", factor: 60 },
  { large: "min", small: "s", factor: 60 },
  { large: "days", small: "h", factor: 24 },
  { large: "weeks", small: "days", factor: 7 },
  { large: "ft", small: "in", factor: 12 },
  { large: "yd", small: "ft", factor: 3 },
  { large: "lb", small: "oz", factor: 16 },
];

export const units: Family = {
  about: "conversions between units of length, mass, volume, time and speed",
  splitKey: "units",
  levels: [
    { about: "to a smaller unit", kinds: [toSmaller()] },
    { about: "to a larger unit, in decimals or with a rest", kinds: [toDecimals(), toTwo()] },
    { about: "to and from three units of time; speeds", kinds: [fromThree(), toThree(), speeds()] },
  ],
  close: boxed,
  check: (problem, response) => {
    const given = parseQuantity(lastBox(response) ?? "");
    const wanted = parseQuantity(problem.answer);
    // A number alone is right where one unit was asked for, which the prompt names.
    return given !== null && wanted !== null && (given === wanted || given === wanted.replace(/ \S+$/, ""));
  },
};

/** 2 to 2,000 of a unit in the next smaller one. */
function toSmaller(): Kind {
  const steps = [...decimalSteps, ...otherSteps];
  return {
    name: "smaller",
    bases: [steps.length, 1999],
    make: ([which = 0, n = 0], wording) => {
      const { large, small, factor } = stepOf(steps, which);
      const count = n + 2;
      const { lines, result } = times(count, factor);
      return draft(
        {
          from: `${count} ${large}`,
          to: small,
          answer: `${result} ${small}`,
          rule: `1 ${large} = ${factor} ${small}`,
          work: lines,
          check: [`Back: ${result} ${small} by ${factor} is`, ...backBy(result, factor), `${count} ${large}.`],
          wrong: `${wording.pick(count + factor, result + factor)} ${small}`,
        },
        wording,
      );
    },
  };
}

/** 1 to 99,999 of a unit in a decimal number of the next larger one. */
function toDecimals(): Kind {
  return {
    name: "decimal",
    bases: [decimalSteps.length, 99_999],
    make: ([which = 0, n = 0], wording) => {
      const { large, small, factor } = stepOf(decimalSteps, which);
      const count = n + 1;
      const places = String(factor).length - 1;
      const result = shifted(count, places);
      const wrongPlaces = wording.pick(places + 1, places - 1);
      return draft(
        {
          from: `${count} ${small}`,
          to: large,
          answer: `${result} ${large}`,
          rule: `1 ${large} = ${factor} ${small}`,
          work: [`${count}/${factor}: the point moves ${places} to the left`, `${shiftedInFull(count, places)}`],
          check: [`Back: ${result}*${factor}, the point moves ${places} to the right:`, `${count} ${small}`],
          wrong: `${shifted(count, wrongPlaces)} ${large}`,
        },
        wording,
      );
    },
  };
}

/** Of a unit in whole larger ones and a rest. */
function toTwo(): Kind {
  return {
    name: "two-units",
    bases: [otherSteps.length, 4000],
    make: ([which = 0, n = 0], wording) => {
      const { large, small, factor } = stepOf(otherSteps, which);
      const count = n + factor + 1;
      const { lines, result, remainder } = divideColumns(count, factor);
      const back = times(result, factor);
      return draft(
        {
          from: `${count} ${small}`,
          to: `${large} and ${small}`,
          answer: `${result} ${large} ${remainder} ${small}`,
          rule: `1 ${large} = ${factor} ${small}`,
          work: lines,
          check: [
            `Back: ${result} ${large} in ${small}`,
            ...back.lines,
            `${back.result}+${remainder}=${back.result + remainder}`,
          ],
          wrong: `${wording.pick(result - 1, result + 1)} ${large} ${remainder} ${small}`,
        },
        wording,
      );
    },
  };
}

/** Hours, minutes and seconds in seconds. */
function fromThree(): Kind {
  return {
    name: "from-three",
    bases: [48, 60, 60],
    make: ([h = 0, m = 0, s = 0], wording) => {
      const hours = h + 1;
      const minutes = times(hours, 60);
      const all = minutes.result + m;
      const seconds = times(all, 60);
      const result = seconds.result + s;
      return draft(
        {
          from: `${hours} h ${m} min ${s} s`,
          to: "s",
          answer: `${result} s`,
          rule: "1 h = 60 min, 1 min = 60 s",
          work: [
            ...minutes.lines,
            `${minutes.result}+${m}=${all}`,
            ...seconds.lines,
            `${seconds.result}+${s}=${result}`,
          ],
          check: [
            `Back: ${result} s in minutes`,
            ...divideColumns(result, 60).lines,
            `${all} min`,
            ...divideColumns(all, 60).lines,
          ],
          wrong: `${wording.pick(hours * 60 + m * 60 + s, result + 60)} s`,
        },
        wording,
      );
    },
  };
}

/** Seconds in hours, minutes and seconds. */
function toThree(): Kind {
  return {
    name: "to-three",
    bases: [170_000],
    make: ([n = 0], wording) => {
      const count = n + 3600;
      const minutes = divideColumns(count, 60);
      const hours = divideColumns(minutes.result, 60);
      const back = times(hours.result, 60);
      const again = times(minutes.result, 60);
      return draft(
        {
          from: `${count} s`,
          to: "h, min and s",
          answer: `${hours.result} h ${hours.remainder} min ${minutes.remainder} s`,
          rule: "1 min = 60 s, 1 h = 60 min",
          work: [...minutes.lines, `${minutes.result} min ${minutes.remainder} s`, ...hours.lines],
          check: [
            `Back: ${hours.result} h in min`,
            ...back.lines,
            `${back.result}+${hours.remainder}=${minutes.result}`,
            ...again.lines,
            `${again.result}+${minutes.remainder}=${count}`,
          ],
          wrong: `${hours.result} h ${hours.remainder + wording.pick(1, 2)} min ${minutes.remainder} s`,
        },
        wording,
      );
    },
  };
}

/** Metres a second in kilometres an hour (times 3.6) and metres a minute. */
function speeds(): Kind {
  return {
    name: "speed",
    bases: [2, 5000],
    make: ([which = 0, n = 0], wording) => {
      const count = n + 2;
      const from = `${count} m/s`;
      if (which === 0) {
        const { lines, result } = times(count, 60);
        return draft(
          {
            from,
            to: "m/min",
            answer: `${result} m/min`,
            rule: "1 min = 60 s",
            work: lines,
            check: [`Back: ${result} m/min by 60 is`, ...divideColumns(result, 60).lines, from],
            wrong: `${count + 60} m/min`,
          },
          wording,
        );
      }
      const { lines, result } = times(count, 36);
      return draft(
        {
          from,
          to: "km/h",
          answer: `${shifted(result, 1)} km/h`,
          rule: "1 h = 3600 s, 1 km = 1000 m, so 1 m/s = 3.6 km/h",
          work: [...lines, `${result}/10=${shifted(result, 1)}`],
          check: [
            `Back: ${shifted(result, 1)} km/h by 3.6 is ${result} by 36`,
            ...divideColumns(result, 36).lines,
            from,
          ],
          wrong: `${wording.pick(String(result), shifted(count * 60, 1))} km/h`,
        },
        wording,
      );
    },
  };
}

interface Conversion {
  readonly from: string;
  readonly to: string;
  readonly answer: string;
  readonly rule: string;
  readonly work: readonly string[];
  readonly check: readonly string[];
  readonly wrong: string;
}

function draft({ from, to, answer, rule, work, check, wrong }: Conversion, wording: Wording): Draft {
  return {
    prompt: wording.ask(
      `Convert ${from} to ${to}.`,
      `How much is ${from} in ${to}?`,
      `Express ${from} in ${to}.`,
      `What is ${from} in ${to}?`,
    ),
    answer,
    work: [rule, ...work],
    thought: [
      `${wording.pick("I have", "Given are", "There are")} ${from}, ${wording.pick("wanted in", "to be told in", "asked for in")} ${to}. ${rule}.`,
      ...work,
      `${wording.pick("So it is", "That makes")} ${answer}.`,
      wording.pick("Let me check.", "Is that right?", "To verify, I go back."),
      ...check,
      wording.pick("That is what was given.", "It agrees with what was given."),
    ],
    slip: { work: [rule], answer: wrong },
  };
}

/** A whole number by a factor: powers of ten at once, other factors by their digits. */
function times(count: number, factor: number): { readonly lines: readonly string[]; readonly result: number } {
  const result = count * factor;
  if (/^10*$/.test(String(factor))) return { lines: [`${count}*${factor}=${result}`], result };
  const [tens, ones] = [Math.floor(factor / 10), factor % 10];
  const lines: string[] = [];
  if (ones > 0) lines.push(...multiplyColumns(count, ones).lines);
  if (ones > 0 && tens > 0) lines.push(String(count * ones));
  if (tens > 0) lines.push(...multiplyColumns(count, tens).lines);
  if (tens > 0 && ones > 0) lines.push(`${count * ones}+${count * tens * 10}=${result}`);
  return { lines, result };
}

function backBy(result: number, factor: number): readonly string[] {
  return /^10*$/.test(String(factor))
    ? [`${result}/${factor}=${result / factor}`]
    : divideColumns(result, factor).lines;
}

function stepOf(steps: readonly Step[], which: number): Step {
  const step = steps[which];
  if (!step) throw new Error(`internal: units: there is no step ${which}`);
  return step;
}

/** A whole number with the point moved to the left, zeros filled in: 4350 by 3 is 4.350. */
function shiftedInFull(count: number, places: number): string {
  if (places === 0) return String(count);
  const digits = String(count).padStart(places + 1, "0");
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** The same without zeros at its end. */
function shifted(count: number, places: number): string {
  return places === 0 ? String(count) : shiftedInFull(count, places).replace(/\.?0+$/, "");
}

/** Numbers with units in their shortest form; null if it is none. */
function parseQuantity(text: string): string | null {
  const parts = text
    .replace(/(\d)([a-z])/g, "$1 $2")
    .trim()
    .split(/\s+/);
  const single = parts.length === 1 ? parseDecimal(parts[0] ?? "") : null;
  if (single !== null) return single;
  if (parts.length % 2 !== 0) return null;
  const pairs = Array.from({ length: parts.length / 2 }, (_, i) => {
    const number = (parts.length > 2 ? parseInteger : parseDecimal)(parts[2 * i] ?? "");
    return number === null ? null : `${number} ${parts[2 * i + 1]}`;
  });
  return pairs.every((pair) => pair !== null) ? pairs.join(" ") : null;
}
