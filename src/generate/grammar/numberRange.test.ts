import fc from "fast-check";
import { expect, test } from "vitest";
import { Dfa, dead } from "./automaton.js";
import { type Bound, type NumberRange, numbersWithin } from "./numberRange.js";

const endings = [null, true, false]; // of a bound: none, included, not included
const all = { low: null, high: null, isInteger: true, multipleOf: null };

function automaton(range: Partial<NumberRange>): Dfa | null {
  const numbers = numbersWithin({ ...all, ...range });
  return numbers && new Dfa(numbers);
}

/** Whether a number, in units of which `perOne` make one, lies within bounds and is a multiple, all in whole numbers. */
function isWithin(units: number, perOne: number, { low, high, multipleOf }: NumberRange): boolean {
  const scaled = (value: number): number => Math.round(value * perOne);
  if (low && (low.isIncluded ? units < scaled(low.value) : units <= scaled(low.value))) return false;
  if (high && (high.isIncluded ? units > scaled(high.value) : units >= scaled(high.value))) return false;
  return multipleOf === null || units % scaled(multipleOf) === 0;
}

function* ranges(values: readonly number[], multiples: readonly (number | null)[], isInteger: boolean) {
  for (const isLow of endings) {
    for (const isHigh of endings) {
      for (const a of isLow === null ? [0] : values) {
        for (const b of isHigh === null ? [0] : values) {
          for (const multipleOf of multiples) {
            const low: Bound | null = isLow === null ? null : { value: a, isIncluded: isLow };
            const high: Bound | null = isHigh === null ? null : { value: b, isIncluded: isHigh };
            yield { low, high, isInteger, multipleOf } satisfies NumberRange;
          }
        }
      }
    }
  }
}

test("integers: every range between small bounds, every number around it, nothing that is not plain", () => {
  const values = [-120, -101, -100, -99, -12, -10, -9, -2, -1, 0, 1, 3, 9, 10, 11, 19, 87, 99, 100, 110, 119];
  for (const range of ranges(values, [null, 1, 3, 20], true)) {
    const dfa = automaton(range);
    const wrong: number[] = [];
    let numFound = 0;
    for (let i = -130; i <= 130; i++) {
      const found = dfa?.matches(String(i)) ?? false;
      numFound += Number(found);
      if (found !== isWithin(i, 1, range)) wrong.push(i);
    }
    expect({ ...range, wrong }).toEqual({ ...range, wrong: [] });
    // No range that has something is called empty, and none that is called so has anything.
    if (range.low && range.high)
      expect({ ...range, isEmpty: dfa === null }).toEqual({ ...range, isEmpty: numFound === 0 });
    for (const text of ["-0", "00", "01", "-01", "1.0", "1.", "+1", "", "-", "1e1"])
      expect(dfa?.matches(text) ?? false).toBe(false);
  }
});

test("numbers: every spelling of up to two digits on both sides of the point", () => {
  const values = [-10, -1.25, -1, -0.5, 0, 0.05, 0.5, 1, 1.2, 1.25, 9.99, 10];
  const texts: (readonly [text: string, hundredths: number])[] = [];
  for (let i = 0; i < 10_000; i += i < 140 ? 1 : i < 1400 ? 3 : 37) {
    const [whole, fraction] = [String(Math.floor(i / 100)), String(i % 100).padStart(2, "0")];
    for (const sign of ["", "-"]) {
      const hundredths = sign === "" ? i : -i;
      texts.push([`${sign}${whole}.${fraction}`, hundredths]);
      if (fraction.endsWith("0")) texts.push([`${sign}${whole}.${fraction[0]}`, hundredths]);
      if (fraction === "00") texts.push([`${sign}${whole}`, hundredths]);
    }
  }
  for (const range of ranges(values, [null, 0.5, 0.01], false)) {
    const dfa = automaton(range);
    const wrong = texts.filter(([text, hundredths]) => {
      const places = range.multipleOf === 0.5 ? 1 : 2; // a multiple has no more places than its divisor
      const isPlain = !/^-0(\.0*)?$/.test(text) && (text.split(".")[1] ?? "").length <= places;
      return (dfa?.matches(text) ?? false) !== (isPlain && isWithin(hundredths, 100, range));
    });
    expect({ ...range, wrong }).toEqual({ ...range, wrong: [] });
    for (const text of ["1.", ".5", "01.5", "1.5e0"]) expect(dfa?.matches(text) ?? false).toBe(false);
  }
});

test("large and small bounds: what is written compares as the double that it is read as, and no walk gets stuck", () => {
  const bound = (value: fc.Arbitrary<number>): fc.Arbitrary<Bound | null> =>
    fc.option(fc.record({ value, isIncluded: fc.boolean() }));
  const signs = Array.from("-.0123456789", (sign) => sign.charCodeAt(0));
  const draws = fc.infiniteStream(fc.nat(255));
  for (const isInteger of [true, false]) {
    const value = isInteger
      ? fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.integer({ min: -300, max: 300 }))
      : fc.oneof(
          fc.double({ noNaN: true, min: -1e14, max: 1e14 }),
          fc.double({ noNaN: true, min: -2, max: 2 }),
          fc.constantFrom(0.1 + 0.2, 1e-7, -1.5e-9),
        );
    const multipleOf = fc.constantFrom(null, null, 7, isInteger ? 1000 : 0.05);
    fc.assert(
      fc.property(bound(value), bound(value), multipleOf, draws, (low, high, multiple, draw) => {
        const range = { low, high, isInteger, multipleOf: multiple };
        const numbers = numbersWithin(range);
        if (!numbers) {
          // What is plainly within is found: a multiple in the middle, if there is room for one.
          const room = (high?.value ?? Infinity) - (low?.value ?? -Infinity);
          expect(room).toBeLessThan(2 * (multiple ?? (isInteger ? 1 : 0)) + 1e-12 * Math.abs(low?.value ?? 0) + 1e-13);
          return;
        }
        const dfa = new Dfa(numbers);
        let state = dfa.start;
        let text = "";
        for (;;) {
          const next = signs.filter((byte) => dfa.step(state, byte) !== dead);
          const chance = draw.next().value ?? 0;
          if (dfa.accepts(state) && (next.length === 0 || chance % 6 === 0)) break;
          expect(next, `${text} leads nowhere`).not.toEqual([]);
          const byte = next[chance % next.length] ?? 0;
          text += String.fromCharCode(byte);
          state = dfa.step(state, byte);
        }
        const read: unknown = JSON.parse(text);
        if (low)
          expect([text, low.isIncluded ? Number(read) >= low.value : Number(read) > low.value]).toEqual([text, true]);
        if (high)
          expect([text, high.isIncluded ? Number(read) <= high.value : Number(read) < high.value]).toEqual([
            text,
            true,
          ]);
        if (multiple !== null) {
          const [whole = "", fraction = ""] = text.split(".");
          const hundredths = BigInt(whole + fraction.padEnd(2, "0"));
          expect([text, hundredths % BigInt(Math.round(100 * multiple))]).toEqual([text, 0n]);
        }
      }),
      { numRuns: 150, seed: 4 },
    );
  }
});

test("the bounds themselves are found, to the last digit", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      fc.pre(value !== 0);
      const dfa = automaton({ low: { value, isIncluded: true }, high: { value, isIncluded: true } });
      expect(dfa?.matches(String(value))).toBe(true);
      const beside = automaton({ low: { value, isIncluded: false } });
      expect([beside?.matches(String(value)), beside?.matches(String(BigInt(value) + 1n))]).toEqual([false, true]);
    }),
    { numRuns: 300, seed: 5 },
  );
  // A bound of more digits than a double tells apart: all that it stands for.
  expect(automaton({ high: { value: 2 ** 63, isIncluded: true } })?.matches("9223372036854775807")).toBe(true);
  expect(automaton({ high: { value: 2 ** 63, isIncluded: true } })?.matches("9223372036854775809")).toBe(false);
  expect(automaton({ low: { value: 3, isIncluded: true } })?.matches("1234567890123456")).toBe(true);
});

test("the number nearest to a bound that is not included is read as another double", () => {
  for (const value of [1, 123456790, 9e14, 0.3, 1e-3]) {
    const [low, high] = [
      { value: 0.99 * value, isIncluded: true },
      { value, isIncluded: false },
    ];
    const dfa = automaton({ isInteger: false, low, high });
    let text = "";
    let state = dfa?.start ?? dead;
    // The largest digit, or the point, each time.
    for (let sign: string | undefined = ""; sign !== undefined; text += sign ?? "") {
      sign = Array.from("9876543210.").find((each) => dfa?.step(state, each.charCodeAt(0)) !== dead);
      if (sign) state = dfa?.step(state, sign.charCodeAt(0)) ?? dead;
    }
    expect([text, Number(text) < value, Number(text) > value - value / 1e9]).toEqual([text, true, true]);
  }
});
