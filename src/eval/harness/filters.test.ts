import { expect, test } from "vitest";
import type { Filter } from "../taskFile.js";
import { compilePipeline } from "./filters.js";

const apply = (
  filter: readonly Filter[],
  answers: readonly string[],
  choices: readonly string[] | null = null,
): readonly string[] => compilePipeline({ name: "test", filter }).apply(answers, {}, choices);

test("regex takes the chosen match, of several groups the first that is not empty, without white space", () => {
  const number = "(-?[$0-9.,]{2,})|(-?[0-9]+)";
  expect(apply([{ function: "regex", regexPattern: number }], ["3 and 17. or 5"])).toEqual(["3"]);
  expect(apply([{ function: "regex", regexPattern: number, groupSelect: -1 }], ["...total 17."])).toEqual(["17."]);
  expect(apply([{ function: "regex", regexPattern: "#### (\\-?[0-9\\.\\,]+)" }], ["so #### 7"])).toEqual(["7"]);
  expect(apply([{ function: "regex", regexPattern: "is(.*)" }], ["it is  red "])).toEqual(["red"]);
});

test("what a regex does not find is its fallback", () => {
  const pipeline = compilePipeline({ name: "strict", filter: [{ function: "regex", regexPattern: "#### (\\d+)" }] });
  expect(pipeline.apply(["none"], {}, null)).toEqual(["[invalid]"]);
  expect(pipeline.fallback).toBe("[invalid]");
  expect(apply([{ function: "regex", regexPattern: "x", fallback: "?" }], ["none"])).toEqual(["?"]);
});

test("a step of a task's own may say what it leaves where nothing is found", () => {
  const step = { function: "custom", apply: () => ["none"] } as const;
  expect(compilePipeline({ name: "own", filter: [step] }).fallback).toBeNull();
  expect(compilePipeline({ name: "own", filter: [{ ...step, fallback: "none" }] }).fallback).toBe("none");
});

test("answers are taken, voted on and mapped", () => {
  const answers = ["b", "a", "a", "c"];
  expect(apply([{ function: "take_first" }], answers)).toEqual(["b"]);
  expect(apply([{ function: "take_first_k", k: 3 }, { function: "majority_vote" }], answers)).toEqual(["a"]);
  expect(() => apply([{ function: "take_first_k", k: 5 }], answers)).toThrow("5 answers are wanted, there are 4");
  expect(apply([{ function: "map", mappingDict: { a: "1", b: "2" } }], answers)).toEqual(["2", "1", "1", "[invalid]"]);
  expect(apply([{ function: "remove_whitespace" }, { function: "lowercase" }], ["  Ab "])).toEqual(["ab "]);
  expect(apply([{ function: "uppercase" }], ["ab"])).toEqual(["AB"]);
  expect(apply([{ function: "custom", apply: (all) => all.map((each) => each.repeat(2)) }], ["x"])).toEqual(["xx"]);
});

test("multi_choice_regex looks for the letter, then for a choice written out, then for a letter behind a colon", () => {
  const step: Filter = { function: "multi_choice_regex", regexPattern: "(\\([A-Z]\\))", ignoreCase: true };
  const choices = ["a red one", "A blue one"];
  expect(apply([step], ["I say (B).", "the Blue one: A BLUE ONE", "Answer: A", "no idea"], choices)).toEqual([
    "(B)",
    "(B)",
    "(A)",
    "[invalid]",
  ]);
});
