/** Operations on lists of whole numbers: order, choice, counting. The working goes through the list once, a number a line. */
import { areIntegers, boxed, isInteger } from "./answers.js";
import type { Draft, Family, Kind } from "./problem.js";
import type { Wording } from "./wording.js";

export const lists: Family = {
  about: "operations on lists of numbers",
  splitKey: "lists",
  levels: [
    { about: "4 numbers; 6 of 1 to 5 for duplicates", kinds: kindsOf(4, 6, 5) },
    { about: "6 numbers; 8 of 1 to 9 for duplicates", kinds: kindsOf(6, 8, 9) },
    { about: "7 numbers; 10 of 1 to 12 for duplicates", kinds: kindsOf(7, 10, 12) },
  ],
  close: boxed,
  check: (problem, response) => (problem.answer.startsWith("[") ? areIntegers : isInteger)(response, problem.answer),
};

/** What an operation makes of a list; see `Draft`. */
interface Worked {
  readonly prompts: readonly [plain: string, ...others: string[]];
  readonly answer: string;
  readonly method: string;
  readonly work: readonly string[];
  /** A second way to the answer. */
  readonly check: readonly string[];
  readonly wrong: string;
}

type Operation = (numbers: readonly number[], wording: Wording) => Worked;

const inBrackets = " Give the list in brackets.";

/** @param length of the lists of numbers from 0 to 99 @param many length of those with duplicates, of numbers from 1 to `top` */
function kindsOf(length: number, many: number, top: number): readonly Kind[] {
  const wide = (name: string, operation: Operation): Kind => ({
    name,
    bases: new Array<number>(length).fill(100),
    make: (numbers, wording) => draft(operation(numbers, wording), wording),
  });
  return [
    wide("sort", (numbers) => sorted(numbers, "smallest")),
    wide("sort-down", (numbers) => sorted(numbers, "largest")),
    wide("reverse", reversed),
    wide("largest", (numbers) => extreme(numbers, "largest")),
    wide("smallest", (numbers) => extreme(numbers, "smallest")),
    wide("sum", total),
    wide("even", evens),
    wide("range", range),
    {
      name: "count",
      bases: [...new Array<number>(length).fill(100), 40],
      make: (values, wording) =>
        draft(countAbove(values.slice(0, -1), 10 + 2 * (values.at(-1) ?? 0), wording), wording),
    },
    {
      name: "dedupe",
      bases: new Array<number>(many).fill(top),
      make: (values, wording) => draft(deduped(values.map((value) => value + 1)), wording),
    },
  ];
}

function draft({ prompts, answer, method, work, check, wrong }: Worked, wording: Wording): Draft {
  return {
    prompt: wording.ask(...prompts),
    answer,
    work,
    thought: [
      `${wording.pick("", "Let me see. ", "One after the other. ")}${method}`,
      ...work,
      `${wording.pick("So the answer would be", "That gives", "I get")} ${answer}.`,
      wording.pick("Let me check that another way.", "Is that right? A second look:", "To verify:"),
      ...check,
      wording.pick(`It agrees: ${answer}.`, `That fits, so ${answer} it is.`, `Good, ${answer}.`),
    ],
    slip: { work: work.slice(0, -1), answer: wrong },
  };
}

function shown(numbers: readonly number[]): string {
  return `[${numbers.join(", ")}]`;
}

function sorted(numbers: readonly number[], first: "smallest" | "largest"): Worked {
  const order = (a: number, b: number): number => (first === "smallest" ? a - b : b - a);
  const result = [...numbers].sort(order);
  const left = [...numbers];
  const work = result.map((next) => {
    const line = `${left.join(", ")}: ${next}`;
    left.splice(left.indexOf(next), 1);
    return line;
  });
  const list = shown(numbers);
  const way = first === "smallest" ? "ascending" : "descending";
  return {
    prompts: [
      `Sort ${list} in ${way} order.${inBrackets}`,
      `Put the numbers ${list} in ${way} order.${inBrackets}`,
      `Arrange ${list} with the ${first} number first.${inBrackets}`,
    ],
    answer: shown(result),
    method: `I take the ${first} number of those left, again and again.`,
    work,
    check: [
      `${numbers.length} numbers went in and ${result.length} came out.`,
      result
        .slice(1)
        .map((number, i) => `${result[i]}${first === "smallest" ? "<=" : ">="}${number}`)
        .join(", "),
    ],
    wrong: shown(withSwap(result)),
  };
}

/** Two neighbours exchanged that differ; a list of equal numbers loses one instead. */
function withSwap(numbers: readonly number[]): readonly number[] {
  const at = numbers.findIndex((number, i) => i > 0 && number !== numbers[i - 1]);
  if (at < 0) return numbers.slice(1);
  return [...numbers.slice(0, at - 1), numbers[at] ?? 0, numbers[at - 1] ?? 0, ...numbers.slice(at + 1)];
}

function reversed(numbers: readonly number[]): Worked {
  const result = [...numbers].reverse();
  const list = shown(numbers);
  return {
    prompts: [
      `Reverse the list ${list}.${inBrackets}`,
      `Write ${list} from the last number to the first.${inBrackets}`,
      `Turn the order of ${list} around.${inBrackets}`,
    ],
    answer: shown(result),
    method: "From the last number to the first:",
    work: result.map((number, i) => `${numbers.length - i}: ${number}`),
    check: ["Reversed once more, the list must be as it was:", shown(numbers)],
    // A list that reads alike both ways loses a number instead.
    wrong: shown(String(result) === String(numbers) ? result.slice(1) : numbers),
  };
}

function extreme(numbers: readonly number[], which: "largest" | "smallest"): Worked {
  const better = which === "largest" ? Math.max : Math.min;
  const result = better(...numbers);
  const list = shown(numbers);
  const others = numbers.filter((number) => number !== result);
  return {
    prompts: [
      `What is the ${which} number in ${list}?`,
      `Find the ${which} of the numbers ${list}.`,
      `Which number of ${list} is the ${which}?`,
    ],
    answer: String(result),
    method: `I keep the ${which} number seen so far.`,
    work: numbers.map((number, i) => `${number}: ${better(...numbers.slice(0, i + 1))}`),
    check: [
      others.length === 0
        ? "All numbers are equal."
        : others.map((number) => `${result}${which === "largest" ? ">" : "<"}${number}`).join(", "),
    ],
    wrong: String(others.length === 0 ? result + 1 : better(...others)),
  };
}

function total(numbers: readonly number[]): Worked {
  const result = added(numbers);
  const list = shown(numbers);
  return {
    prompts: [
      `What is the sum of the numbers in ${list}?`,
      `Add up the numbers ${list}.`,
      `Find the total of ${list}.`,
    ],
    answer: String(result),
    method: "I add one number after the other.",
    work: running(numbers),
    check: ["From the end:", ...running([...numbers].reverse())],
    // As if the last number had been passed over.
    wrong: String(added(numbers.slice(0, -1)) === result ? result + 10 : added(numbers.slice(0, -1))),
  };
}

function running(numbers: readonly number[]): readonly string[] {
  return numbers.slice(1).map((number, i) => {
    const before = added(numbers.slice(0, i + 1));
    return `${before}+${number}=${before + number}`;
  });
}

function added(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

function evens(numbers: readonly number[]): Worked {
  const result = numbers.filter((number) => number % 2 === 0);
  const odd = numbers.filter((number) => number % 2 === 1);
  const list = shown(numbers);
  return {
    prompts: [
      `Which numbers in ${list} are even? Keep their order.${inBrackets}`,
      `Keep only the even numbers of ${list}, in the same order.${inBrackets}`,
      `Remove the odd numbers from ${list}.${inBrackets}`,
    ],
    answer: shown(result),
    method: "A number is even if its last digit is.",
    work: numbers.map((number) => `${number} ${number % 2 === 0 ? "even" : "odd"}`),
    check: [
      `Odd are ${shown(odd)}, that is ${odd.length}; with the ${result.length} even ones there are ${numbers.length}, as in the list.`,
    ],
    wrong: shown(odd.length > 0 ? odd : result.slice(1)),
  };
}

function range(numbers: readonly number[]): Worked {
  const [large, small] = [Math.max(...numbers), Math.min(...numbers)];
  const list = shown(numbers);
  const line = (number: number, i: number): string => {
    const seen = numbers.slice(0, i + 1);
    return `${number}: ${Math.max(...seen)}, ${Math.min(...seen)}`;
  };
  return {
    prompts: [
      `What is the difference between the largest and the smallest number in ${list}?`,
      `By how much is the largest number of ${list} above the smallest?`,
      `Find the range of ${list}: the largest number less the smallest.`,
    ],
    answer: String(large - small),
    method: "I keep the largest and the smallest number seen so far.",
    work: [...numbers.map(line), `${large}-${small}=${large - small}`],
    check: [
      `No number is above ${large} and none is below ${small}: ${[...numbers].sort((a, b) => a - b).join(", ")}.`,
      `${small}+${large - small}=${large}`,
    ],
    wrong: String(large === small ? 1 : large - small + (small > 0 ? small : 1)),
  };
}

function countAbove(numbers: readonly number[], bound: number, wording: Wording): Worked {
  const result = numbers.filter((number) => number > bound).length;
  const list = shown(numbers);
  let count = 0;
  const rest = numbers.filter((number) => number <= bound);
  return {
    prompts: [
      `How many numbers in ${list} are greater than ${bound}?`,
      `Count the numbers of ${list} that are above ${bound}.`,
      `How many of the numbers ${list} exceed ${bound}?`,
    ],
    answer: String(result),
    method: `I count the numbers greater than ${bound}.`,
    work: numbers.map((number) => {
      if (number > bound) count++;
      return `${number} ${number > bound ? "yes" : "no"} ${count}`;
    }),
    check: [
      `Not greater are ${shown(rest)}, that is ${rest.length} of ${numbers.length}.`,
      `${numbers.length}-${rest.length}=${result}`,
    ],
    wrong: String(result === 0 ? 1 : wording.pick(result - 1, result + 1)),
  };
}

function deduped(numbers: readonly number[]): Worked {
  const result = [...new Set(numbers)];
  const list = shown(numbers);
  return {
    prompts: [
      `Remove the duplicates from ${list}, keeping the first of each.${inBrackets}`,
      `Write ${list} with every number only where it appears first.${inBrackets}`,
      `Keep the first appearance of each number in ${list}.${inBrackets}`,
    ],
    answer: shown(result),
    method: "I keep a number if I have not seen it yet.",
    work: numbers.map((number, i) => `${number} ${numbers.indexOf(number) === i ? "new" : "seen"}`),
    check: [
      `From ${list} each number once:`,
      result.map((number) => `${number} (${numbers.filter((other) => other === number).length})`).join(", "),
      `The counts add up to ${numbers.length}.`,
    ],
    // The last of each kept instead, or one lost.
    wrong: wrongDedupe(numbers, result),
  };
}

function wrongDedupe(numbers: readonly number[], result: readonly number[]): string {
  const last = numbers.filter((number, i) => numbers.lastIndexOf(number) === i);
  return shown(String(last) === String(result) ? withSwap(result) : last);
}
