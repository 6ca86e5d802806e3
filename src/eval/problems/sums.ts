/**
 * Sums and differences. `add-subtract` is the family that a model of a few million parameters learns within a minute: two numbers of two or
 * three digits. `long-sums` goes on to more digits, more numbers and results below zero.
 */
import { boxed, isInteger } from "./answers.js";
import { addColumns, slipInDifference, slipInSum, subtractColumns } from "./columns.js";
import { multisetAt, multisetCount } from "./multisets.js";
import type { Draft, Family, Kind } from "./problem.js";
import type { Wording } from "./wording.js";

export const addSubtract: Family = {
  about: "sums and differences of two numbers of two and three digits",
  splitKey: "add-subtract",
  levels: [
    { about: "two digits and two digits", kinds: [sums(2, 2), differences(2)] },
    {
      about: "three digits and two digits",
      kinds: [
        { name: "sum", bases: [900, 90], make: ([a = 0, b = 0], wording) => sum([100 + a, 10 + b], wording) },
        {
          name: "difference",
          bases: [900, 90],
          make: ([a = 0, b = 0], wording) => difference(100 + a, 10 + b, wording),
        },
      ],
    },
    { about: "three digits and three digits", kinds: [sums(2, 3), differences(3)] },
  ],
  close: boxed,
  check: (problem, response) => isInteger(response, problem.answer),
};

export const longSums: Family = {
  about: "sums and differences of longer and of more numbers, also below zero",
  splitKey: "long-sums",
  levels: [
    { about: "two numbers of four digits", kinds: [sums(2, 4), differences(4)] },
    { about: "sums of three numbers, differences below zero; three digits", kinds: [sums(3, 3), belowZero(3)] },
    { about: "two numbers of six digits", kinds: [sums(2, 6), differences(6)] },
    {
      about: "sums of four numbers of three digits, differences of five digits below zero",
      kinds: [sums(4, 3), belowZero(5)],
    },
  ],
  close: boxed,
  check: (problem, response) => isInteger(response, problem.answer),
};

/** Sums of `many` numbers; in which order they are asked is a matter of wording. */
function sums(many: number, digits: number): Kind {
  const low = 10 ** (digits - 1);
  return {
    name: many === 2 ? "sum" : `sum-of-${many}`,
    bases: [multisetCount(9 * low, many)],
    make: ([rank = 0], wording) =>
      sum(
        multisetAt(rank, many).map((number) => low + number),
        wording,
      ),
  };
}

/** Both numbers with as many digits, the larger one first. */
function differences(digits: number): Kind {
  const low = 10 ** (digits - 1);
  return {
    name: "difference",
    // Of numbers that differ: the larger is one more than the pair says.
    bases: [multisetCount(9 * low - 1, 2)],
    make: ([rank = 0], wording) => {
      const [small = 0, large = 0] = multisetAt(rank, 2);
      return difference(low + large + 1, low + small, wording);
    },
  };
}

function belowZero(digits: number): Kind {
  const low = 10 ** (digits - 1);
  return {
    name: "below-zero",
    bases: differences(digits).bases,
    make: ([rank = 0], wording) => {
      const [small = 0, large = 0] = multisetAt(rank, 2);
      return negative(low + small, low + large + 1, wording);
    },
  };
}

function sum(inAnyOrder: readonly number[], wording: Wording): Draft {
  const numbers = wording.shuffled(inAnyOrder);
  const { lines, result } = addColumns(numbers);
  const text = numbers.join(" + ");
  const [first, last = 0] = [numbers.slice(0, -1), numbers.at(-1)];
  const listed = `${first.join(", ")} and ${last}`;
  const slip = addColumns(numbers, slipInSum(numbers, wording.below(9)));
  const back = subtractColumns(result, last);
  const forth = first.length > 1 ? addColumns(first).lines : [];
  return {
    prompt: wording.ask(
      `What is ${text}?`,
      `Compute ${text}.`,
      `${text} =`,
      `Add ${listed}.`,
      `Find the sum of ${listed}.`,
      `How much is ${text}?`,
    ),
    answer: String(result),
    work: lines,
    thought: [
      opening(text, wording),
      ...lines,
      `${wording.pick("That makes", "Read from the last line up:", "So the sum is")} ${result}.`,
      wording.pick("Let me check by subtracting:", "Is that right? Going back:", "To verify, I take one away again:") +
        ` ${result} - ${last} ${wording.pick("should be", "must be")} ${first.join(" + ")}.`,
      ...back.lines,
      ...(forth.length > 0 ? [`That is ${back.result}. And ${first.join(" + ")}:`, ...forth] : []),
      wording.pick(`That gives ${back.result}, as it should.`, `It is ${back.result}, so the sum holds.`),
    ],
    slip: { work: slip.lines, answer: String(slip.result) },
  };
}

function difference(upper: number, lower: number, wording: Wording): Draft {
  const { lines, result } = subtractColumns(upper, lower);
  const slip = subtractColumns(upper, lower, slipInDifference(upper, lower, wording.below(9)));
  return {
    prompt: askDifference(upper, lower, wording),
    answer: String(result),
    work: lines,
    thought: [
      opening(`${upper} - ${lower}`, wording),
      ...lines,
      `${wording.pick("That leaves", "Read from the last line up:", "So the difference is")} ${result}.`,
      ...checkedByAdding(result, lower, upper, wording),
    ],
    slip: { work: slip.lines, answer: String(slip.result) },
  };
}

/** The upper number is the smaller: the other way round, with a minus. */
function negative(upper: number, lower: number, wording: Wording): Draft {
  const { lines, result } = subtractColumns(lower, upper);
  const turned = `-(${lower}-${upper})`;
  const slip = subtractColumns(lower, upper, slipInDifference(lower, upper, wording.below(9)));
  const mistake = wording.pick(
    { work: [turned, ...slip.lines], answer: `-${slip.result}` },
    { work: lines, answer: String(result) }, // without the minus
  );
  return {
    prompt: askDifference(upper, lower, wording),
    answer: `-${result}`,
    work: [turned, ...lines],
    thought: [
      opening(`${upper} - ${lower}`, wording, ""),
      `${upper} is less than ${lower}, so the result is below zero. I take ${upper} from ${lower}:`,
      ...lines,
      `${wording.pick("That leaves", "So they are apart by")} ${result}, and the result is -${result}.`,
      ...checkedByAdding(result, upper, lower, wording),
    ],
    slip: mistake,
  };
}

function askDifference(upper: number, lower: number, wording: Wording): string {
  const text = `${upper} - ${lower}`;
  return wording.ask(
    `What is ${text}?`,
    `Compute ${text}.`,
    `${text} =`,
    `Subtract ${lower} from ${upper}.`,
    `How much is ${text}?`,
    `Take ${lower} away from ${upper}.`,
  );
}

function opening(text: string, wording: Wording, way: string | null = null): string {
  return (
    wording.pick(`I need ${text}.`, `The task is ${text}.`, `So ${text} is wanted.`) +
    (way ?? wording.pick(" Column by column, from the ones.", " I go through the columns from the right."))
  );
}

function checkedByAdding(left: number, right: number, whole: number, wording: Wording): readonly string[] {
  const check = addColumns([left, right]);
  return [
    wording.pick("Let me check by adding:", "Is that right? Going back:", "To verify, I add again:") +
      ` ${left} + ${right} ${wording.pick("should be", "must be")} ${whole}.`,
    ...check.lines,
    wording.pick(`That gives ${check.result}, as it should.`, `It is ${check.result}, so the difference holds.`),
  ];
}
