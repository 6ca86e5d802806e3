import { expect, test } from "vitest";
import { checkInstructions, ifEvalScore } from "./score.js";

const row = {
  instruction_id_list: ["punctuation:no_comma", "startend:quotation"],
  kwargs: [{}, {}],
};

test("loose passes where one of eight forms of the response does", () => {
  const strictOf = (response: string): unknown => checkInstructions(row, response);
  expect(strictOf('"no commas"')).toEqual({ strict: [true, true], loose: [true, true] });
  // The first line has the comma and stands before the quotation; without it both pass.
  expect(strictOf('Sure, here:\n"no commas"')).toEqual({ strict: [false, false], loose: [true, true] });
  expect(strictOf('"no commas"\nBye, then')).toEqual({ strict: [false, false], loose: [true, true] });
  expect(strictOf('Sure, here:\n*"no commas"*\nBye')).toEqual({ strict: [false, false], loose: [true, true] });
  // The comma is inside: nothing helps.
  expect(strictOf('Sure:\n"one, two"\n')).toEqual({ strict: [false, false], loose: [false, true] });
});

test("an empty response follows nothing, not even where there is nothing to find", () => {
  expect(checkInstructions(row, " \n")).toEqual({ strict: [false, false], loose: [false, false] });
});

test("the four figures count prompts and instructions apart", () => {
  const verdicts = [
    { strict: [true, true], loose: [true, true] },
    { strict: [true, false, false], loose: [true, true, true] },
    { strict: [false], loose: [false] },
  ];
  const score = ifEvalScore(verdicts);
  expect(score.promptStrict).toBeCloseTo(1 / 3, 12);
  expect(score.instructionStrict).toBeCloseTo(3 / 6, 12);
  expect(score.promptLoose).toBeCloseTo(2 / 3, 12);
  expect(score.instructionLoose).toBeCloseTo(5 / 6, 12);
  expect(() => ifEvalScore([])).toThrow("no verdicts");
});

test("rows with unknown instructions or too few arguments are refused", () => {
  expect(() => checkInstructions({ instruction_id_list: ["a:b"], kwargs: [{}] }, "x")).toThrow(
    'no instruction is called "a:b"',
  );
  expect(() => checkInstructions({ ...row, kwargs: [{}] }, "x")).toThrow("2 instructions, but arguments for 1");
});
